import { boolean, choice, integer, list, string } from './setting.js';

const INGEST = ['ingest'] as const;
const FILE = { verbs: INGEST, default: undefined, placeholder: 'file' } as const;

/** A query parameter; in the values of `source.resumeQuery` braces stand for what is known by then. */
const PARAMETER = {
  placeholder: 'name=value',
  expectedItem: 'such as since=2026-11-20T00:00:00Z',
  item: /^[^=\s]+=[^\r\n\0]*$/,
  separator: '\n',
} as const;

/** A JSON pointer to a field (RFC 6901). */
const POINTER = { pattern: /^(\/([^~]|~[01])*)+$/, expected: 'a JSON pointer such as /meta/id' } as const;
const POINTERS = { placeholder: 'pointer', expectedItem: POINTER.expected, item: POINTER.pattern } as const;
const CONDITION = {
  placeholder: 'condition',
  expectedItem: 'such as type=edit, /wiki=enwiki|dewiki, /bot!=true, /user or !/user',
  item: /^(!?(type|id|\/[^=!\r\n]*)|(type|id|\/[^=!\r\n]*)!?=[^\r\n]*)$/,
  separator: '\n',
} as const;

/** The part of the table that says how events are taken in, beside the plain SSE endpoint. */
export const SOURCES = {
  'source.file': string({
    ...FILE,
    doc: 'Take in the events of this file, to its end; it may be compressed (.gz, .br).',
  }),
  'source.growing': boolean({
    doc: 'source.file grows: wait at its end, also where another file takes its name.',
    verbs: INGEST,
    default: false,
  }),
  'source.stdin': boolean({
    doc: 'Take in standard input, to its end. It cannot be read again after a crash.',
    verbs: INGEST,
    default: false,
  }),
  'source.redis.url': string({
    doc: 'The Redis whose stream or channel is taken in.',
    verbs: INGEST,
    default: undefined,
    placeholder: 'url',
    shape: { pattern: /^rediss?:\/\/\S+$/, expected: 'such as redis://127.0.0.1:6379, or rediss:// for TLS' },
    // It may hold a password.
    isSecret: true,
  }),
  'source.redis.stream': string({
    doc: 'The key of a stream; its position is kept, so nothing is lost while Redis keeps it.',
    verbs: INGEST,
    default: undefined,
    placeholder: 'key',
  }),
  'source.redis.from': choice(['start', 'end'], {
    doc: 'Where a stream is begun: with its oldest entry, or with what comes.',
    verbs: INGEST,
    default: 'start',
  }),
  'source.redis.channel': string({
    doc: 'A channel. Redis forgets what it published, so what comes while nobody listens is lost; gaps are recorded.',
    verbs: INGEST,
    default: undefined,
    placeholder: 'channel',
  }),
  'source.format': choice(['sse', 'ndjson'], {
    doc: 'What the bytes are: an event stream, or an event on each line.',
    verbs: INGEST,
    default: undefined,
    defaultDoc: 'sse from a URL or a file named .sse, ndjson from other files and standard input',
  }),
  'source.idField': string({
    doc: "Where a line has the event's id.",
    verbs: INGEST,
    default: undefined,
    placeholder: 'pointer',
    shape: POINTER,
  }),
  'source.typeField': string({
    doc: 'Where a line has the event type.',
    verbs: INGEST,
    default: undefined,
    placeholder: 'pointer',
    shape: POINTER,
  }),
  'source.finite': boolean({
    doc: 'A clean end of the answer is the end for good: do not reconnect after it.',
    verbs: INGEST,
    default: false,
  }),
  'source.method': choice(['GET', 'POST'], {
    doc: 'How the URL is asked.',
    verbs: INGEST,
    default: undefined,
    defaultDoc: 'GET, or POST where there is a body',
  }),
  'source.body': string({
    doc: 'What is posted, as JSON unless a header says something else.',
    verbs: INGEST,
    default: undefined,
    // A prompt or a query may be as private as a header.
    isSecret: true,
  }),
  'source.bodyFile': string({ ...FILE, doc: 'A file with what is posted.' }),
  'source.startQuery': list<string>({
    ...PARAMETER,
    doc: 'A query parameter while there is nothing to resume from; may be repeated.',
    verbs: INGEST,
    default: [],
  }),
  'source.resumeQuery': list<string>({
    ...PARAMETER,
    doc: 'A query parameter that says where to go on, with {id}, {since} (RFC 3339) or {sinceMs} in its value; may be repeated.',
    verbs: INGEST,
    default: [],
  }),
  'source.tokenFile': string({
    ...FILE,
    doc: 'A file with a bearer token, read before every request: put a new one there before the old one expires.',
  }),
  'source.tokenCommand': string({
    doc: 'A shell command that prints a bearer token, run before every request; 30 s at most.',
    verbs: INGEST,
    default: undefined,
    placeholder: 'command',
    isSecret: true,
  }),
  'source.proxy': string({
    doc: 'The HTTP proxy to go through; none: no proxy, whatever the environment says.',
    verbs: INGEST,
    default: undefined,
    defaultDoc: 'HTTPS_PROXY or HTTP_PROXY, else ALL_PROXY, but for whom NO_PROXY names',
    placeholder: 'url|none',
    shape: { pattern: /^(https?:\/\/\S+|none)$/, expected: 'an http:// or https:// URL, or none' },
    // It may hold a password.
    isSecret: true,
  }),
  'source.tls.ca': string({ ...FILE, doc: 'Certificates to trust beside those that come with Node, in PEM.' }),
  'source.tls.cert': string({ ...FILE, doc: 'The certificate to show, in PEM.' }),
  'source.tls.key': string({ ...FILE, doc: 'Its key, in PEM without a passphrase.' }),
  'source.compression': boolean({
    doc: 'Offer the server to compress the stream (gzip, br, and zstd from Node 22.15 on).',
    verbs: INGEST,
    default: true,
  }),
  'source.connectTimeoutMs': integer({
    doc: 'A connection must be there after so long.',
    verbs: INGEST,
    default: 10_000,
    unit: 'ms',
    min: 1,
  }),
  'source.eventTimeoutMs': integer({
    doc: 'Reconnect after so long without an event, canaries included, whatever else comes; 0: never.',
    verbs: INGEST,
    default: 0,
    unit: 'ms',
  }),
  'source.overlapMs': integer({
    doc: 'Resume so long before the last event, and drop what comes twice; needs dedupe.key.',
    verbs: INGEST,
    default: 0,
    unit: 'ms',
  }),
  'source.renewAfterMs': integer({
    doc: 'Open the next connection beside one that is so old, for servers that end each after a while; 0: never. Needs dedupe.key.',
    verbs: INGEST,
    default: 0,
    unit: 'ms',
  }),
  'dedupe.key': string({
    doc: 'What tells events apart: id, or a JSON pointer into the data. What comes again is dropped.',
    verbs: INGEST,
    default: undefined,
    placeholder: 'id|/pointer',
    shape: { pattern: /^(id|(\/([^~]|~[01])*)+)$/, expected: 'id or a JSON pointer such as /meta/id' },
  }),
  'dedupe.keys': integer({
    doc: 'Events that are remembered, over a restart too; 11 bytes each in the checkpoint.',
    verbs: INGEST,
    default: 10_000,
    unit: 'events',
    min: 100,
    max: 1_000_000,
  }),
  'filter.match': list<string>({
    ...CONDITION,
    doc: 'Only events of which this holds; may be repeated, then all must hold. * stands for any characters.',
    verbs: INGEST,
    default: [],
  }),
  'filter.canary': list<string>({
    ...CONDITION,
    doc: 'Events of which this holds (all of it, where repeated) only show that the stream lives; no sink gets them.',
    verbs: INGEST,
    default: [],
  }),
  'filter.dropFields': list<string>({
    ...POINTERS,
    doc: 'A field of the data to leave out, * for every member or item; may be repeated.',
    verbs: INGEST,
    default: [],
  }),
  'filter.maskFields': list<string>({
    ...POINTERS,
    doc: 'A field of the data to write *** over, * for every member or item; data that are no JSON are masked whole.',
    verbs: INGEST,
    default: [],
  }),
};
