import { createBackoff, sleep, systemClock } from '../base/index.js';
import type { Backoff, Clock } from '../base/index.js';
import { CONTROL, createEventParser, isControlType, isCursorLike, ProtocolError } from '../protocol/index.js';
import type { EventParser, ParsedEvent } from '../protocol/index.js';
import { readGap } from './gap.js';
import type { Gap } from './gap.js';
import { isRecord, numberOrZero, readJson, textOr } from './json.js';
import { readProblem } from './problem.js';

/** Where a subscription stands; `ended` and `refused` are final. */
export type LivePhase = 'connecting' | 'backfill' | 'live' | 'reconnecting' | 'ended' | 'refused';

export interface LiveState {
  readonly phase: LivePhase;
  /** Why the last connection went, in words; empty while one holds. */
  readonly reason: string;
  /** When the next attempt begins, in milliseconds since 1970; only while reconnecting. */
  readonly retryAtMs?: number;
}

export interface LiveChannelOptions {
  /** The subscribe route with its query. */
  readonly url: string;
  readonly onState: (state: LiveState) => void;
  readonly onEvent: (event: ParsedEvent, isBackfill: boolean) => void;
  readonly onGap: (gap: Gap) => void;
  readonly clock?: Clock;
  /** Delays between attempts (default: full jitter from 1 s to 30 s). */
  readonly backoff?: Backoff;
}

export interface LiveChannel {
  /** What the next connection resumes from; empty before the first `tidegate.open`. */
  readonly cursor: string;
  /** Ends a wait between two attempts. */
  reconnectNow(): void;
  /** Stops for good; nothing is called back after. */
  close(): void;
}

/** How one connection came to its end. */
type Verdict = { readonly kind: 'cut' | 'refused'; readonly reason: string } | { readonly kind: 'ended' };

/** A stream that lasted so long, or brought an event, was healthy: the next failure counts as the first. */
const HEALTHY_MS = 10_000;
/** A `retry:` on the wire has no bound; a page that somebody looks at does not wait longer. */
const RETRY_MS_MAX = 600_000;
/** Silence of so many heartbeats means that the connection is dead, though nobody said so. */
const HEARTBEATS_MISSED_MAX = 3;

/**
 * Reads a channel over `fetch`, for ever: reconnects with Last-Event-ID on anything but a deliberate end.
 * Not EventSource, because that shows only the event types it was told of beforehand.
 */
export function openLiveChannel(options: LiveChannelOptions): LiveChannel {
  const reader = new ChannelReader(options);
  void reader.run();
  return reader;
}

class ChannelReader implements LiveChannel {
  readonly #options: LiveChannelOptions;
  readonly #clock: Clock;
  readonly #backoff: Backoff;
  readonly #closing = new AbortController();
  #waiting = new AbortController();
  #phase: LivePhase = 'connecting';
  #cursor = '';
  #retryMs = 0;
  /** Bytes arrived at this time; what the idle timer looks at. */
  #heardAtMs = 0;
  #heartbeatMs = 0;
  #verdict: Verdict | undefined;

  constructor(options: LiveChannelOptions) {
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
    this.#backoff = options.backoff ?? createBackoff();
  }

  get cursor(): string {
    return this.#cursor;
  }

  reconnectNow(): void {
    this.#waiting.abort();
  }

  close(): void {
    this.#closing.abort();
    this.#waiting.abort();
  }

