import type { Clock } from '../../base/index.js';
import { createEventParser, isControlType, ProtocolError } from '../../protocol/index.js';
import type { EventParser, ParsedEvent } from '../../protocol/index.js';
import { messageOf } from '../errors.js';
import type { SourceItem } from '../source.js';
import { ControlReader } from './control-events.js';
import type { HttpAnswer, HttpClient } from './http.js';
import { parseRetryAfter } from './reconnect.js';
import type { ConnectionOutcome } from './reconnect.js';

export interface SseConnectionOptions {
  readonly http: HttpClient;
  readonly url: URL;
  readonly headers: Readonly<Record<string, string>>;
  readonly ownHeaders: Readonly<Record<string, string>>;
  /** The id in force when the connection begins. */
  readonly lastEventId: string;
  readonly maxEventBytes: number;
  /** Milliseconds without a byte, from the request on; 0 waits for ever. */
  readonly idleTimeoutMs: number;
  readonly clock: Clock;
  readonly signal: AbortSignal;
  /** The server accepted; the events come next. */
  readonly onConnected: () => readonly SourceItem[];
}

/** One request and its stream of events. */
export class SseConnection {
  readonly #options: SseConnectionOptions;
  readonly #abort = new AbortController();
  readonly #control = new ControlReader();
  readonly #parser: EventParser;
  #items: SourceItem[] = [];
  #reportedId: string;
  #over: ConnectionOutcome | undefined;
  #isIdle = false;
  /** When the server accepted; undefined where it did not. */
  connectedAt: number | undefined;
  /** When it was heard of last; undefined where it never accepted. */
  heardAt: number | undefined;
  /** The last `retry:`, in milliseconds. */
  retryMs: number | undefined;
  events = 0;
  bytes = 0;

  constructor(options: SseConnectionOptions) {
    this.#options = options;
    this.#reportedId = options.lastEventId;
    this.#parser = createEventParser({
      lastEventId: options.lastEventId,
      maxEventBytes: options.maxEventBytes,
      onEvent: (event) => this.#receive(event),
      onRetry: (retryMs) => (this.retryMs = retryMs),
    });
  }

  /** The id to resume from. */
  get lastEventId(): string {
    return this.#parser.lastEventId;
  }

  /** Yields what each read of the socket brought; returns why there is no more. */
  async *read(): AsyncGenerator<readonly SourceItem[], ConnectionOutcome> {
    const { signal } = this.#options;
    const abort = (): void => this.#abort.abort();
    signal.addEventListener('abort', abort);
    if (signal.aborted) abort();
    try {
      return yield* this.#readAnswer();
    } catch (error) {
      if (this.#isIdle) return { kind: 'idle-timeout' };
      return { kind: 'broken', detail: messageOf(error) };
    } finally {
      signal.removeEventListener('abort', abort);
      abort();
    }
  }

  async *#readAnswer(): AsyncGenerator<readonly SourceItem[], ConnectionOutcome> {
    const { http, url, headers, ownHeaders, clock, onConnected } = this.#options;
    const answer = await this.#unlessIdle(http.get({ url, headers, ownHeaders, signal: this.#abort.signal }));
    const refusal = refusalOf(answer, clock.now());
    if (refusal !== undefined) return refusal;
    this.connectedAt = clock.now();
    this.heardAt = this.connectedAt;
    const first = onConnected();
    if (first.length > 0) yield first;
    const chunks = answer.body[Symbol.asyncIterator]();
    for (;;) {
      const { done, value } = await this.#unlessIdle(chunks.next());
      if (done === true) return { kind: 'closed' };
      this.bytes += value.length;
      this.heardAt = clock.now();
      const outcome = this.#parse(value);
      const items = this.#takeItems();
      if (items.length > 0) yield items;
      if (outcome !== undefined) return outcome;
    }
  }

  /** The timer runs only while we wait for the other side: a pipeline that does not read is not idle. */
  async #unlessIdle<T>(waiting: Promise<T>): Promise<T> {
    const { idleTimeoutMs, clock } = this.#options;
    if (idleTimeoutMs === 0) return waiting;
    const cancel = clock.after(idleTimeoutMs, () => {
      this.#isIdle = true;
      this.#abort.abort();
    });
    try {
      return await waiting;
    } finally {
      cancel();
    }
  }

  #parse(bytes: Uint8Array): ConnectionOutcome | undefined {
    try {
      this.#parser.push(bytes);
      return this.#over;
    } catch (error) {
      if (error instanceof ProtocolError && error.code === 'event-too-large') return { kind: 'event-too-large' };
      throw error;
    }
  }

  #receive({ type, data, lastEventId }: ParsedEvent): void {
    if (this.#over !== undefined) return;
    if (isControlType(type)) {
      const effect = this.#control.read({ type, data, lastEventId });
      if (effect.kind === 'gap') this.#items.push({ kind: 'gap', gap: effect.gap });
      if (effect.kind === 'over') this.#over = effect.outcome;
      return;
    }
    this.events += 1;
    this.#reportedId = lastEventId;
    const event = { id: lastEventId, type, data, receivedAt: this.#options.clock.now() };
    this.#items.push({ kind: 'event', event, resumeId: lastEventId });
  }

  #takeItems(): readonly SourceItem[] {
    const items = this.#items;
    this.#items = [];
    if (this.lastEventId !== this.#reportedId) {
      this.#reportedId = this.lastEventId;
      items.push({ kind: 'position', resumeId: this.lastEventId });
    }
    return items;
  }
}

/** Why this answer is no event stream; undefined where it is one. */
function refusalOf(answer: HttpAnswer, nowMs: number): ConnectionOutcome | undefined {
  const { status } = answer;
  if (status !== 200) {
    const retryAfterMs = parseRetryAfter(answer.header('retry-after') ?? '', nowMs);
    return { kind: 'status', status, ...(retryAfterMs === undefined ? {} : { retryAfterMs }) };
  }
  const contentType = answer.header('content-type') ?? 'none';
  if (!/^text\/event-stream\s*(;|$)/i.test(contentType))
    return { kind: 'not-an-event-stream', detail: `content type ${JSON.stringify(contentType.slice(0, 100))}` };
  const coding = answer.header('content-encoding') ?? 'identity';
  if (coding.toLowerCase() !== 'identity')
    return { kind: 'not-an-event-stream', detail: `content coding ${JSON.stringify(coding.slice(0, 100))}` };
  return undefined;
}
