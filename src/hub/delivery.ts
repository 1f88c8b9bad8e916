import type { Channel } from './channel.js';
import type { Feed } from './feed.js';
import type { DeliveryCounters, Subscriber } from './subscriber.js';

interface DeliveryOptions {
  readonly counters: DeliveryCounters;
  /** Processes that deliver the same events: a round here is that part of what one process would do. */
  readonly processCount: number;
  /** Called before each round: it sends all that is there now to all who lack it. */
  readonly onBegin: () => void;
  /**
   * Called after each round: what was waiting for it may be given up now. `waitedMs` is from the first publish
   * of the round until its last write; undefined where nothing new was published.
   */
  readonly onFlushed: (waitedMs: number | undefined) => void;
}

/** A round under way: who has yet to be pulled, and for how long it has kept the loop. */
interface Round {
  readonly feeds: ReadonlySet<Feed>;
  readonly turns: ReadonlySet<Subscriber>;
  readonly left: Iterator<Subscriber, void>;
  readonly changedAtMs: number | undefined;
  busyMs: number;
}

/**
 * How long a round may keep the loop at a time. Between two parts of it events come in, and who is pulled after that
 * gets them in the same round: with thousands of subscribers, half of the wait is saved, measured.
 */
const PART_MS = 10;
/** Looking at the clock costs, so it is done for every so many subscribers. */
const PULLS_PER_LOOK = 32;

/** A rest shorter than this is none: the next round follows as soon as there is something to send. */
const REST_FROM_MS = 1;
/** A third of the time at most goes into writing: measured, twice the rest of one to one saves a quarter of the CPU. */
const REST_PER_ROUND = 2;
/** The longest rest after a round, however long it took. */
const REST_MS_MAX = 20;
/** The same where several processes share the work: on cores of their own they are still sooner done than one. */
const SHARED_REST_MS_MAX = 40;

/**
 * Decides when subscribers are pulled: in rounds, each over all that are behind. A quiet channel's event leaves in the
 * turn of the event loop it came in; a round over thousands takes a turn for each {@link PART_MS}. A round that took long is followed by a rest twice as long, 20 ms at
 * most: the next one then sends more with each write, and between them the loop gets to accept connections, of which it
 * takes one a turn.
 */
export class Delivery {
  readonly #counters: DeliveryCounters;
  readonly #processCount: number;
  readonly #onBegin: DeliveryOptions['onBegin'];
  readonly #onFlushed: DeliveryOptions['onFlushed'];
  #changedFeeds = new Set<Feed>();
  #turns = new Set<Subscriber>();
  /** A round is to come, or under way. */
  #isScheduled = false;
  #restUntilMs = 0;
  /** When the first event of the next round was published. */
  #changedAtMs: number | undefined;

  constructor({ counters, processCount, onBegin, onFlushed }: DeliveryOptions) {
    this.#counters = counters;
    this.#processCount = processCount;
    this.#onBegin = onBegin;
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

  #schedule(fromMs = this.#restUntilMs): void {
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    const restMs = fromMs - performance.now();
    // An immediate runs right after the turn's I/O callbacks, so that everything they publish is one flush.
    if (restMs < REST_FROM_MS) setImmediate(() => this.#begin());
    else setTimeout(() => this.#begin(), restMs);
  }

  #begin(): void {
    this.#counters.flushes += 1;
    this.#onBegin();
    const feeds = this.#changedFeeds;
    const turns = this.#turns;
    const changedAtMs = this.#changedAtMs;
    this.#changedFeeds = new Set();
    this.#turns = new Set();
    this.#changedAtMs = undefined;
    this.#goOn({ feeds, turns, left: subscribersOf(feeds, turns), changedAtMs, busyMs: 0 });
  }

  #goOn(round: Round): void {
    const startedMs = performance.now();
    let endedMs = startedMs;
    let isOver = false;
    while (!isOver && endedMs - startedMs < PART_MS) {
      isOver = pullSome(round.left);
      endedMs = performance.now();
    }
    round.busyMs += endedMs - startedMs;
    if (isOver) this.#end(round, endedMs);
    else setImmediate(() => this.#goOn(round));
  }

  #end({ feeds, turns, changedAtMs, busyMs }: Round, endedMs: number): void {
    // Who comes later reads anew: slices that wait for the next event hold memory that history has given up.
    for (const feed of feeds) feed.forgetSlices();
    for (const { feed } of turns) feed.forgetSlices();
    this.#onFlushed(changedAtMs === undefined ? undefined : endedMs - changedAtMs);
    this.#restUntilMs = endedMs + restAfter(busyMs, this.#processCount);
    this.#isScheduled = false;
    // Who lacks more than one flush goes on at once: resting, it would fall behind what history gives up.
    if (this.#turns.size > 0) this.#schedule(0);
    else if (this.#changedFeeds.size > 0) this.#schedule();
  }
}

function* subscribersOf(
  feeds: ReadonlySet<Feed>,
  turns: ReadonlySet<Subscriber>,
): Generator<Subscriber, void, undefined> {
  for (const feed of feeds) yield* feed.subscribers;
  yield* turns;
}

/** Whether none is left. */
function pullSome(left: Iterator<Subscriber, void>): boolean {
  for (let pulls = 0; pulls < PULLS_PER_LOOK; pulls += 1) {
    const next = left.next();
    if (next.done === true) return true;
    next.value.pull();
  }
  return false;
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
