import { boolean, choice, integer, list, string, url } from './setting.js';
import type { Setting } from './setting.js';

const INGEST = ['ingest'] as const;
const MIB = 1024 * 1024;

/** What a full spool does about a sink of this kind that is behind. */
const onFull = (): Setting<'block' | 'drop'> =>
  choice(['block', 'drop'], {
    doc: 'When the spool is full because of this sink: the source waits, or the sink loses its oldest events, which is counted and logged.',
    verbs: INGEST,
    default: 'block',
  });

/** The part of the table about sinks to Redis, to an HTTP endpoint and to standard output, and what all sinks share. */
export const OTHER_SINKS = {
  'sink.redis.url': string({
    doc: 'Write events to this Redis (6.2 or newer).',
    verbs: INGEST,
    default: undefined,
    placeholder: 'url',
    shape: { pattern: /^rediss?:\/\/[^\s]+$/, expected: 'such as redis://127.0.0.1:6379, or rediss:// for TLS' },
    // It may hold a password.
    isSecret: true,
  }),
  'sink.redis.stream': string({
    doc: 'Add them to this stream of it, as entries with the fields id, type, data and receivedAt.',
    verbs: INGEST,
    default: undefined,
    placeholder: 'key',
  }),
  'sink.redis.entries': integer({
    doc: 'Entries that the stream keeps, about.',
    verbs: INGEST,
    default: 1_000_000,
    min: 1,
  }),
  'sink.redis.channel': string({
    doc: 'Publish them on this channel of it, which keeps nothing: who does not listen misses them.',
    verbs: INGEST,
    default: undefined,
    placeholder: 'channel',
  }),
  'sink.redis.timeoutMs': integer({
    doc: 'A batch without an answer for so long is tried again.',
    verbs: INGEST,
    default: 10_000,
    unit: 'ms',
    min: 1,
  }),
  'sink.http.url': url({
    doc: 'Post events to this URL, in batches of NDJSON.',
    verbs: INGEST,
    default: undefined,
    isSecret: true,
  }),
  'sink.http.secret': string({
    doc: 'What requests are signed with (Standard Webhooks): whsec_ and base64, or any text. Without it they are not signed.',
    verbs: INGEST,
    default: undefined,
    isSecret: true,
  }),
  'sink.http.secretFile': string({
    doc: 'A file that holds this secret; the line break at its end does not count.',
    verbs: INGEST,
    default: undefined,
    placeholder: 'file',
  }),
  'sink.http.headers': list<string>({
    doc: 'A header of these requests, "Name: value"; may be repeated. Never logged.',
    verbs: INGEST,
    default: [],
    placeholder: 'header',
    expectedItem: '"Name: value"',
    item: /^[!#$%&'*+.^_`|~0-9A-Za-z-]+:[ \t]*[^\r\n\0]*$/,
    separator: '\n',
    isSecret: true,
  }),
  'sink.http.format': choice(['ndjson', 'envelope'], {
    doc: 'What a line of it is: the data as one JSON value, or an object with the id and the type too.',
    verbs: INGEST,
    default: 'ndjson',
  }),
  'sink.http.events': integer({ doc: 'Events of a request, at most.', verbs: INGEST, default: 500, min: 1 }),
  'sink.http.bytes': integer({
    doc: 'Bytes of a request, about; one larger event goes alone.',
    verbs: INGEST,
    default: MIB,
    unit: 'bytes',
    min: 1,
  }),
  'sink.http.waitMs': integer({
    doc: 'How long the first event of a request waits for others.',
    verbs: INGEST,
    default: 0,
    unit: 'ms',
  }),
  'sink.http.timeoutMs': integer({
    doc: 'A request without an answer for so long is tried again.',
    verbs: INGEST,
    default: 10_000,
    unit: 'ms',
    min: 1,
  }),
  'sink.stdout': boolean({
    doc: 'Write events to standard output; what ingest itself has to say then goes to standard error.',
    verbs: INGEST,
    default: false,
  }),
  'sink.file.onFull': onFull(),
  'sink.hub.onFull': onFull(),
  'sink.kinesis.onFull': onFull(),
  'sink.firehose.onFull': onFull(),
  'sink.s3.onFull': onFull(),
  'sink.redis.onFull': onFull(),
  'sink.http.onFull': onFull(),
} as const;
