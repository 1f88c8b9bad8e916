import { systemClock } from '../base/index.js';
import type { Clock } from '../base/index.js';
import { ClientError, subscribe } from '../client/index.js';
import type { Delivery, EventDelivery, GapDelivery, StatusDelivery } from '../client/index.js';
import { isCursorLike } from '../protocol/index.js';

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
  /** The hub's base URL. */
  readonly url: string;
  readonly channel: string;
  /** Events of the history to begin with. */
  readonly last: number;
  readonly onState: (state: LiveState) => void;
  readonly onEvent: (event: EventDelivery, isBackfill: boolean) => void;
  readonly onGap: (gap: GapDelivery) => void;
  readonly clock?: Clock;
  /** A number in [0, 1), for the jitter of reconnects. */
  readonly random?: () => number;
}

export interface LiveChannel {
  /** What the next connection resumes from; empty before the first `tidegate.open`. */
  readonly cursor: string;
  /** Ends a wait between two attempts. */
  reconnectNow(): void;
  /** Stops for good; nothing is called back after. */
  close(): void;
}

/**
 * Follows a channel for as long as it lasts, and says where the subscription stands. On the client, not on
 * EventSource, because that shows only the event types it was told of beforehand.
 */
export function openLiveChannel(options: LiveChannelOptions): LiveChannel {
  const follower = new ChannelFollower(options);
  void follower.run();
  return follower;
}

class ChannelFollower implements LiveChannel {
  readonly #options: LiveChannelOptions;
  readonly #clock: Clock;
  readonly #closing = new AbortController();
  #phase: LivePhase = 'connecting';
  #retryNow: (() => void) | undefined;
  cursor = '';

  constructor(options: LiveChannelOptions) {
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
  }

  reconnectNow(): void {
    this.#retryNow?.();
  }

  close(): void {
    this.#closing.abort();
  }

  /** Never rejects. */
  async run(): Promise<void> {
    const { url, channel, last, random } = this.#options;
    const { signal } = this.#closing;
    const jitter = random === undefined ? {} : { random };
    this.#enter('connecting');
    try {
      for await (const delivery of subscribe({
        url,
        channels: [channel],
        last,
        signal,
        clock: this.#clock,
        ...jitter,
      })) {
        if (signal.aborted) return;
        this.#take(delivery);
      }
      if (!signal.aborted) this.#enter('ended');
    } catch (error) {
      if (!signal.aborted) this.#enter('refused', reasonOf(error));
    }
  }

  #take(delivery: Delivery): void {
    switch (delivery.kind) {
      case 'status':
        return this.#takeStatus(delivery);
      case 'open':
        this.cursor = delivery.cursor;
        return this.#enter('backfill');
      case 'live':
        return this.#enter('live');
      case 'cursor':
        this.cursor = delivery.cursor;
        return;
      case 'gap':
        return this.#options.onGap(delivery);
      case 'event':
        if (isCursorLike(delivery.id)) this.cursor = delivery.id;
        return this.#options.onEvent(delivery, this.#phase !== 'live');
      case 'conflated':
      case 'end':
        // Nothing is lost by the one, and the iteration ends with the other.
        return;
    }
  }

  #takeStatus({ state, cause = '', delayMs = 0, retryNow }: StatusDelivery): void {
    this.#retryNow = retryNow;
    if (state === 'reconnecting') this.#enter('reconnecting', cause, this.#clock.now() + delayMs);
  }

  #enter(phase: LivePhase, reason = '', retryAtMs?: number): void {
    this.#phase = phase;
    this.#options.onState({ phase, reason, ...(retryAtMs === undefined ? {} : { retryAtMs }) });
  }
}

function reasonOf(error: unknown): string {
  if (error instanceof ClientError) return `${error.message} (${error.code})`;
  return error instanceof Error ? error.message : String(error);
}
