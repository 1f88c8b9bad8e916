import { createBackoff, systemClock } from '../../base/index.js';
import type { Clock } from '../../base/index.js';
import { ClientError, createPublisher } from '../../client/index.js';
import type { PublishedEvent, Publisher } from '../../client/index.js';
import { checkChannelName, isControlType, isCursorLike, ProtocolError } from '../../protocol/index.js';
import type { DeadLetters } from './dead-letters.js';
import { IngestError, messageOf } from '../errors.js';
import { checkHeaders, checkHttpUrl } from '../http-options.js';
import { retry } from '../retry.js';
import type { SpooledEvent } from '../spool/spool.js';
import { keepDeadLetters } from './keep-dead-letters.js';
import type { BatchLimits, Sink, SinkContext, WriteResult } from './sink.js';

export interface HubSinkOptions {
  /** The hub's base URL. */
  readonly url: string;
  readonly channel: string;
  /** Takes what the hub never will (default: it is logged, counted and left out). */
  readonly deadLetters?: DeadLetters;
  /** Unique in its pipeline (default `hub`). */
  readonly name?: string;
  /** Sent with every request; their values are secrets: never logged. */
  readonly headers?: Readonly<Record<string, string>>;
  /** Publishes events under the id that the source gave them (default false: the hub makes its own). */
  readonly keepIds?: boolean;
  /** Default: 500 events, 512 KiB, no wait: what came while a request was under way is the next batch. */
  readonly batch?: Partial<BatchLimits>;
  /** Milliseconds for a request (default 10,000). */
  readonly timeoutMs?: number;
  readonly clock?: Clock;
}

const BATCH: BatchLimits = { eventsMax: 500, bytesMax: 512 * 1024, waitMs: 0 };
/** A hub that asks for more patience than this is asked again after it. */
const RETRY_AFTER_MS_MAX = 5 * 60_000;

/**
 * Publishes to a channel of a hub, over HTTP like anyone else. Tries again for ever where the hub is away or
 * says no to everything; an event that it refuses for what it is becomes a dead letter, logged and counted. A key per
 * event keeps a retry after a lost answer from publishing it twice.
 * @throws IngestError `invalid-option`: the URL, a header or the channel's name cannot be used.
 */
export function createHubSink(options: HubSinkOptions): Sink {
  return new HubSink(options);
}

interface Refusal extends SinkContext {
  readonly error: unknown;
  readonly signal: AbortSignal;
}

class HubSink implements Sink {
  readonly name: string;
  readonly batch: BatchLimits;
  readonly #channel: string;
  readonly #keepIds: boolean;
  readonly #deadLetters: DeadLetters | undefined;
  readonly #publisher: Publisher;
  readonly #clock: Clock;
  readonly #backoff = createBackoff();
  #context: SinkContext | undefined;

  constructor({ url, channel, headers = {}, timeoutMs, ...options }: HubSinkOptions) {
    this.name = options.name ?? 'hub';
    this.batch = { ...BATCH, ...options.batch };
    this.#deadLetters = options.deadLetters;
    this.#channel = checkChannel(channel);
    this.#keepIds = options.keepIds ?? false;
    const { username, password } = checkHttpUrl(url, 'the hub');
    // `fetch` refuses such a URL, and repeats it in its error.
    if (username !== '' || password !== '')
      throw new IngestError('invalid-option', 'Cannot use the URL of the hub: credentials belong into a header');
    const timeout = timeoutMs === undefined ? {} : { timeoutMs };
    this.#publisher = createPublisher({ url, headers: checkHeaders(headers), ...timeout });
    this.#clock = options.clock ?? systemClock;
  }

  // oxlint-disable-next-line typescript/require-await -- the contract is asynchronous, this sink has nothing to open
  async open(context: SinkContext): Promise<void> {
    this.#context = context;
  }

