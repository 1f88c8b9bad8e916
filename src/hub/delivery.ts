import type { Channel } from './channel.js';
import type { Feed } from './feed.js';
import type { DeliveryCounters, Subscriber } from './subscriber.js';

interface DeliveryOptions {
  readonly counters: DeliveryCounters;
  /** Processes that deliver the same events: a round here is that part of what one process would do. */
  readonly processCount: number;
  /**
   * Called after each round: what was waiting for it may be given up now. `waitedMs` is from the first publish
   * of the round until its last write; undefined where nothing new was published.
   */
  readonly onFlushed: (waitedMs: number | undefined) => void;
}

/** A rest shorter than this is none: the next round follows as soon as there is something to send. */
const REST_FROM_MS = 1;
/** A third of the time at most goes into writing: measured, twice the rest of one to one saves a quarter of the CPU. */
const REST_PER_ROUND = 2;
/** The longest rest after a round, however long it took. */
const REST_MS_MAX = 20;
/** The same where several processes share the work: on cores of their own they are still sooner done than one. */
const SHARED_REST_MS_MAX = 40;

/**
 * Decides when subscribers are pulled: once per turn of the event loop, all that are behind. A quiet channel's
 * event leaves in the turn it came in. A round that took long is followed by a rest twice as long, 20 ms at
 * most: the next one then sends more with each write, and between them the loop gets to accept connections, of which it
 * takes one a turn.
 */
export class Delivery {
  readonly #counters: DeliveryCounters;
  readonly #processCount: number;
  readonly #onFlushed: DeliveryOptions['onFlushed'];
  #changedFeeds = new Set<Feed>();
  #turns = new Set<Subscriber>();
  #isScheduled = false;
  #restUntilMs = 0;
  /** When the first event of the next round was published. */
  #changedAtMs: number | undefined;

  constructor({ counters, processCount, onFlushed }: DeliveryOptions) {
    this.#counters = counters;
    this.#processCount = processCount;
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
    this.#restUntilMs = endedMs + restAfter(endedMs - startedMs, this.#processCount);
  }
}

/**
 * Several processes that each do a part of the work rest as if one did it all: else each would write as often as one
 * alone, and they together several times as often for the same events.
 */
function restAfter(roundMs: number, processCount: number): number {
  const wholeMs = roundMs * processCount;
  return Math.min(
    wholeMs - roundMs + Math.min(wholeMs * REST_PER_ROUND, REST_MS_MAX),
    processCount === 1 ? REST_MS_MAX : SHARED_REST_MS_MAX,
  );
}
