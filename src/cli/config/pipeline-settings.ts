import { integer, string } from './setting.js';

const INGEST = ['ingest'] as const;
const SERVICES = ['serve', 'ingest'] as const;

/** The part of the table about many pipelines, in one process and in several, and how they are watched. */
export const PIPELINES = {
  'health.silenceMs': integer({
    doc: 'GET /health fails for a pipeline whose source was silent for so long; comments do not count; 0: never.',
    verbs: INGEST,
    default: 0,
    unit: 'ms',
  }),
  'metrics.port': integer({
    doc: 'Answer GET /metrics, /health and /ready on this port without asking for credentials; 0: any free one.',
    verbs: SERVICES,
    default: undefined,
    max: 65_535,
  }),
  'metrics.host': string({
    doc: 'The address that metrics.port listens on; everybody who reaches it may read the metrics.',
    verbs: SERVICES,
    default: '127.0.0.1',
    placeholder: 'host',
  }),
  'leases.url': string({
    doc: 'Share the pipelines with other workers by leases in this Redis (6.2 or newer), which then keeps the checkpoints too.',
    verbs: INGEST,
    default: undefined,
    placeholder: 'url',
    shape: {
      pattern: /^rediss?:\/\/[^\s]+$/,
      expected: 'such as redis://127.0.0.1:6379, or rediss:// for TLS',
    },
    // It may hold a password.
    isSecret: true,
  }),
  'leases.prefix': string({
    doc: 'What all keys begin with: workers with different prefixes know nothing of each other.',
    verbs: INGEST,
    default: 'tidegate-ingest',
    placeholder: 'prefix',
    shape: { pattern: /^[^\s]{1,100}$/, expected: '1 to 100 characters, no space' },
  }),
  'leases.ttlMs': integer({
    doc: 'After so long the pipelines of a worker that is gone, or does not reach Redis, go to others.',
    verbs: INGEST,
    default: 10_000,
    unit: 'ms',
    min: 1000,
    max: 3_600_000,
  }),
} as const;
