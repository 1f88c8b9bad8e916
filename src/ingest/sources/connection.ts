import { parseRetryAfter } from '../../base/index.js';
import type { Clock } from '../../base/index.js';
import { isControlType, ProtocolError } from '../../protocol/index.js';
import type { EventParser, ParsedEvent } from '../../protocol/index.js';
import { messageOf } from '../errors.js';
import { checkHeaders } from '../http-options.js';
import type { SourceItem } from './source.js';
import { decodeBody } from './content-coding.js';
import { ControlReader } from './control-events.js';
import type { HttpAnswer, HttpClient, HttpRequest } from './http.js';
import type { ConnectionOutcome } from './reconnect.js';
import { ResumeTrail } from './resume-trail.js';
import type { StreamFormat } from './stream-format.js';

export interface ConnectionOptions {
  readonly http: HttpClient;
  readonly request: Omit<HttpRequest, 'signal'>;
  /** Asked before the request; what it gives is sent as a bearer token to the URL's origin. */
  readonly token?: ((signal: AbortSignal) => Promise<string>) | undefined;
  readonly format: StreamFormat;
  /** The id in force when the connection begins. */
  readonly lastEventId: string;
  readonly overlapMs: number;
  readonly overlapEvents: number;
  readonly maxEventBytes: number;
  /** Milliseconds without a byte, from the request on; 0 waits for ever. */
  readonly idleTimeoutMs: number;
  /** Milliseconds without an event; 0 waits for ever. */
  readonly eventTimeoutMs: number;
  readonly clock: Clock;
  readonly signal: AbortSignal;
  /** The server accepted; the events come next. */
  readonly onConnected: () => readonly SourceItem[];
}

/** One request and its stream of events. */
export class Connection {
  readonly #options: ConnectionOptions;
  readonly #abort = new AbortController();
  readonly #control = new ControlReader();
  readonly #parser: EventParser;
  readonly #trail: ResumeTrail;
  #items: SourceItem[] = [];
  #reportedId: string;
  #over: ConnectionOutcome | undefined;
  #timedOut: 'idle-timeout' | 'event-timeout' | undefined;
  /** Milliseconds that we waited since the last event. */
  #silentMs = 0;
  readonly startedAt: number;
  /** When the server accepted; undefined where it did not. */
  connectedAt: number | undefined;
  /** When it was heard of last; undefined where it never accepted. */
  heardAt: number | undefined;
  /** The last `retry:`, in milliseconds. */
  retryMs: number | undefined;
  events = 0;
  /** Of the body as it was decoded. */
  bytes = 0;

