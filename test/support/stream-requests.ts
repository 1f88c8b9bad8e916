/** What one kind of client sent, recorded from real requests (docs/adr/0028). */
interface RecordedRequest {
  readonly client: string;
  /** `trustworthy`: https, or http to this machine; `plain`: http to another machine; `any`: no browser, always the same. */
  readonly to: 'trustworthy' | 'plain' | 'any';
  /** How many requests sent exactly these values. */
  readonly count: number;
  /** Of each request the headers that could tell clients apart; all others differ within one client, or are everybody's. */
  readonly headers: Readonly<Record<string, string>>;
  /** Whether the hub takes it for a native EventSource. */
  readonly isNative: boolean;
}

/*
 * Chromium 156 and Firefox 153 (Debian, headless), one table, since both sent the same: same origin, another port and
 * another site; with and without credentials; first connects and reconnects with Last-Event-ID; HTTP/1.1 and HTTP/2.
 * The counts are those of both together.
 */
const STREAM = { accept: 'text/event-stream', 'accept-language': 'en-US,en;q=0.9' };
const METADATA = { 'sec-fetch-dest': 'empty', 'sec-fetch-mode': 'cors' };
const NO_STORE = { 'cache-control': 'no-cache', pragma: 'no-cache' };

interface InPage {
  readonly client: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly counts: readonly [trustworthy: number, plain: number];
  readonly isNative: boolean;
}

const IN_PAGE: readonly InPage[] = [
  { client: 'EventSource', headers: { ...STREAM, ...NO_STORE }, counts: [120, 24], isNative: true },
  { client: 'EventSource in a worker', headers: { ...STREAM, ...NO_STORE }, counts: [111, 22], isNative: true },
  // These cannot be told from it.
  { client: 'tidegate/client', headers: { ...STREAM, ...NO_STORE }, counts: [120, 24], isNative: true },
  { client: 'fetch: Accept, no-store', headers: { ...STREAM, ...NO_STORE }, counts: [80, 16], isNative: true },
  {
    client: 'fetch: Accept, Cache-Control',
    headers: { ...STREAM, 'cache-control': 'no-cache' },
    counts: [80, 16],
    isNative: true,
  },
  { client: 'npm eventsource 4.1.1', headers: { ...STREAM, ...NO_STORE }, counts: [120, 24], isNative: true },
  {
    client: 'npm event-source-polyfill 1.0.31',
    headers: { ...STREAM, ...NO_STORE },
    counts: [120, 24],
    isNative: true,
  },
  { client: 'fetch', headers: { ...STREAM, accept: '*/*' }, counts: [80, 16], isNative: false },
  { client: 'fetch: Accept', headers: STREAM, counts: [80, 16], isNative: false },
  {
    client: 'fetch: Accept, no-cache',
    headers: { ...STREAM, 'cache-control': 'max-age=0' },
    counts: [80, 16],
    isNative: false,
  },
  {
    client: 'fetch: Accept, bearer token',
    headers: { ...STREAM, authorization: 'Bearer x' },
    counts: [80, 16],
    isNative: false,
  },
  { client: '@microsoft/fetch-event-source 2.0.1', headers: STREAM, counts: [120, 24], isNative: false },
  { client: 'XMLHttpRequest: Accept', headers: STREAM, counts: [80, 16], isNative: false },
];

const OUTSIDE: readonly Omit<RecordedRequest, 'to' | 'isNative' | 'count'>[] = [
  {
    client: "Node 20 fetch: Accept, and npm eventsource 4.1.1's",
    headers: {
      accept: 'text/event-stream',
      'accept-language': '*',
      'cache-control': 'no-cache',
      pragma: 'no-cache',
      'sec-fetch-mode': 'cors',
    },
  },
  { client: 'npm eventsource 2.0.2', headers: { accept: 'text/event-stream', 'cache-control': 'no-cache' } },
  { client: 'curl 7.88', headers: { accept: '*/*' } },
  { client: 'curl 7.88: Accept', headers: { accept: 'text/event-stream' } },
  { client: 'Python requests 2.34 with sseclient-py 1.9', headers: { accept: 'text/event-stream' } },
  {
    client: 'Python requests-sse 0.5.3',
    headers: { accept: 'text/event-stream', 'cache-control': 'no-cache' },
  },
  { client: 'Python httpx-sse 0.4.3', headers: { accept: 'text/event-stream', 'cache-control': 'no-store' } },
  { client: 'tidegate ingest', headers: { accept: 'text/event-stream', 'cache-control': 'no-store' } },
];

/** Every kind of request that was recorded. */
export const STREAM_REQUESTS: readonly RecordedRequest[] = [
  ...IN_PAGE.flatMap(({ client, headers, counts, isNative }): readonly RecordedRequest[] => [
    { client, to: 'trustworthy', count: counts[0], headers: { ...headers, ...METADATA }, isNative },
    { client, to: 'plain', count: counts[1], headers, isNative },
  ]),
  ...OUTSIDE.map(({ client, headers }): RecordedRequest => ({ client, headers, to: 'any', count: 1, isNative: false })),
];

/** What a browser's own EventSource sends to this machine. */
export const EVENT_SOURCE_HEADERS: Readonly<Record<string, string>> = { ...STREAM, ...NO_STORE, ...METADATA };
