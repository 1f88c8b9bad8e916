import type { Channel } from './channel.js';
import type { Feed } from './feed.js';
import type { DeliveryCounters, Subscriber } from './subscriber.js';

interface DeliveryOptions {
  readonly counters: DeliveryCounters;
  /**
   * Called after each round: what was waiting for it may be given up now. `waitedMs` is from the first publish
   * of the round until its last write; undefined where nothing new was published.
   */
  readonly onFlushed: (waitedMs: number | undefined) => void;
}

/** A round shorter than this is followed by the next as soon as there is something to send. */
const REST_FROM_MS = 1;
/** The longest rest after a round, however long it took. */
const REST_MS_MAX = 20;

/**
 * Decides when subscribers are pulled: once per turn of the event loop, all that are behind. A quiet channel's
 * event leaves in the turn it came in. A round that took long is followed by a rest as long, 20 ms at most: the
 * next one then sends more with each write, and between them the loop gets to accept connections, of which it
 * takes one a turn.
 */
export class Delivery {
  readonly #counters: DeliveryCounters;
  readonly #onFlushed: DeliveryOptions['onFlushed'];
  #changedFeeds = new Set<Feed>();
  #turns = new Set<Subscriber>();
  #isScheduled = false;
  #restUntilMs = 0;
  /** When the first event of the next round was published. */
  #changedAtMs: number | undefined;

  constructor({ counters, onFlushed }: DeliveryOptions) {
    this.#counters = counters;
    this.#onFlushed = onFlushed;
  }

  /** The channel has something new for the subscribers of its feeds. */
  channelChanged(channel: Channel): void {
    for (const feed of channel.feeds) {
      feed.forgetSlices();
      this.#changedFeeds.add(feed);
    }
    if (channel.feeds.size === 0) return;
    this.#changedAtMs ??= performance.now();
    this.#schedule();
  }

  /** One subscriber alone is behind: it was full, or its backfill goes on. */
  scheduleTurn(subscriber: Subscriber): void {
    this.#turns.add(subscriber);
    this.#schedule();
  }

  #schedule(): void {
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    const restMs = this.#restUntilMs - performance.now();
    // An immediate runs right after the turn's I/O callbacks, so that everything they publish is one flush.
    if (restMs < REST_FROM_MS) setImmediate(() => this.#flush());
    else setTimeout(() => this.#flush(), restMs);
  }

  #flush(): void {
    const startedMs = performance.now();
    this.#isScheduled = false;
    this.#counters.flushes += 1;
    const feeds = this.#changedFeeds;
    const turns = this.#turns;
    this.#changedFeeds = new Set();
    this.#turns = new Set();
    for (const feed of feeds) {
      for (const subscriber of feed.subscribers) subscriber.pull();
    }
    for (const subscriber of turns) subscriber.pull();
    // Who comes later reads anew: slices that wait for the next event hold memory that history has given up.
    for (const feed of feeds) feed.forgetSlices();
    for (const { feed } of turns) feed.forgetSlices();
    const endedMs = performance.now();
    const waitedMs = this.#changedAtMs === undefined ? undefined : endedMs - this.#changedAtMs;
    this.#changedAtMs = undefined;
    this.#onFlushed(waitedMs);
    this.#restUntilMs = endedMs + Math.min(endedMs - startedMs, REST_MS_MAX);
  }
}