  constructor(options: ConnectionOptions) {
    const { lastEventId: from, overlapMs, overlapEvents, clock, format, maxEventBytes } = options;
    this.#options = options;
    this.#reportedId = from;
    this.startedAt = clock.now();
    this.#trail = new ResumeTrail({ from, at: this.startedAt, overlapMs, overlapEvents });
    this.#parser = format.createParser({
      lastEventId: from,
      maxEventBytes,
      onEvent: (event) => this.#receive(event),
      onRetry: (retryMs) => (this.retryMs = retryMs),
    });
  }

  /** The id to resume from. */
  get resumeId(): string {
    return this.#trail.resumeId;
  }

  /** Ends it; {@link read} returns soon after. */
  close(): void {
    this.#abort.abort();
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
      if (this.#timedOut !== undefined) return { kind: this.#timedOut };
      return { kind: 'broken', detail: messageOf(error) };
    } finally {
      signal.removeEventListener('abort', abort);
      abort();
    }
  }

  async *#readAnswer(): AsyncGenerator<readonly SourceItem[], ConnectionOutcome> {
    const { clock, format, onConnected } = this.#options;
    const answer = await this.#unlessSilent(this.#request());
    const refusal = refusalOf(answer, format, clock.now());
    if (refusal !== undefined) return refusal;
    const body = decodeBody(answer.body, answer.header('content-encoding') ?? '');
    if (body === undefined) return notAStream('content coding', answer.header('content-encoding'));
    this.connectedAt = clock.now();
    this.heardAt = this.connectedAt;
    this.#silentMs = 0;
    const first = onConnected();
    if (first.length > 0) yield first;
    const chunks = body[Symbol.asyncIterator]();
    for (;;) {
      const { done, value } = await this.#unlessSilent(chunks.next());
      if (done === true) {
        this.#parser.end();
        const rest = this.#takeItems();
        if (rest.length > 0) yield rest;
        return { kind: 'closed' };
      }
      this.bytes += value.length;
      this.heardAt = clock.now();
      const outcome = this.#parse(value);
      const items = this.#takeItems();
      if (items.length > 0) yield items;
      if (outcome !== undefined) return outcome;
    }
  }

  async #request(): Promise<HttpAnswer> {
    const { http, request, token } = this.#options;
    const { signal } = this.#abort;
    if (token === undefined) return http.open({ ...request, signal });
    const authorization = checkHeaders({ authorization: `Bearer ${await token(signal)}` });
    return http.open({ ...request, ownHeaders: { ...request.ownHeaders, ...authorization }, signal });
  }

  /** The timers run only while we wait for the other side: a pipeline that does not read is not idle. */
  async #unlessSilent<T>(waiting: Promise<T>): Promise<T> {
    const { idleTimeoutMs, eventTimeoutMs, clock } = this.#options;
    if (idleTimeoutMs === 0 && eventTimeoutMs === 0) return waiting;
    const untilIdle = idleTimeoutMs === 0 ? Infinity : idleTimeoutMs;
    const untilSilent = eventTimeoutMs === 0 ? Infinity : Math.max(eventTimeoutMs - this.#silentMs, 0);
    const waitedFrom = clock.now();
    const cancel = clock.after(Math.min(untilIdle, untilSilent), () => {
      this.#timedOut = untilSilent < untilIdle ? 'event-timeout' : 'idle-timeout';
      this.#abort.abort();
    });
    try {
      return await waiting;
    } finally {
      cancel();
      this.#silentMs += clock.now() - waitedFrom;
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
    if (this.#options.format.hasControlEvents && isControlType(type)) {
      const effect = this.#control.read({ type, data, lastEventId });
      if (effect.kind === 'gap') this.#items.push({ kind: 'gap', gap: effect.gap });
      if (effect.kind === 'over') this.#over = effect.outcome;
      return;
    }
    const receivedAt = this.#options.clock.now();
    this.events += 1;
    this.#silentMs = 0;
    this.#reportedId = lastEventId;
    this.#trail.note(lastEventId, receivedAt, true);
    this.#items.push({
      kind: 'event',
      event: { id: lastEventId, type, data, receivedAt },
      resumeId: this.#trail.resumeId,
    });
  }

  #takeItems(): readonly SourceItem[] {
    const items = this.#items;
    this.#items = [];
    const { lastEventId } = this.#parser;
    if (lastEventId !== this.#reportedId) {
      this.#reportedId = lastEventId;
      this.#trail.note(lastEventId, this.#options.clock.now(), false);
      items.push({ kind: 'position', resumeId: this.#trail.resumeId });
    }
    return items;
  }
}

/** Why this answer is no stream of events; undefined where it is one. */
function refusalOf(answer: HttpAnswer, format: StreamFormat, nowMs: number): ConnectionOutcome | undefined {
  const { status } = answer;
  if (status !== 200) {
    const retryAfterMs = parseRetryAfter(answer.header('retry-after') ?? '', nowMs);
    return { kind: 'status', status, ...(retryAfterMs === undefined ? {} : { retryAfterMs }) };
  }
  const contentType = answer.header('content-type');
  return format.isReadable(contentType ?? '') ? undefined : notAStream('content type', contentType ?? 'none');
}

function notAStream(what: string, value = ''): ConnectionOutcome {
  return { kind: 'not-an-event-stream', detail: `${what} ${JSON.stringify(value.slice(0, 100))}` };
}