  async write(batch: readonly SpooledEvent[], signal: AbortSignal): Promise<WriteResult> {
    const context = this.#context;
    if (context === undefined) throw new IngestError('internal', 'Cannot write: the sink is not open');
    return { refused: await this.#publish(batch, context, signal) };
  }

  async close(): Promise<void> {}

  /** Publishes what the hub takes; returns how many events it refused. */
  async #publish(batch: readonly SpooledEvent[], context: SinkContext, signal: AbortSignal): Promise<number> {
    try {
      await this.#post(batch, context, signal);
      return 0;
    } catch (error) {
      const [only] = batch;
      if (signal.aborted || only === undefined || !isAboutContent(error)) throw error;
      if (batch.length === 1) {
        await this.#bury(only, { error, signal, ...context });
        return 1;
      }
      const half = batch.length >> 1;
      const before = await this.#publish(batch.slice(0, half), context, signal);
      return before + (await this.#publish(batch.slice(half), context, signal));
    }
  }

  /** The event counts as acknowledged only once the letter is kept. */
  async #bury(event: SpooledEvent, { error, logger, signal }: Refusal): Promise<void> {
    const code = error instanceof ClientError ? error.code : 'refused';
    const letter = {
      event,
      sink: this.name,
      rawData: Buffer.from(event.data),
      attemptsMade: 1,
      errorCode: code,
      errorMessage: messageOf(error),
      endedAt: this.#clock.now(),
    };
    const deadLetters = this.#deadLetters;
    if (deadLetters !== undefined) await keepDeadLetters([letter], { deadLetters, clock: this.#clock, signal, logger });
    const { sequence, id, type, bytes } = event;
    const fate = deadLetters === undefined ? '' : '; it is a dead letter';
    const fields = { sequence, id: id.slice(0, 200), type: type.slice(0, 200), bytes };
    logger.error({ ...describe(error), ...fields }, `Event refused${fate}`);
  }

  async #post(batch: readonly SpooledEvent[], { runId, logger }: SinkContext, signal: AbortSignal): Promise<void> {
    const events = batch.map((event) => this.#toPublished(event, runId));
    await retry(() => this.#publisher.publishBatch(this.#channel, events, { signal }), {
      backoff: this.#backoff,
      clock: this.#clock,
      signal,
      isRetryable: (error) => !isAboutContent(error),
      floorMs: (error) => Math.min((error instanceof ClientError && error.retryAfterMs) || 0, RETRY_AFTER_MS_MAX),
      onRetry: (error, delayMs, attempt) =>
        logger.warn({ ...describe(error), delayMs, attempt }, 'Cannot publish to the hub; trying again'),
    });
  }

  #toPublished({ id, type, data, sequence }: SpooledEvent, runId: string): PublishedEvent {
    const canKeepId = this.#keepIds && id !== '' && !isCursorLike(id);
    return {
      ...(canKeepId ? { id } : {}),
      // `message` is what an event without a type has; a control type cannot come from a source.
      ...(type === 'message' || isControlType(type) ? {} : { event: type }),
      data,
      idempotencyKey: `${runId}/${sequence}`,
    };
  }
}

/**
 * Whether the hub looked at the events and said no to one of them. An answer that is no problem+json is not
 * the hub's: a proxy's 400 must not cost a single event.
 */
function isAboutContent(error: unknown): boolean {
  if (!(error instanceof ClientError) || error.retryable || error.code.startsWith('http-')) return false;
  if (error.code === 'invalid-channel') return false;
  return error.status === 400 || error.status === 413 || error.status === 422;
}

function describe(error: unknown): object {
  return error instanceof ClientError
    ? { code: error.code, status: error.status, error: error.message }
    : { error: messageOf(error) };
}

function checkChannel(channel: string): string {
  try {
    return checkChannelName(channel);
  } catch (error) {
    if (error instanceof ProtocolError) throw new IngestError('invalid-option', error.message);
    throw error;
  }
}
