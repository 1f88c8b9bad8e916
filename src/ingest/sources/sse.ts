import { createBackoff, sleep, systemClock } from '../../base/index.js';
import type { Backoff, Clock } from '../../base/index.js';
import { IngestError } from '../errors.js';
import { checkHeaders, checkHttpUrl } from '../http-options.js';
import type { Source, SourceItem, SourceReadOptions, SourceStats } from '../source.js';
import { USER_AGENT } from '../user-agent.js';
import { createHttpClient } from './http.js';
import type { HttpClient } from './http.js';
import { decideReconnect } from './reconnect.js';
import type { ConnectionOutcome, ReconnectCause, Verdict } from './reconnect.js';
import { SseConnection } from './sse-connection.js';

export interface SseSourceOptions {
  /** An http or https URL. Credentials in it are sent as Basic authorization and never logged. */
  readonly url: string;
  /** Sent with every request to the URL's origin; their values are secrets: never logged. */
  readonly headers?: Readonly<Record<string, string>>;
  /** Milliseconds without a byte, comments too, before it reconnects (default 300,000; 0 never). */
  readonly idleTimeoutMs?: number;
  /** Milliseconds for the connection to be made (default 10,000). */
  readonly connectTimeoutMs?: number;
  /** Bytes that one event may take on the wire (default 16 MiB); a larger one ends the connection. */
  readonly maxEventBytes?: number;
  readonly clock?: Clock;
  /** A number in [0, 1), for the jitter. */
  readonly random?: () => number;
}

const IDLE_TIMEOUT_MS = 300_000;
const CONNECT_TIMEOUT_MS = 10_000;
const EVENT_BYTES_MAX = 16 * 1024 * 1024;
/** A longer id would overflow the header limit of most servers, and a 4xx would end the pipeline. */
const RESUME_ID_BYTES_MAX = 4096;

/**
 * Server-Sent Events over HTTP(S): reconnects on anything but a deliberate end, resumes with Last-Event-ID.
 * @throws IngestError `invalid-option`: the URL or a header cannot be used.
 */
export function createSseSource(options: SseSourceOptions): Source {
  return new SseSource(options);
}

class SseSource implements Source {
  readonly #options: SseSourceOptions;
  readonly #url: URL;
  readonly #clock: Clock;
  readonly #headers: Readonly<Record<string, string>>;
  readonly #reconnects: Partial<Record<ReconnectCause, number>> = {};
  #events = 0;
  #bytes = 0;
  #connection: SseConnection | undefined;

  constructor(options: SseSourceOptions) {
    this.#options = options;
    this.#url = checkHttpUrl(options.url, 'the source');
    this.#clock = options.clock ?? systemClock;
    this.#headers = checkHeaders(options.headers ?? {});
  }

  stats(): SourceStats {
    return {
      isConnected: this.#connection?.connectedAt !== undefined,
      events: this.#events + (this.#connection?.events ?? 0),
      bytes: this.#bytes + (this.#connection?.bytes ?? 0),
      reconnects: { ...this.#reconnects },
    };
  }

  async *read(options: SourceReadOptions): AsyncGenerator<readonly SourceItem[], void> {
    const http = createHttpClient({ connectTimeoutMs: this.#options.connectTimeoutMs ?? CONNECT_TIMEOUT_MS });
    try {
      yield* this.#readConnections(http, options);
    } finally {
      await http.close();
    }
  }

  async *#readConnections(http: HttpClient, options: SourceReadOptions): AsyncGenerator<readonly SourceItem[], void> {
    const { signal, logger } = options;
    const { random } = this.#options;
    const backoff = createBackoff(random === undefined ? {} : { random });
    const downtime = new Downtime(options.downSince);
    let lastEventId = options.lastEventId;
    let retryMs: number | undefined;
    while (!signal.aborted) {
      const startedAt = this.#clock.now();
      const connection = this.#connect(http, { ...options, lastEventId }, downtime);
      const outcome = yield* this.#counted(connection);
      if (signal.aborted) return;
      const endedAt = this.#clock.now();
      lastEventId = connection.lastEventId;
      retryMs = connection.retryMs ?? retryMs;
      const { connectedAt, heardAt } = connection;
      // Not from its end on: a connection may have been dead for as long as it was silent.
      if (heardAt !== undefined) downtime.begin(heardAt, outcome.kind);
      const verdict = decideReconnect(outcome, {
        hadEvent: connection.events > 0,
        connectedMs: connectedAt === undefined ? 0 : endedAt - connectedAt,
        sinceStartMs: endedAt - startedAt,
        ...(retryMs === undefined ? {} : { retryMs }),
      });
      const delayMs = this.#act(verdict, backoff);
      if (delayMs === undefined) {
        logger.info({ url: publicUrl(this.#url) }, 'The source ended for good');
        return;
      }
      logger.warn({ url: publicUrl(this.#url), ...describe(outcome), delayMs }, 'Reconnecting to the source');
      await sleep(delayMs, signal, this.#clock);
    }
  }

  #connect(http: HttpClient, options: SourceReadOptions, downtime: Downtime): SseConnection {
    const { lastEventId, signal, logger } = options;
    const canResume = isResumable(lastEventId);
    if (!canResume && lastEventId !== '') logger.warn({}, 'Cannot resume: the last id cannot be sent as a header');
    return new SseConnection({
      http,
      url: this.#url,
      headers: {
        accept: 'text/event-stream',
        'cache-control': 'no-store',
        'user-agent': USER_AGENT,
        ...(canResume ? { 'last-event-id': Buffer.from(lastEventId).toString('latin1') } : {}),
      },
      ownHeaders: this.#headers,
      lastEventId,
      maxEventBytes: this.#options.maxEventBytes ?? EVENT_BYTES_MAX,
      idleTimeoutMs: this.#options.idleTimeoutMs ?? IDLE_TIMEOUT_MS,
      clock: this.#clock,
      signal,
      onConnected: () => {
        logger.info({ url: publicUrl(this.#url), lastEventId: lastEventId.slice(0, 200) }, 'Connected to the source');
        return downtime.end(this.#clock.now(), canResume);
      },
    });
  }

  async *#counted(connection: SseConnection): AsyncGenerator<readonly SourceItem[], ConnectionOutcome> {
    this.#connection = connection;
    try {
      return yield* connection.read();
    } finally {
      this.#connection = undefined;
      this.#events += connection.events;
      this.#bytes += connection.bytes;
    }
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
        this.#reconnects[cause] = (this.#reconnects[cause] ?? 0) + 1;
        if (verdict.backoff !== 'grow') backoff.reset();
        return verdict.backoff === 'none' ? floorMs : Math.max(floorMs, backoff.nextMs());
      }
    }
  }
}

/** Remembers since when nobody listens, and says so where the stream cannot be resumed. */
class Downtime {
  #since: number | undefined;
  #reason = 'restart';

  constructor(since: number | undefined) {
    this.#since = since;
  }

  /** Failed attempts after this do not move it. */
  begin(nowMs: number, reason: string): void {
    this.#since ??= nowMs;
    this.#reason = reason;
  }

  end(nowMs: number, canResume: boolean): readonly SourceItem[] {
    const since = this.#since;
    this.#since = undefined;
    if (since === undefined || canResume) return [];
    const [from, to] = [new Date(since).toISOString(), new Date(nowMs).toISOString()];
    return [{ kind: 'gap', gap: { kind: 'downtime', from, to, reason: this.#reason } }];
  }
}

/** Whether a server can be asked to go on after `id`: header values hold no control characters. */
function isResumable(id: string): boolean {
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
