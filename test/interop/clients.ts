import type { PublishedEvent } from './restartable-hub.js';

/** Where a client runs: the folder of its driver, or a browser. */
export type Runtime = 'node' | 'python' | 'go' | 'java' | 'rust' | 'curl' | 'chromium' | 'firefox';

export const CHECKS = [
  'events in time',
  'three cuts',
  'several channels',
  'hub killed',
  'hub drained',
  'control=none',
  'quiet start',
] as const;

export type CheckName = (typeof CHECKS)[number];

export interface InteropClient {
  /** Its name for the driver. */
  readonly name: string;
  readonly runtime: Runtime;
  /** The package as its registry names it and as the driver's manifest pins it; none for what Debian brings. */
  readonly package?: string;
  /** Whether the client connects again, or code around it does, as its documentation asks for. */
  readonly reconnects: 'itself' | 'in a loop';
  /** What it needs, in `docs/clients.md`. */
  readonly needs: string;
  /** What it cannot do, by check: the check must fail, and the table says why. */
  readonly limits?: Readonly<Partial<Record<CheckName, string>>>;
  /** What may or may not happen to it, by check, and what the table says of it: it depends on the moment. */
  readonly risks?: Readonly<Partial<Record<CheckName, string>>>;
  /** An event with this text, for clients that take only events of their own form. */
  readonly publish?: (text: string) => PublishedEvent;
  /** The sample of another client that serves for this one too. */
  readonly sample?: string;
}

/** These take an id before its event is whole. */
const SPLIT = 'loses an event that a cut splits';
/** It takes the end of a connection for the end of an event. */
const HALF = 'hands on half of an event that a cut splits';

/** They ignore a block that has only an id. */
const QUIET = 'not before its first event';

const OWN_TYPES =
  'One handler gets events of all types: pass over types that begin with `tidegate.`, or use `?control=none`.';

