import { createBackoff, parseRetryAfter, sleep, systemClock } from '../../base/index.js';
import type { Clock } from '../../base/index.js';
import { readWebhookSecret, signatureHeaders, WEBHOOK_SECRET_BYTES_ADVISED } from '../../runtime/index.js';
import type { WebhookKey } from '../../runtime/index.js';
import type { DeadLetters } from './dead-letters.js';
import { IngestError, messageOf } from '../errors.js';
import { formatRecord } from '../format.js';
import { checkHeaders, checkHttpUrl } from '../http-options.js';
import type { SpooledEvent } from '../spool/spool.js';
import { USER_AGENT } from '../user-agent.js';
import { keepDeadLetters } from './keep-dead-letters.js';
import { judgeStatus } from './http-verdict.js';
import type { HttpVerdict } from './http-verdict.js';
import { withTimeout } from './record-attempt.js';
import type { BatchLimits, Sink, SinkContext, WriteResult } from './sink.js';

export interface HttpSinkOptions {
  /** Where batches are posted to. Its path and query may be secret: only the origin is logged. */
  readonly url: string;
  /** Takes what the other side never will. */
  readonly deadLetters: DeadLetters;
  /** What requests are signed with: `whsec_` and base64, or any text (default: they are not signed). Never logged. */
  readonly secret?: string;
  /** Unique in its pipeline (default `http`). */
  readonly name?: string;
  /** Sent with every request; their values are secrets: never logged. */
  readonly headers?: Readonly<Record<string, string>>;
  /** A line an event (default `ndjson`). */
  readonly format?: 'ndjson' | 'envelope';
  /** Default: 500 events, 1 MiB, no wait: what came while a request was under way is the next batch. */
  readonly batch?: Partial<BatchLimits>;
  /** Milliseconds for a request, its answer included (default 10,000). */
  readonly timeoutMs?: number;
  readonly clock?: Clock;
}

const BATCH: BatchLimits = { eventsMax: 500, bytesMax: 1024 * 1024, waitMs: 0 };
const TIMEOUT_MS = 10_000;
/** Who asks for more patience than this is asked again after it. */
const RETRY_AFTER_MS_MAX = 5 * 60_000;

/**
 * Posts batches of events as NDJSON, signed by Standard Webhooks where there is a secret. `webhook-id` is the same for
 * every attempt in a run, so that a receiver can tell a repeat. What fails is tried again for ever, `Retry-After`
 * honoured; a request that is refused for its content is halved until one event is to blame, which becomes a dead
 * letter.
 * @throws IngestError `invalid-option`: the URL, a header or the secret cannot be used.
 */
export function createHttpSink(options: HttpSinkOptions): Sink {
  return new HttpSink(options);
}

/** What one write has counted so far. */
interface Tally {
  refused: number;
  retries: number;
}

/** What came of one attempt; `reason` is a code. */
interface Answer {
  readonly verdict: HttpVerdict;
  readonly reason: string;
  readonly retryAfterMs?: number;
}

/** Why an event is never taken, after how many attempts. */
interface Refusal {
  readonly reason: string;
  readonly attempts: number;
}

class HttpSink implements Sink {
  readonly name: string;
  readonly batch: BatchLimits;
  readonly #url: URL;
  readonly #headers: Readonly<Record<string, string>>;
  readonly #key: WebhookKey | undefined;
  readonly #format: 'ndjson' | 'envelope';
  readonly #timeoutMs: number;
  readonly #deadLetters: DeadLetters;
  readonly #clock: Clock;
  #context: SinkContext | undefined;

  constructor({ url, deadLetters, secret, headers = {}, ...options }: HttpSinkOptions) {
    this.name = options.name ?? 'http';
    this.batch = { ...BATCH, ...options.batch };
    this.#url = checkHttpUrl(url, 'the HTTP sink');
    // `fetch` refuses such a URL, and repeats it in its error.
    if (this.#url.username !== '' || this.#url.password !== '')
      throw new IngestError('invalid-option', 'Cannot use the URL of the HTTP sink: credentials belong into a header');
    this.#headers = checkHeaders(headers);
    this.#key = secret === undefined ? undefined : readKey(secret);
    this.#format = options.format ?? 'ndjson';
    this.#timeoutMs = options.timeoutMs ?? TIMEOUT_MS;
    this.#deadLetters = deadLetters;
    this.#clock = options.clock ?? systemClock;
  }

  // oxlint-disable-next-line typescript/require-await -- the contract is asynchronous, this sink has nothing to open
  async open(context: SinkContext): Promise<void> {
    this.#context = context;
    const bytes = this.#key?.symmetricKeySize ?? WEBHOOK_SECRET_BYTES_ADVISED;
    if (bytes < WEBHOOK_SECRET_BYTES_ADVISED)
      context.logger.warn({ bytes }, `The secret is shorter than ${WEBHOOK_SECRET_BYTES_ADVISED} bytes`);
  }

  async write(batch: readonly SpooledEvent[], signal: AbortSignal): Promise<WriteResult> {
    const tally: Tally = { refused: 0, retries: 0 };
    await this.#deliver(batch, tally, signal);
    return { refused: tally.refused, ...(tally.retries === 0 ? {} : { retries: tally.retries }) };
  }

  async close(): Promise<void> {}

  /** Resolves when each event of `batch` was taken or is a dead letter. */
  async #deliver(batch: readonly SpooledEvent[], tally: Tally, signal: AbortSignal): Promise<void> {
    const refusal = await this.#postUntilAnswered(batch, tally, signal);
    const [only] = batch;
    if (refusal === undefined || only === undefined) return;
    if (batch.length === 1) {
      await this.#refuse(only, refusal, signal);
      tally.refused += 1;
      return;
    }
    const half = batch.length >> 1;
    await this.#deliver(batch.slice(0, half), tally, signal);
    await this.#deliver(batch.slice(half), tally, signal);
  }