  async run(): Promise<void> {
    this.#enter('connecting');
    while (!this.#closing.signal.aborted) {
      const verdict = await this.#connect();
      if (this.#closing.signal.aborted) return;
      if (verdict.kind !== 'cut') return this.#enter(verdict.kind, verdict.kind === 'refused' ? verdict.reason : '');
      await this.#wait(verdict.reason);
    }
  }

  async #wait(reason: string): Promise<void> {
    const delayMs = Math.max(this.#backoff.nextMs(), Math.min(this.#retryMs, RETRY_MS_MAX));
    this.#waiting = new AbortController();
    this.#enter('reconnecting', reason, this.#clock.now() + delayMs);
    await sleep(delayMs, this.#waiting.signal, this.#clock);
  }

  /** One connection from its request to its end; never rejects. */
  async #connect(): Promise<Verdict> {
    const connection = new AbortController();
    const abort = (): void => connection.abort();
    this.#closing.signal.addEventListener('abort', abort);
    const startedAtMs = this.#clock.now();
    this.#verdict = undefined;
    try {
      const response = await fetch(this.#options.url, {
        headers: this.#requestHeaders(),
        cache: 'no-store',
        signal: connection.signal,
      });
      return (await verdictOf(response)) ?? (await this.#read(response, abort));
    } catch (error) {
      return this.#verdict ?? { kind: 'cut', reason: reasonOf(error) };
    } finally {
      this.#closing.signal.removeEventListener('abort', abort);
      connection.abort();
      if (this.#clock.now() - startedAtMs >= HEALTHY_MS) this.#backoff.reset();
    }
  }

  #requestHeaders(): Record<string, string> {
    const headers: Record<string, string> = { Accept: 'text/event-stream' };
    if (this.#cursor !== '') headers['Last-Event-ID'] = this.#cursor;
    return headers;
  }

  async #read(response: Response, abort: () => void): Promise<Verdict> {
    const parser = this.#createParser();
    const reader = response.body?.getReader();
    if (reader === undefined) return { kind: 'cut', reason: 'The answer has no body' };
    this.#heardAtMs = this.#clock.now();
    this.#heartbeatMs = 0;
    const stopWatching = this.#watchIdle(abort);
    try {
      for (;;) {
        const { done, value } = await reader.read();
        if (done) return this.#verdict ?? { kind: 'cut', reason: 'The hub closed the connection' };
        this.#heardAtMs = this.#clock.now();
        parser.push(value);
        if (this.#verdict !== undefined) return this.#verdict;
      }
    } finally {
      stopWatching();
    }
  }

  #createParser(): EventParser {
    return createEventParser({
      onRetry: (retryMs) => (this.#retryMs = retryMs),
      onEvent: (event) => {
        if (this.#closing.signal.aborted || this.#verdict !== undefined) return;
        // A publisher's own id may repeat; the hub follows it with a cursor, the one safe place to resume from.
        if (isCursorLike(event.lastEventId)) this.#cursor = event.lastEventId;
        if (isControlType(event.type)) return this.#obey(event);
        this.#backoff.reset();
        this.#options.onEvent(event, this.#phase !== 'live');
      },
    });
  }

  #obey({ type, data }: ParsedEvent): void {
    const value = readJson(data);
    const fields = isRecord(value) ? value : {};
    switch (type) {
      case CONTROL.open:
        this.#heartbeatMs = numberOrZero(fields['heartbeatMs']);
        return this.#enter('backfill');
      case CONTROL.live:
        return this.#enter('live');
      case CONTROL.gap:
        return this.#options.onGap(readGap(fields));
      case CONTROL.end:
        this.#verdict = { kind: 'ended' };
        return;
      case CONTROL.error:
        this.#verdict = {
          kind: fields['retryable'] === true ? 'cut' : 'refused',
          reason: `${textOr(fields['message'], 'The hub refused')} (${textOr(fields['code'], 'no code')})`,
        };
        return;
    }
  }

  /** One timer per connection, set again after it rings: not one per chunk of bytes. */
  #watchIdle(abort: () => void): () => void {
    let cancel: () => void;
    const look = (): void => {
      const allowedMs = this.#heartbeatMs * HEARTBEATS_MISSED_MAX;
      if (allowedMs > 0 && this.#clock.now() - this.#heardAtMs > allowedMs) {
        this.#verdict = { kind: 'cut', reason: 'Nothing was heard for too long' };
        return abort();
      }
      cancel = this.#clock.after(this.#heartbeatMs > 0 ? this.#heartbeatMs : HEALTHY_MS, look);
    };
    cancel = this.#clock.after(HEALTHY_MS, look);
    return () => cancel();
  }

  #enter(phase: LivePhase, reason = '', retryAtMs?: number): void {
    this.#phase = phase;
    this.#options.onState({ phase, reason, ...(retryAtMs === undefined ? {} : { retryAtMs }) });
  }
}

/** What an answer's head alone decides; undefined where it is a stream to read. */
async function verdictOf(response: Response): Promise<Verdict | undefined> {
  if (response.status === 204) return { kind: 'ended' };
  if (response.status !== 200) {
    const { code, detail } = await readProblem(response);
    const canHeal = response.status >= 500 || response.status === 408 || response.status === 429;
    return { kind: canHeal ? 'cut' : 'refused', reason: `${detail} (${code})` };
  }
  const type = response.headers.get('Content-Type') ?? '';
  return type.startsWith('text/event-stream')
    ? undefined
    : { kind: 'refused', reason: `The answer is ${type === '' ? 'of no type' : type}, not an event stream` };
}

function reasonOf(error: unknown): string {
  return error instanceof ProtocolError ? error.message : 'The hub does not answer';
}
