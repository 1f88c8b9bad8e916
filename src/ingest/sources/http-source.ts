import { createBackoff, sleep, systemClock } from '../../base/index.js';
import type { Backoff, Clock } from '../../base/index.js';
import { IngestError } from '../errors.js';
import { createEventKeyReader } from '../intake/event-key.js';
import type { EventKeyReader } from '../intake/event-key.js';
import { checkHeaders, checkHttpUrl } from '../http-options.js';
import type { Source, SourceItem, SourceReadOptions, SourceStats } from './source.js';
import { USER_AGENT } from '../user-agent.js';
import { Connection } from './connection.js';
import { READABLE_CODINGS } from './content-coding.js';
import { Downtime } from './downtime.js';
import { readWithHandover } from './handover.js';
import type { Ended } from './handover.js';
import { createHttpClient } from './http.js';
import type { HttpClient, TlsOptions } from './http.js';
import { checkQueryRules, targetOf } from './query.js';
import type { QueryRules } from './query.js';
import { decideReconnect } from './reconnect.js';
import type { ConnectionOutcome, ReconnectCause, Verdict } from './reconnect.js';
import type { StreamFormat } from './stream-format.js';

export interface HttpSourceOptions extends QueryRules {
  /** An http or https URL. Credentials in it are sent as Basic authorization and never logged. */
  readonly url: string;
  /** `GET`, or `POST` with a body (default: POST where there is a body). */
  readonly method?: 'GET' | 'POST';
  /** Sent with POST, as JSON unless a header says something else (default none). */
  readonly body?: string;
  /** Sent with every request to the URL's origin; their values are secrets: never logged. */
  readonly headers?: Readonly<Record<string, string>>;
  /**
   * Gives the bearer token to send; asked before every request, so it may change. With it a refused token (401)
   * is no reason to give up.
   */
  readonly token?: (signal: AbortSignal) => Promise<string>;
  /** An HTTP proxy to go through; credentials in it are never logged (default none). */
  readonly proxy?: string;
  /** A CA of one's own, a certificate to show (default: as Node does, none). */
  readonly tls?: TlsOptions;
  /** Whether the server is offered to compress the stream (default true). */
  readonly acceptsCompression?: boolean;
  /** Milliseconds without a byte, comments too, before it reconnects (default 300,000; 0 never). */
  readonly idleTimeoutMs?: number;
  /** Milliseconds without an event, whatever else comes, before it reconnects (default 0: never). */
  readonly eventTimeoutMs?: number;
  /** Milliseconds for the connection to be made (default 10,000). */
  readonly connectTimeoutMs?: number;
  /** Bytes that one event may take on the wire (default 16 MiB); a larger one ends the connection. */
  readonly maxEventBytes?: number;
  /**
   * Resumes go back so many milliseconds before the last event (default 0), for servers whose ids are too coarse to
   * resume exactly. What comes twice then is for the pipeline to drop: its `dedupe`.
   */
  readonly overlapMs?: number;
  /** A resume goes back over so many events at most, and a sixteenth more (default 10,000). */
  readonly overlapEvents?: number;
  /**
   * Opens the next connection beside the first after so many milliseconds (default 0: never), for servers that end
   * every connection after a while. Needs `key`; events of the overlap come twice, as with `overlapMs`.
   */
  readonly renewAfterMs?: number;
  /** By what an event is known again: `id`, or a JSON pointer into the data. */
  readonly key?: string;
  /** Whether a clean end of the stream is its end for good (default false: it reconnects). */
  readonly isFinite?: boolean;
  readonly clock?: Clock;
  /** A number in [0, 1), for the jitter. */
  readonly random?: () => number;
}

const IDLE_TIMEOUT_MS = 300_000;
const CONNECT_TIMEOUT_MS = 10_000;
const EVENT_BYTES_MAX = 16 * 1024 * 1024;
const OVERLAP_EVENTS = 10_000;
/** A longer id would overflow the header limit of most servers, and a 4xx would end the pipeline. */
const RESUME_ID_BYTES_MAX = 4096;

