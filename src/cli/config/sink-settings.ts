import { boolean, choice, integer, string, url } from './setting.js';

const MIB = 1024 * 1024;
const INGEST = ['ingest'] as const;

const REGION = { pattern: /^[a-z]{2}(-[a-z]+)+-\d{1,2}$/, expected: 'a region, such as eu-central-1' } as const;

/** The part of the table that says where events go. */
export const SINKS = {
  'sink.file.dir': string({
    doc: 'Archive to files in this folder.',
    verbs: INGEST,
    default: undefined,
    placeholder: 'folder',
  }),
  'sink.file.rotateBytes': integer({
    doc: 'A new file after so many bytes.',
    verbs: INGEST,
    default: 64 * MIB,
    unit: 'bytes',
    min: 1,
  }),
  'sink.file.rotateMs': integer({
    doc: 'A new file after so long.',
    verbs: INGEST,
    default: 3_600_000,
    unit: 'ms',
    min: 1,
  }),
  'sink.file.gzip': boolean({ doc: 'Compress files once they are complete.', verbs: INGEST, default: false }),
  'sink.hub.url': url({
    doc: 'Publish to this hub.',
    verbs: INGEST,
    default: undefined,
  }),
  'sink.hub.channel': string({
    doc: 'Publish to this channel of it.',
    verbs: INGEST,
    default: undefined,
    placeholder: 'channel',
  }),
  'sink.hub.keepIds': boolean({ doc: "Publish with the upstream's ids.", verbs: INGEST, default: false }),
  'sink.kinesis.stream': string({
    doc: 'Put events into this Kinesis data stream: its name or its ARN.',
    verbs: INGEST,
    default: undefined,
    placeholder: 'stream',
    shape: {
      pattern: /^([A-Za-z0-9_.-]{1,128}|arn:aws[a-z-]*:kinesis:[a-z0-9-]+:\d{12}:stream\/[A-Za-z0-9_.-]{1,128})$/,
      expected: "a stream's name or ARN",
    },
    aliases: [{ flag: '-s' }, { flag: '--stream' }],
  }),
  'sink.kinesis.region': string({
    doc: 'Its region.',
    verbs: INGEST,
    default: undefined,
    defaultDoc: "as the AWS SDK finds it: AWS_REGION, then the profile's",
    placeholder: 'region',
    shape: REGION,
    aliases: [{ flag: '-r' }, { flag: '--region' }],
  }),
  'sink.kinesis.endpoint': url({
    doc: 'Another endpoint than that of the region.',
    verbs: INGEST,
    default: undefined,
  }),
  'sink.kinesis.format': choice(['data', 'ndjson', 'envelope'], {
    doc: 'What a record is, where that is another format than that of the other sinks.',
    verbs: INGEST,
    default: undefined,
    defaultDoc: 'as format; data where the stream is given by -s or --stream and no format is',
  }),
  'sink.kinesis.partitionKey': string({
    doc: 'What spreads records over shards: random, type, id, or a JSON pointer into the data; random where an event has no such value.',
    verbs: INGEST,
    default: 'random',
    placeholder: 'random|type|id|/pointer',
    shape: { pattern: /^(random|type|id|(\/([^~]|~[01])*)+)$/, expected: 'random, type, id or a JSON pointer' },
  }),
  'sink.kinesis.order': choice(['none', 'key'], {
    doc: 'Whether records of one partition key keep their order: one of a key at a time, so few keys are slow.',
    verbs: INGEST,
    default: 'none',
  }),
  'sink.kinesis.recordBytes': integer({
    doc: 'The largest record, with its key; a larger one is a dead letter.',
    verbs: INGEST,
    default: MIB,
    unit: 'bytes',
    min: 1024,
    max: 10 * MIB,
  }),
  'sink.kinesis.requestBytes': integer({
    doc: 'The largest request.',
    verbs: INGEST,
    default: 5 * MIB,
    unit: 'bytes',
    min: 1024,
    max: 10 * MIB,
  }),
  'sink.kinesis.requests': integer({ doc: 'Requests under way at once.', verbs: INGEST, default: 4, min: 1, max: 64 }),
  'sink.kinesis.timeoutMs': integer({
    doc: 'A request without an answer for so long is tried again.',
    verbs: INGEST,
    default: 10_000,
    unit: 'ms',
    min: 1,
  }),
  'sink.firehose.stream': string({
    doc: 'Put events into this Firehose stream.',
    verbs: INGEST,
    default: undefined,
    placeholder: 'stream',
    shape: { pattern: /^[A-Za-z0-9_.-]{1,64}$/, expected: "a Firehose stream's name" },
  }),
  'sink.firehose.region': string({
    doc: 'Its region.',
    verbs: INGEST,
    default: undefined,
    defaultDoc: "as the AWS SDK finds it: AWS_REGION, then the profile's",
    placeholder: 'region',
    shape: REGION,
  }),
  'sink.firehose.endpoint': url({
    doc: 'Another endpoint than that of the region.',
    verbs: INGEST,
    default: undefined,
  }),
  'sink.firehose.requests': integer({ doc: 'Requests under way at once.', verbs: INGEST, default: 4, min: 1, max: 64 }),
  'sink.firehose.timeoutMs': integer({
    doc: 'A request without an answer for so long is tried again.',
    verbs: INGEST,
    default: 10_000,
    unit: 'ms',
    min: 1,
  }),
  'deadLetter.file': string({
    doc: 'What a sink can never take is kept here, a line of JSON each.',
    verbs: INGEST,
    default: undefined,
    defaultDoc: '<data.dir>/<pipeline.name>.dead-letters.ndjson, or the bucket of S3',
    placeholder: 'file',
  }),
  'deadLetter.bytes': integer({
    doc: 'Bytes that this file may have; then the sink waits until it is moved away.',
    verbs: INGEST,
    default: 1024 * MIB,
    unit: 'bytes',
    min: 1,
  }),
} as const;