  /** Undefined when `batch` was taken; else why it never will be. There is no last attempt. */
  async #postUntilAnswered(
    batch: readonly SpooledEvent[],
    tally: Tally,
    signal: AbortSignal,
  ): Promise<Refusal | undefined> {
    const { runId } = this.#opened();
    const body = batch.map((event) => formatRecord(event, this.#format)).join('');
    const id = `${runId}_${batch[0]?.sequence ?? 0}-${batch.at(-1)?.sequence ?? 0}`;
    const backoff = createBackoff();
    for (;;) {
      const answer = await this.#post({ id, body }, signal);
      signal.throwIfAborted();
      if (answer.verdict === 'taken') return undefined;
      const attempts = backoff.attempts + 1;
      if (answer.verdict === 'content') return { reason: answer.reason, attempts };
      const delayMs = Math.max(backoff.nextMs(), Math.min(answer.retryAfterMs ?? 0, RETRY_AFTER_MS_MAX));
      tally.retries += 1;
      // What somebody must mend stands out from what heals by itself.
      this.#opened().logger[answer.verdict === 'settings' ? 'error' : 'warn'](
        { error: answer.reason, events: batch.length, delayMs, attempt: attempts, to: this.#url.origin },
        'Cannot post events; trying again',
      );
      await sleep(delayMs, signal, this.#clock);
      signal.throwIfAborted();
    }
  }

  /** One attempt; what goes wrong is a value. */
  async #post({ id, body }: { readonly id: string; readonly body: string }, signal: AbortSignal): Promise<Answer> {
    const headers = {
      'content-type': 'application/x-ndjson',
      'user-agent': USER_AGENT,
      ...this.#headers,
      ...signatureHeaders({ id, nowMs: this.#clock.now(), body }, this.#key),
    };
    const request = async (within: AbortSignal): Promise<Answer> => {
      // A redirect is not followed: a signed body is for whom it was meant.
      const answer = await fetch(this.#url, { method: 'POST', redirect: 'manual', headers, body, signal: within });
      // Nobody reads it, and unread it would hold the connection.
      await answer.body?.cancel();
      const retryAfter = parseRetryAfter(answer.headers.get('retry-after') ?? '', this.#clock.now());
      return {
        verdict: judgeStatus(answer.status),
        reason: `http-${answer.status}`,
        ...(retryAfter === undefined ? {} : { retryAfterMs: retryAfter }),
      };
    };
    try {
      return await withTimeout(request, { signal, timeoutMs: this.#timeoutMs });
    } catch (error) {
      return { verdict: 'later', reason: codeOf(error) };
    }
  }

  /** Resolves when the dead letter of `event` is durable; there is no last attempt. */
  async #refuse(event: SpooledEvent, { reason, attempts }: Refusal, signal: AbortSignal): Promise<void> {
    const { logger } = this.#opened();
    const letter = {
      event,
      sink: this.name,
      rawData: Buffer.from(formatRecord(event, this.#format)),
      attemptsMade: attempts,
      errorCode: reason,
      errorMessage: `${this.#url.origin} refused the event`,
      endedAt: this.#clock.now(),
    };
    await keepDeadLetters([letter], { deadLetters: this.#deadLetters, clock: this.#clock, signal, logger });
    const { sequence, id, type, bytes } = event;
    logger.error(
      { code: reason, sequence, id: id.slice(0, 200), type: type.slice(0, 200), bytes },
      'Event refused; it is a dead letter',
    );
  }

  #opened(): SinkContext {
    if (this.#context === undefined) throw new IngestError('internal', 'Cannot write: the sink is not open');
    return this.#context;
  }
}

/** `fetch` says why only in the cause, whose message may quote what is secret; its code does not. */
function codeOf(error: unknown): string {
  if (error instanceof DOMException) return error.name === 'TimeoutError' ? 'timeout' : 'aborted';
  const cause = error instanceof Error ? error.cause : undefined;
  return cause instanceof Error && 'code' in cause ? String(cause.code) : 'no-connection';
}

function readKey(secret: string): WebhookKey {
  try {
    return readWebhookSecret(secret);
  } catch (error) {
    throw new IngestError('invalid-option', messageOf(error));
  }
}
