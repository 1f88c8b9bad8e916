import { createBackoff, sleep, systemClock } from '../base/index.js';
import type { Clock } from '../base/index.js';
import { checkChannelName } from '../protocol/index.js';
import { ClientError } from './errors.js';
import { createPublisher } from './publisher.js';
import type { PublishedEvent, Publisher, PublisherOptions, PublishResult } from './publisher.js';

export interface BatchingPublisherOptions extends PublisherOptions {
  /** Milliseconds that an event waits for others (default 10). */
  readonly lingerMs?: number;
  /** Events of one request (default 500). */
  readonly batchEventsMax?: number;
  /** UTF-16 units of JSON in one request; a larger event goes alone (default 262,144). */
  readonly batchCharactersMax?: number;
  /** Events that wait or are under way; more are refused with `queue-full` (default 10,000). */
  readonly queueEventsMax?: number;
  /** UTF-16 units of JSON that wait or are under way, likewise (default 16,777,216). */
  readonly queueCharactersMax?: number;
  /** Requests at a time, each for another channel (default 4). */
  readonly requestsMax?: number;
  /** Milliseconds after which an event is given up that the hub has not answered for (default 60,000). */
  readonly giveUpAfterMs?: number;
  readonly clock?: Clock;
  /** A number in [0, 1), for the jitter of retries. */
  readonly random?: () => number;
}

/**
 * Publishes in batches and tries again what may have failed. Each event has an idempotency key, made here where it has
 * none, so a request that is repeated after a timeout publishes nothing twice (PROTOCOL.md, 6.4: for as long as the
 * history holds the event). The order within a channel is that of the calls.
 */
export interface BatchingPublisher extends AsyncDisposable {
  /**
   * Resolves with the answer for the event's batch (`id` and `cursor` are those of its last event), or of the event alone.
   * @throws ClientError the hub refused it, or did not take it within `giveUpAfterMs` (then it may be published or
   * not); `queue-full` (retryable); `publisher-closed`. @throws ProtocolError `invalid-channel`.
   */
  publish(channel: string, event: PublishedEvent): Promise<PublishResult>;
  /** Resolves when an event would not be refused with `queue-full`. */
  whenReady(): Promise<void>;
  /** Takes no more, sends what waits without lingering, and resolves when every event is settled. */
  drain(): Promise<void>;
  /** Takes no more and gives up what is not settled: `publisher-closed`. */
  close(): void;
}

/** An event that is not settled. */
interface Waiting {
  readonly event: PublishedEvent;
  readonly characters: number;
  readonly giveUpAtMs: number;
  readonly resolve: (result: PublishResult) => void;
  readonly reject: (error: unknown) => void;
}

/** The events of one channel, in order; one request at a time. */
interface Lane {
  readonly channel: string;
  readonly waiting: Waiting[];
  characters: number;
  isSending: boolean;
  isDue: boolean;
  cancelLinger: (() => void) | undefined;
}

/** Refusals that may be one event's fault: the others of its batch shall not suffer. */
const ONE_EVENTS_FAULT: ReadonlySet<string> = new Set(['invalid-batch', 'body-too-large', 'http-400', 'http-413']);

/** @throws ClientError as `createPublisher()`. */
export function createBatchingPublisher(options: BatchingPublisherOptions): BatchingPublisher {
  return new QueueingPublisher(options);
}

class QueueingPublisher implements BatchingPublisher {
  readonly #publisher: Publisher;
  readonly #limits: Required<Omit<BatchingPublisherOptions, keyof PublisherOptions | 'clock' | 'random'>>;
  readonly #clock: Clock;
  readonly #random: (() => number) | undefined;
  readonly #lanes = new Map<string, Lane>();
  readonly #closing = new AbortController();
  readonly #watchers = new Set<() => void>();
  readonly #keyPrefix = newKeyPrefix();
  #keys = 0;
  #events = 0;
  #characters = 0;
  #requests = 0;
  #isDraining = false;

