import type { Channel } from './channel.js';
import type { Feed } from './feed.js';
import type { DeliveryCounters, Subscriber } from './subscriber.js';

interface DeliveryOptions {
  readonly counters: DeliveryCounters;
  /** Called after each round: what was waiting for it may be given up now. */
  readonly onFlushed: () => void;
}

/**
 * Decides when subscribers are pulled: once per turn of the event loop, all that are behind. A quiet channel's
 * event leaves in the turn it came in; while a round takes long, what arrives meanwhile makes one larger round.
 */
export class Delivery {
  readonly #counters: DeliveryCounters;
  readonly #onFlushed: () => void;
  #changedFeeds = new Set<Feed>();
  #turns = new Set<Subscriber>();
  #isScheduled = false;

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
    if (channel.feeds.size > 0) this.#schedule();
  }

  /** One subscriber alone is behind: it was full, or its backfill goes on. */
  scheduleTurn(subscriber: Subscriber): void {
    this.#turns.add(subscriber);
    this.#schedule();
  }

  #schedule(): void {
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    // Runs right after the turn's I/O callbacks, so that everything they publish is one flush.
    setImmediate(() => this.#flush());
  }

  #flush(): void {
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
    this.#onFlushed();
  }
}
