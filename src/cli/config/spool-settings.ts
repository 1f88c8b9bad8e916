import { integer, string, url } from './setting.js';

const INGEST = ['ingest'] as const;
const MIB = 1024 * 1024;

/** The part of the table about where events wait for their sinks, and where a pipeline goes on after a restart. */
export const SPOOL = {
  'spool.events': integer({
    doc: 'Events that may wait for sinks, or of a spool on disk those in memory; a batch or an object has half of them at most.',
    verbs: INGEST,
    default: 100_000,
    unit: 'events',
    min: 1,
  }),
  'spool.bytes': integer({
    doc: 'Bytes that may wait for sinks, or of a spool on disk those in memory; a batch or an object has half of them at most.',
    verbs: INGEST,
    default: 64 * MIB,
    unit: 'bytes',
    min: 1,
  }),
  'spool.dir': string({
    doc: 'Keep the spool on disk, in a folder of this one that has the name of the pipeline: a sink may then be away for longer, and what was received survives a crash.',
    verbs: INGEST,
    default: undefined,
    defaultDoc: 'the spool is in memory',
    placeholder: 'folder',
  }),
  'spool.diskBytes': integer({
    doc: 'Bytes that may wait for sinks on disk.',
    verbs: INGEST,
    default: 1024 * MIB,
    unit: 'bytes',
    min: MIB,
  }),
  'checkpoint.file': string({
    doc: 'Where the id to resume from is kept.',
    verbs: INGEST,
    default: undefined,
    defaultDoc: '<data.dir>/<pipeline.name>.checkpoint.json, unless it is in S3 or in Redis',
    placeholder: 'file',
  }),
  'checkpoint.s3.bucket': string({
    doc: 'Keep it in this bucket instead, replaced by conditional puts; needs the package @aws-sdk/client-s3.',
    verbs: INGEST,
    default: undefined,
    placeholder: 'bucket',
    shape: { pattern: /^[A-Za-z0-9][A-Za-z0-9._:/-]{1,254}$/, expected: 'the name of a bucket' },
  }),
  'checkpoint.s3.key': string({
    doc: 'The key of the object.',
    verbs: INGEST,
    default: undefined,
    defaultDoc: 'tidegate/<pipeline.name>.checkpoint.json',
    placeholder: 'key',
  }),
  'checkpoint.s3.region': string({
    doc: 'The region of the bucket.',
    verbs: INGEST,
    default: undefined,
    defaultDoc: 'what the AWS SDK finds',
    placeholder: 'region',
    shape: { pattern: /^[a-z0-9-]{1,50}$/, expected: 'a region such as eu-central-1' },
  }),
  'checkpoint.s3.endpoint': url({
    doc: 'Another server that speaks the S3 protocol; it must keep to If-Match.',
    verbs: INGEST,
    default: undefined,
  }),
  'checkpoint.redis.url': string({
    doc: 'Keep it in this Redis instead.',
    verbs: INGEST,
    default: undefined,
    placeholder: 'url',
    shape: { pattern: /^rediss?:\/\/[^\s]+$/, expected: 'such as redis://127.0.0.1:6379, or rediss:// for TLS' },
    // It may hold a password.
    isSecret: true,
  }),
  'checkpoint.redis.key': string({
    doc: 'The key of it.',
    verbs: INGEST,
    default: undefined,
    defaultDoc: 'tidegate:checkpoint:<pipeline.name>',
    placeholder: 'key',
  }),
  'checkpoint.intervalMs': integer({
    doc: 'The checkpoint, and with a spool on disk where each sink is, is written at most this often: after a crash so much may come twice.',
    verbs: INGEST,
    default: 1000,
    unit: 'ms',
  }),
} as const;
