import { boolean, integer, list, string } from './setting.js';

const SERVE = ['serve'] as const;

/** The part of the table that says how several machines are one hub. */
export const REDIS = {
  'redis.url': string({
    doc: 'Keep events in this Redis (6.2 or newer), so that all hubs on it are one; of a cluster, some of its nodes, with commas between.',
    verbs: SERVE,
    default: undefined,
    placeholder: 'url',
    shape: {
      pattern: /^rediss?:\/\/[^\s]+$/,
      expected: 'such as redis://127.0.0.1:6379, or rediss:// for TLS',
    },
    // It may hold a password.
    isSecret: true,
  }),
  'redis.cluster': boolean({ doc: 'redis.url is of a Redis Cluster.', verbs: SERVE, default: false }),
  'redis.sentinels': list<string>({
    doc: 'Ask these sentinels where the master is; user and password are taken from redis.url.',
    verbs: SERVE,
    default: [],
    placeholder: 'host:port',
    expectedItem: 'such as 10.0.0.1:26379',
    item: /^[^\s,]+$/,
  }),
  'redis.master': string({
    doc: "The master's name at the sentinels.",
    verbs: SERVE,
    default: 'mymaster',
    placeholder: 'name',
  }),
  'redis.prefix': string({
    doc: 'What all keys begin with, in braces: hubs with different prefixes know nothing of each other.',
    verbs: SERVE,
    default: 'tidegate',
    placeholder: 'prefix',
    shape: { pattern: /^[^{}\s]{1,100}$/, expected: '1 to 100 characters, no space and no brace' },
  }),
  'redis.waitReplicas': integer({
    doc: 'A publish is answered once so many replicas have the event too.',
    verbs: SERVE,
    default: 0,
    max: 100,
  }),
  'redis.commandTimeoutMs': integer({
    doc: 'A publish or a subscription waits so long for Redis, then it is refused with 503.',
    verbs: SERVE,
    default: 2000,
    min: 10,
    unit: 'ms',
  }),
  'redis.leaseMs': integer({
    doc: 'A hub that was killed is counted for so long.',
    verbs: SERVE,
    default: 30_000,
    min: 3000,
    unit: 'ms',
  }),
};