/** A stream of events over HTTP(S), in any format: reconnects on anything but a deliberate end. */
export class HttpSource implements Source {
  readonly #options: HttpSourceOptions;
  readonly #format: StreamFormat;
  readonly #url: URL;
  readonly #clock: Clock;
  readonly #headers: Readonly<Record<string, string>>;
  readonly #keyOf: EventKeyReader | undefined;
  readonly #reconnects: Partial<Record<ReconnectCause | 'renewed', number>> = {};
  readonly #connections = new Set<Connection>();
  #events = 0;
  #bytes = 0;

  /** @throws IngestError `invalid-option`. */
  constructor(options: HttpSourceOptions, format: StreamFormat) {
    this.#options = options;
    this.#format = format;
    this.#url = checkHttpUrl(options.url, 'the source');
    this.#clock = options.clock ?? systemClock;
    this.#headers = checkHeaders(options.headers ?? {});
    this.#keyOf = options.key === undefined ? undefined : createEventKeyReader(options.key);
    checkQueryRules(options);
    // Now, and not in the midst of a night: whether proxy and certificates can be used.
    void this.#createClient().close();
    if (options.method === 'GET' && options.body !== undefined)
      throw new IngestError('invalid-option', 'Cannot send a body with GET');
    if ((options.renewAfterMs ?? 0) > 0 && this.#keyOf === undefined)
      throw new IngestError('invalid-option', 'Cannot renew connections without a key: events would come twice');
  }

  stats(): SourceStats {
    const open = [...this.#connections];
    return {
      isConnected: open.some(({ connectedAt }) => connectedAt !== undefined),
      events: open.reduce((sum, { events }) => sum + events, this.#events),
      bytes: open.reduce((sum, { bytes }) => sum + bytes, this.#bytes),
      reconnects: { ...this.#reconnects },
    };
  }

  async *read(options: SourceReadOptions): AsyncGenerator<readonly SourceItem[], void> {
    const http = this.#createClient();
    try {
      yield* this.#readConnections(http, options);
    } finally {
      await http.close();
    }
  }

  #createClient(): HttpClient {
    const { connectTimeoutMs = CONNECT_TIMEOUT_MS, proxy, tls } = this.#options;
    return createHttpClient({ connectTimeoutMs, proxy, tls });
  }

  async *#readConnections(http: HttpClient, options: SourceReadOptions): AsyncGenerator<readonly SourceItem[], void> {
    const { signal, logger } = options;
    const { random } = this.#options;
    const backoff = createBackoff(random === undefined ? {} : { random });
    const downtime = new Downtime(options.downSince);
    let lastEventId = options.lastEventId;
    let retryMs: number | undefined;
    while (!signal.aborted) {
      const open = (resumeId: string): Connection =>
        this.#connect(http, { ...options, lastEventId: resumeId }, downtime);
      const { connection, outcome } = yield* this.#readConnection(open(lastEventId), open);
      if (signal.aborted) return;
      lastEventId = connection.resumeId;
      retryMs = connection.retryMs ?? retryMs;
      // Not from its end on: a connection may have been dead for as long as it was silent.
      if (connection.heardAt !== undefined) downtime.begin(connection.heardAt, outcome.kind);
      const delayMs = this.#act(this.#decide(connection, outcome, retryMs), backoff);
      if (delayMs === undefined) {
        logger.info({ url: publicUrl(this.#url) }, 'The source ended for good');
        return;
      }
      logger.warn({ url: publicUrl(this.#url), ...describe(outcome), delayMs }, 'Reconnecting to the source');
      await sleep(delayMs, signal, this.#clock);
    }
  }

  async *#readConnection(
    first: Connection,
    open: (resumeId: string) => Connection,
  ): AsyncGenerator<readonly SourceItem[], Ended> {
    const { renewAfterMs = 0 } = this.#options;
    try {
      if (renewAfterMs === 0 || this.#keyOf === undefined) return { connection: first, outcome: yield* first.read() };
      return yield* readWithHandover(first, {
        renewAfterMs,
        open,
        keyOf: this.#keyOf,
        clock: this.#clock,
        onClosed: (connection, isRenewed) => {
          this.#retire(connection);
          if (isRenewed) this.#count('renewed');
        },
      });
    } finally {
      for (const connection of this.#connections) this.#retire(connection);
    }
  }

  #connect(http: HttpClient, options: SourceReadOptions, downtime: Downtime): Connection {
    const { lastEventId, signal, logger } = options;
    const { overlapMs = 0, overlapEvents = OVERLAP_EVENTS, method, body, token } = this.#options;
    const canSend = isSendable(lastEventId);
    if (!canSend && lastEventId !== '') logger.warn({}, 'Cannot resume: the last id cannot be sent as a header');
    const since = downtime.since === undefined ? undefined : downtime.since - overlapMs;
    const before = { lastEventId, since, hasReceived: this.stats().events > 0 };
    const { url, resumes } = targetOf(this.#url, this.#options, before);
    const connection: Connection = new Connection({
      http,
      request: {
        url,
        method: method ?? (body === undefined ? 'GET' : 'POST'),
        body,
        headers: this.#commonHeaders(canSend ? lastEventId : ''),
        ownHeaders: this.#headers,
      },
      token,
      format: this.#format,
      lastEventId,
      overlapMs,
      overlapEvents,
      maxEventBytes: this.#options.maxEventBytes ?? EVENT_BYTES_MAX,
      idleTimeoutMs: this.#options.idleTimeoutMs ?? IDLE_TIMEOUT_MS,
      eventTimeoutMs: this.#options.eventTimeoutMs ?? 0,
      clock: this.#clock,
      signal,
      onConnected: () => {
        logger.info({ url: publicUrl(this.#url), lastEventId: lastEventId.slice(0, 200) }, 'Connected to the source');
        return downtime.end(this.#clock.now(), canSend || resumes);
      },
    });
    this.#connections.add(connection);
    return connection;
  }

  #commonHeaders(lastEventId: string): Readonly<Record<string, string>> {
    const { acceptsCompression = true, body } = this.#options;
    return {
      accept: this.#format.accept,
      'accept-encoding': acceptsCompression ? READABLE_CODINGS : 'identity',
      'cache-control': 'no-store',
      'user-agent': USER_AGENT,
      ...(body === undefined || 'content-type' in this.#headers ? {} : { 'content-type': 'application/json' }),
      ...(lastEventId === '' ? {} : { 'last-event-id': Buffer.from(lastEventId).toString('latin1') }),
    };
  }

  #retire(connection: Connection): void {
    this.#connections.delete(connection);
    this.#events += connection.events;
    this.#bytes += connection.bytes;
  }

  #decide({ startedAt, connectedAt, events }: Connection, outcome: ConnectionOutcome, retryMs = 0): Verdict {
    const nowMs = this.#clock.now();
    return decideReconnect(outcome, {
      hadEvent: events > 0,
      connectedMs: connectedAt === undefined ? 0 : nowMs - connectedAt,
      sinceStartMs: nowMs - startedAt,
      retryMs,
      hasToken: this.#options.token !== undefined,
      isFinite: this.#options.isFinite === true,
    });
  }

  /** Milliseconds to wait before the next connection; undefined where there shall be none. */
  #act(verdict: Verdict, backoff: Backoff): number | undefined {
    switch (verdict.kind) {
      case 'end':
        return undefined;
      case 'fail':
        throw new IngestError('source-refused', `Cannot read ${publicUrl(this.#url)}: ${verdict.message}`);
      case 'reconnect': {
        const { cause, floorMs } = verdict;
        this.#count(cause);
        if (verdict.backoff !== 'grow') backoff.reset();
        return verdict.backoff === 'none' ? floorMs : Math.max(floorMs, backoff.nextMs());
      }
    }
  }

  #count(cause: ReconnectCause | 'renewed'): void {
    this.#reconnects[cause] = (this.#reconnects[cause] ?? 0) + 1;
  }
}

/** Whether a header can carry `id`: its value holds no control characters. */
function isSendable(id: string): boolean {
  // oxlint-disable-next-line no-control-regex -- these are what a header cannot carry
  return id !== '' && !/[\0-\x08\x0a-\x1f\x7f]/.test(id) && Buffer.byteLength(id) <= RESUME_ID_BYTES_MAX;
}

/** The URL as it may be logged: credentials and query may hold secrets. */
function publicUrl(url: URL): string {
  return url.origin + url.pathname;
}

function describe(outcome: ConnectionOutcome): object {
  const { kind: cause, ...details } = outcome;
  return { cause, ...details };
}
