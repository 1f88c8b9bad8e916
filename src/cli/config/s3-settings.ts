import { choice, integer, string, url } from './setting.js';

const INGEST = ['ingest'] as const;
const WITH_VERIFY = ['ingest', 'verify'] as const;
const MIB = 1024 * 1024;
const PREFIX = { pattern: /^[^\r\n\0]{0,512}$/, expected: 'up to 512 characters' } as const;

/** The part of the table about the sink that writes objects to S3. */
export const S3 = {
  'sink.s3.bucket': string({
    doc: 'Write objects to this bucket; needs the package @aws-sdk/client-s3.',
    verbs: WITH_VERIFY,
    default: undefined,
    placeholder: 'bucket',
    shape: {
      pattern: /^(?!s3:)[A-Za-z0-9][A-Za-z0-9._:/-]{1,254}$/,
      expected: 'the name of a bucket, without s3:// and of 3 to 63 characters a-z, 0-9, . and -, or an ARN',
    },
  }),
  'sink.s3.prefix': string({
    doc: "How keys begin, with Firehose's expressions such as !{timestamp:yyyy/MM/dd/HH}/ (UTC); without a time, yyyy/MM/dd/HH/ is appended. A folder ends with a slash.",
    verbs: INGEST,
    default: 'sse-data',
    placeholder: 'prefix',
    shape: PREFIX,
  }),
  'sink.s3.errorPrefix': string({
    doc: 'How the keys of dead letters begin: those of all sinks go to the bucket, unless deadLetter.file is given. With expressions, !{firehose:error-output-type} must be one.',
    verbs: INGEST,
    default: 'sse-error',
    placeholder: 'prefix',
    shape: PREFIX,
  }),
  'sink.s3.manifestPrefix': string({
    doc: 'Each object has a manifest: its key is this, the key of the object, and .json.',
    verbs: WITH_VERIFY,
    default: 'sse-manifest/',
    placeholder: 'prefix',
    shape: PREFIX,
  }),
  'sink.s3.region': string({
    doc: 'The region of the bucket.',
    verbs: WITH_VERIFY,
    default: undefined,
    defaultDoc: 'what the AWS SDK finds',
    placeholder: 'region',
    shape: { pattern: /^[a-z0-9-]{1,50}$/, expected: 'a region such as eu-central-1' },
  }),
  'sink.s3.endpoint': url({
    doc: 'Another server that speaks the S3 protocol; it must keep to If-None-Match.',
    verbs: WITH_VERIFY,
    default: undefined,
  }),
  'sink.s3.rotateBytes': integer({
    doc: 'A new object after so many bytes, uncompressed; never more than half the spool.',
    verbs: INGEST,
    default: 16 * MIB,
    unit: 'bytes',
    min: 1,
  }),
  'sink.s3.rotateMs': integer({
    doc: 'A new object after so long.',
    verbs: INGEST,
    default: 60_000,
    unit: 'ms',
    min: 1,
  }),
  'sink.s3.timeoutMs': integer({
    doc: 'A request without a byte of an answer for so long is tried again.',
    verbs: INGEST,
    default: 30_000,
    unit: 'ms',
    min: 1,
  }),
  'sink.s3.format': choice(['data', 'ndjson', 'envelope', 'parquet'], {
    doc: 'What is in an object, where that is another format than that of the other sinks; parquet: a table of id, type, data and receivedAt.',
    verbs: INGEST,
    default: undefined,
    defaultDoc: 'as format',
  }),
  'sink.s3.compression': choice(['gzip', 'zstd', 'none'], {
    doc: 'How objects are compressed, of a Parquet file its pages; zstd needs Node 22.15 or newer.',
    verbs: INGEST,
    default: 'gzip',
  }),
} as const;