  constructor(options: BatchingPublisherOptions) {
    this.#publisher = createPublisher(options);
    this.#clock = options.clock ?? systemClock;
    this.#random = options.random;
    this.#limits = {
      lingerMs: options.lingerMs ?? 10,
      batchEventsMax: options.batchEventsMax ?? 500,
      batchCharactersMax: options.batchCharactersMax ?? 262_144,
      queueEventsMax: options.queueEventsMax ?? 10_000,
      queueCharactersMax: options.queueCharactersMax ?? 16_777_216,
      requestsMax: options.requestsMax ?? 4,
      giveUpAfterMs: options.giveUpAfterMs ?? 60_000,
    };
  }

  get #isFull(): boolean {
    return this.#events >= this.#limits.queueEventsMax || this.#characters >= this.#limits.queueCharactersMax;
  }

  async publish(channel: string, event: PublishedEvent): Promise<PublishResult> {
    if (this.#isDraining) throw closed();
    const lane = this.#lane(checkChannelName(channel));
    if (this.#isFull) {
      const message = `Cannot publish: ${this.#events} events wait already`;
      throw new ClientError({ code: 'queue-full', message, retryable: true });
    }
    const keyed = { idempotencyKey: `${this.#keyPrefix}${(this.#keys += 1)}`, ...event };
    const characters = JSON.stringify(keyed).length + 1;
    this.#events += 1;
    this.#characters += characters;
    return new Promise((resolve, reject) => {
      const giveUpAtMs = this.#clock.now() + this.#limits.giveUpAfterMs;
      lane.waiting.push({ event: keyed, characters, giveUpAtMs, resolve, reject });
      lane.characters += characters;
      this.#schedule(lane);
    });
  }

  async whenReady(): Promise<void> {
    await this.#until(() => !this.#isFull || this.#isDraining);
  }

  async drain(): Promise<void> {
    this.#isDraining = true;
    for (const lane of this.#lanes.values()) lane.isDue = true;
    this.#sendDue();
    await this.#until(() => this.#events === 0);
  }

  close(): void {
    this.#isDraining = true;
    this.#closing.abort();
    for (const lane of this.#lanes.values()) {
      lane.cancelLinger?.();
      if (!lane.isSending) this.#lanes.delete(lane.channel);
      for (const waiting of lane.waiting.splice(0)) this.#settle(waiting, () => waiting.reject(closed()));
    }
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.drain();
  }

  #lane(channel: string): Lane {
    const known = this.#lanes.get(channel);
    if (known !== undefined) return known;
    const lane: Lane = {
      channel,
      waiting: [],
      characters: 0,
      isSending: false,
      isDue: false,
      cancelLinger: undefined,
    };
    this.#lanes.set(channel, lane);
    return lane;
  }

  #schedule(lane: Lane): void {
    const { batchEventsMax, batchCharactersMax, lingerMs } = this.#limits;
    if (lane.waiting.length >= batchEventsMax || lane.characters >= batchCharactersMax) lane.isDue = true;
    if (lane.isDue) return this.#sendDue();
    lane.cancelLinger ??= this.#clock.after(lingerMs, () => {
      lane.isDue = true;
      this.#sendDue();
    });
    return undefined;
  }

  #sendDue(): void {
    for (const lane of this.#lanes.values()) {
      if (this.#requests >= this.#limits.requestsMax) return;
      if (lane.isDue && !lane.isSending && lane.waiting.length > 0) void this.#sendLane(lane);
    }
  }

  async #sendLane(lane: Lane): Promise<void> {
    lane.cancelLinger?.();
    lane.cancelLinger = undefined;
    lane.isSending = true;
    this.#requests += 1;
    await this.#send(lane.channel, this.#takeBatch(lane));
    this.#requests -= 1;
    lane.isSending = false;
    lane.isDue = this.#isDraining;
    // To the end of the line, so that no channel waits for ever behind busy ones.
    this.#lanes.delete(lane.channel);
    if (lane.waiting.length > 0) {
      this.#lanes.set(lane.channel, lane);
      this.#schedule(lane);
    }
    this.#sendDue();
  }

  #takeBatch(lane: Lane): readonly Waiting[] {
    const { batchEventsMax, batchCharactersMax } = this.#limits;
    let count = 0;
    let characters = 0;
    for (const waiting of lane.waiting.slice(0, batchEventsMax)) {
      if (count > 0 && characters + waiting.characters > batchCharactersMax) break;
      characters += waiting.characters;
      count += 1;
    }
    lane.characters -= characters;
    return lane.waiting.splice(0, count);
  }

  /** Never rejects; every event of `batch` is settled after. */
  async #send(channel: string, batch: readonly Waiting[]): Promise<void> {
    try {
      const result = await this.#sendUntilTaken(channel, batch);
      for (const waiting of batch) this.#settle(waiting, () => waiting.resolve(result));
    } catch (error) {
      if (batch.length > 1 && error instanceof ClientError && ONE_EVENTS_FAULT.has(error.code)) {
        const half = Math.ceil(batch.length / 2);
        await this.#send(channel, batch.slice(0, half));
        return this.#send(channel, batch.slice(half));
      }
      const reason = this.#closing.signal.aborted ? closed() : error;
      for (const waiting of batch) this.#settle(waiting, () => waiting.reject(reason));
    }
    return undefined;
  }

  async #sendUntilTaken(channel: string, batch: readonly Waiting[]): Promise<PublishResult> {
    const { signal } = this.#closing;
    const backoff = createBackoff({ random: this.#random });
    const events = batch.map(({ event }) => event);
    const [only] = events;
    const giveUpAtMs = Math.min(...batch.map((waiting) => waiting.giveUpAtMs));
    for (;;) {
      try {
        if (events.length === 1 && only !== undefined) return await this.#publisher.publish(channel, only, { signal });
        return await this.#publisher.publishBatch(channel, events, { signal });
      } catch (error) {
        if (!(error instanceof ClientError) || !error.retryable) throw error;
        const delayMs = Math.max(backoff.nextMs(), error.retryAfterMs ?? 0);
        if (this.#clock.now() + delayMs >= giveUpAtMs) throw error;
        await sleep(delayMs, signal, this.#clock);
      }
    }
  }

  #settle({ characters }: Waiting, settle: () => void): void {
    this.#events -= 1;
    this.#characters -= characters;
    settle();
    for (const wake of this.#watchers) wake();
    this.#watchers.clear();
  }

  async #until(isTrue: () => boolean): Promise<void> {
    while (!isTrue()) await new Promise<void>((resolve) => this.#watchers.add(resolve));
  }
}

function closed(): ClientError {
  return new ClientError({ code: 'publisher-closed', message: 'Cannot publish: closed', retryable: false });
}

/** 96 random bits, so that no two publishers make the same key. */
function newKeyPrefix(): string {
  const bytes = globalThis.crypto.getRandomValues(new Uint8Array(12));
  return `${Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('')}-`;
}