export const CLIENTS: readonly InteropClient[] = [
  {
    name: 'EventSource',
    runtime: 'chromium',
    reconnects: 'itself',
    needs:
      'Nothing. Any status but 200 ends it: see _Behind proxies_ for what a proxy must answer while the hub is away.',
  },
  {
    name: 'EventSource',
    runtime: 'firefox',
    reconnects: 'itself',
    needs: 'Firefox gives up when a reconnect is refused: open a new `EventSource` then, as the next sample does.',
    sample: 'EventSource',
    limits: { 'quiet start': QUIET, 'hub killed': 'gives up' },
    risks: { 'hub drained': 'gives up if refused' },
  },
  {
    name: 'EventSource, reopened',
    runtime: 'firefox',
    reconnects: 'in a loop',
    needs: 'A new `EventSource` whenever the last is closed, with the last id as `lastEventId`. Good for all browsers.',
    limits: { 'quiet start': QUIET },
  },
  {
    name: 'fetch-event-source',
    runtime: 'chromium',
    package: '@microsoft/fetch-event-source',
    reconnects: 'itself',
    needs:
      'An `onclose` that throws, or a planned end is the last; an `onopen` that throws; `openWhenHidden`, or it disconnects in hidden tabs. ' +
      OWN_TYPES,
    limits: { 'three cuts': SPLIT, 'control=none': SPLIT },
  },
  {
    name: 'htmx',
    runtime: 'chromium',
    package: 'htmx-ext-sse',
    reconnects: 'itself',
    needs: '`sse-close="tidegate.end"`, or it connects again after a channel ended.',
  },
  {
    name: 'datastar',
    runtime: 'chromium',
    package: '@starfederation/datastar',
    reconnects: 'itself',
    needs:
      'Events in its own form: type `datastar-merge-fragments`, data `fragments <p id="…">…</p>`. `openWhenHidden: true`, and a `retryMaxCount`: by default it gives up after ten cuts. Across origins, `http.cors.headers` with `Datastar-Request`.',
    limits: { 'three cuts': SPLIT, 'control=none': SPLIT, 'hub drained': 'takes a planned end for the last' },
    publish: (text) => ({
      event: 'datastar-merge-fragments',
      data: `selector #seen\nmergeMode append\nfragments <p>${text}</p>`,
    }),
  },
  {
    name: 'eventsource-2',
    runtime: 'node',
    package: 'eventsource-2',
    reconnects: 'itself',
    needs: '`?refusals=stream`, or a refusal is final. Version 4 loses nothing at a cut.',
    limits: { 'three cuts': SPLIT, 'control=none': SPLIT },
  },
  {
    name: 'eventsource-3',
    runtime: 'node',
    package: 'eventsource-3',
    reconnects: 'itself',
    needs:
      'As 2; the import is `{ EventSource }`. Any status but 200 is final: `?refusals=stream` tells refusals in the stream.',
    sample: 'eventsource-2',
    limits: { 'quiet start': QUIET },
  },
  {
    name: 'eventsource-4',
    runtime: 'node',
    package: 'eventsource-4',
    reconnects: 'itself',
    needs:
      'As 2; the import is `{ EventSource }`. Any status but 200 is final: `?refusals=stream` tells refusals in the stream.',
    sample: 'eventsource-2',
    limits: { 'quiet start': QUIET },
  },
  {
    name: 'eventsource-client',
    runtime: 'node',
    package: 'eventsource-client',
    reconnects: 'itself',
    needs: OWN_TYPES,
    limits: { 'quiet start': QUIET },
  },
  {
    name: 'launchdarkly-node',
    runtime: 'node',
    package: 'launchdarkly-eventsource',
    reconnects: 'itself',
    needs:
      'A listener for `error`, or one ends the process; an `errorFilter` if refusals are to be tried again, and a `readTimeoutMillis` of three heartbeats.',
    limits: { 'quiet start': QUIET },
  },
  {
    name: 'requests',
    runtime: 'python',
    package: 'requests',
    reconnects: 'in a loop',
    needs: 'A loop and a parser of ten lines. ' + OWN_TYPES,
  },
  {
    name: 'sseclient-py',
    runtime: 'python',
    package: 'sseclient-py',
    reconnects: 'in a loop',
    needs: 'A loop; it parses one response. ' + OWN_TYPES,
    limits: { 'quiet start': QUIET },
  },
  {
    name: 'requests-sse',
    runtime: 'python',
    package: 'requests-sse',
    reconnects: 'itself',
    needs:
      'A loop around it for refusals, which it raises. Its wait doubles with each cut and never falls back. ' +
      OWN_TYPES,
  },
  {
    name: 'httpx-sse',
    runtime: 'python',
    package: 'httpx-sse',
    reconnects: 'in a loop',
    needs:
      'A loop, and a read timeout above the heartbeat: the default of httpx is 5 s. Heartbeats appear as events without data: pass over them. ' +
      OWN_TYPES,
  },
  {
    name: 'launchdarkly-python',
    runtime: 'python',
    package: 'launchdarkly-eventsource',
    reconnects: 'itself',
    needs: '`ErrorStrategy.always_continue()`, or the first cut ends it. ' + OWN_TYPES,
    limits: { 'quiet start': QUIET },
  },
  {
    name: 'net/http',
    runtime: 'go',
    reconnects: 'in a loop',
    needs: 'A loop and a parser. ' + OWN_TYPES,
  },
  {
    name: 'r3labs',
    runtime: 'go',
    package: 'github.com/r3labs/sse/v2',
    reconnects: 'itself',
    limits: { 'three cuts': HALF, 'control=none': HALF },
    needs: 'A loop around it: a planned end returns. A larger buffer, or an event above 64 KiB ends it. ' + OWN_TYPES,
  },
  {
    name: 'go-sse',
    runtime: 'go',
    package: 'github.com/tmaxmax/go-sse',
    reconnects: 'itself',
    needs:
      'A loop around it for refusals; any status but 200 is final. A block with only an id appears as an event without data. A larger buffer for events above 64 KiB. ' +
      OWN_TYPES,
  },
  {
    name: 'launchdarkly-go',
    runtime: 'go',
    package: 'github.com/launchdarkly/eventsource',
    reconnects: 'itself',
    needs:
      'An error handler, or nobody reads its errors and it stops; a block with only an id appears as an event without data; a read timeout of three heartbeats. ' +
      OWN_TYPES,
  },
  {
    name: 'okhttp-sse',
    runtime: 'java',
    package: 'okhttp-sse',
    reconnects: 'in a loop',
    needs: 'A loop, and a read timeout above the heartbeat: the default is 10 s. ' + OWN_TYPES,
    limits: { 'quiet start': QUIET },
  },
  {
    name: 'reqwest-eventsource',
    runtime: 'rust',
    package: 'reqwest-eventsource',
    reconnects: 'itself',
    needs: 'A loop around it for refusals, which end it; a bound for its wait. ' + OWN_TYPES,
    limits: { 'quiet start': QUIET },
  },
  {
    name: 'curl',
    runtime: 'curl',
    reconnects: 'in a loop',
    needs: 'A loop that reads ids, and `-N`.',
  },
];
