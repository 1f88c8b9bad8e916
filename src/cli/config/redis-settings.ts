import { contradiction } from './contradiction.js';
import { boolean, integer, list, string } from './setting.js';

const SERVE = ['serve'] as const;
const DEFAULT_PORT = '6379';

/** The notification service's two variables as one URL. @throws CliError `contradiction` where they make none. */
function redisUrlOf(host: string, env: Readonly<Record<string, string | undefined>>): string {
  const port = env['REDIS_PORT'] ?? '';
  const [name, number] = [/^[A-Za-z0-9._-]+$|^\[?[0-9A-Fa-f:]+\]?$/.test(host), /^\d{0,5}$/.test(port)];
  if (!name)
    throw contradiction('Cannot use REDIS_HOST: it must be the name or address of a host, and the port is REDIS_PORT');
  if (!number) throw contradiction('Cannot use REDIS_PORT with REDIS_HOST: it must be a port from 1 to 65535');
  const address = host.includes(':') && !host.startsWith('[') ? `[${host}]` : host;
  return `redis://${address}:${port === '' ? DEFAULT_PORT : port}`;
}

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
    legacy: [{ name: 'REDIS_HOST', translate: redisUrlOf, with: ['REDIS_PORT'] }],
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
  'redis.bridgeUsers': boolean({
    doc: 'Publish to a user what anybody publishes on the Redis channel <application>:channel:<user> as JSON with id, type and data, and keep the hash <application>:client:<user> while the user is connected. All hubs must have it alike.',
    verbs: SERVE,
    default: false,
  }),
  'redis.bridgeChannels': list<string>({
    doc: 'Publish what comes on these Redis channels, as data, to the channel of the same name, or to the one behind "=".',
    verbs: SERVE,
    default: [],
    placeholder: 'channel',
    expectedItem: 'such as sse or prices=stocks',
    item: /^[^\s,]+$/,
  }),
  'redis.leaseMs': integer({
    doc: 'A hub that was killed is counted for so long.',
    verbs: SERVE,
    default: 30_000,
    min: 3000,
    unit: 'ms',
  }),
};
