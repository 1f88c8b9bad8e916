import type { Feed } from './feed.js';
import type { EncodedFrame } from './frame.js';
import { History } from './history.js';
import type { ChannelHistory, Lost } from './history.js';
import { LatestHistory } from './latest-history.js';
import type { ChannelPolicy, SlowPolicy } from './channel-rules.js';
import type { HistoryLimits } from './limits.js';

/** Milliseconds over which a channel's rate is counted. */
const RATE_WINDOW_MS = 10_000;

/** Idempotency keys of one channel; the oldest is forgotten first. */
const IDEMPOTENCY_KEYS_MAX = 1_000_000;

/** Shared: most of a million users' channels have nobody there. */
const NO_FEEDS: ReadonlySet<Feed> = new Set();

/** A named stream: its history, who follows it, and whether it has ended. */
export class Channel {
  readonly name: string;
  readonly history: ChannelHistory;
  readonly slow: SlowPolicy;
  /** The feeds that carry it to subscribers. */
  #feeds: Set<Feed> | undefined;
  #idempotencyKeys: Map<string, number> | undefined;
  #endedAtMs: number | undefined;
  #isUsed = false;
  /** Over all processes of the hub, where the hub's backplane keeps the channel; else of this one. */
  subscriberCount = 0;
  /** What lies behind this offset its subscribers have yet to be sent: until then it is not given up, but for want of space. */
  unsentAfter: number | undefined;

  constructor(name: string, { slow, pointer }: ChannelPolicy, lost?: Lost) {
    this.name = name;
    this.slow = slow;
    this.history = slow === 'latest' ? new LatestHistory(pointer, lost) : new History(lost);
  }

  get isEnded(): boolean {
    return this.#endedAtMs !== undefined;
  }

  /** When its last event was published; undefined before the first. */
  get lastEventMs(): number | undefined {
    return this.#isUsed ? this.history.headTimeMs : undefined;
  }

  get feeds(): ReadonlySet<Feed> {
    return this.#feeds ?? NO_FEEDS;
  }

  addFeed(feed: Feed): void {
    this.#feeds ??= new Set();
    this.#feeds.add(feed);
  }

  removeFeed(feed: Feed): void {
    this.#feeds?.delete(feed);
    if (this.#feeds?.size === 0) this.#feeds = undefined;
  }

  /** When it ended; undefined where it has not. */
  get endedAtMs(): number | undefined {
    return this.#endedAtMs;
  }

  /** It has ended, and the frame that said so is given up already. */
  markEnded(timeMs: number): void {
    this.#endedAtMs = timeMs;
  }

  append(frame: EncodedFrame, offset: number, timeMs: number): void {
    this.#isUsed = true;
    this.history.append(frame.bytes, { offset, timeMs, bodyStart: frame.bodyStart, bodyEnd: frame.bodyEnd });
  }

  /** Appends the channel's last frame: there is no publishing after it. */
  end(frame: EncodedFrame, offset: number, timeMs: number): void {
    this.append(frame, offset, timeMs);
    this.#endedAtMs = timeMs;
  }

  /** Whether the frame at `offset` is the one that ended the channel. */
  isEndFrame(offset: number): boolean {
    return this.isEnded && offset === this.history.headOffset;
  }

  /** How many events history holds; the frame that ends the channel is none. */
  get eventCount(): number {
    return this.isEnded ? Math.max(0, this.history.events - 1) : this.history.events;
  }

  /** The offset behind which the newest `count` events lie, and the end. */
  offsetBeforeLast(count: number): number {
    return this.history.offsetBeforeLast(this.isEnded ? count + 1 : count);
  }

  /** The offset that was published under `key`, while history holds it. */
  offsetOfKey(key: string): number | undefined {
    const offset = this.#idempotencyKeys?.get(key);
    return offset !== undefined && offset > this.history.evictedOffset ? offset : undefined;
  }

  rememberKey(key: string, offset: number): void {
    this.#idempotencyKeys ??= new Map();
    // Deleted first, so that the map's order stays the order of offsets.
    this.#idempotencyKeys.delete(key);
    this.#idempotencyKeys.set(key, offset);
    // Of most channels, history forgets them; one that keeps the newest of each key may never give anything up.
    const [oldest] = this.#idempotencyKeys.keys();
    if (this.#idempotencyKeys.size > IDEMPOTENCY_KEYS_MAX && oldest !== undefined) this.#idempotencyKeys.delete(oldest);
  }

  trim(limits: HistoryLimits, nowMs: number): number {
    // The newest of a key stays true however old it is; until the channel has ended.
    const hasAge = this.slow !== 'latest' || this.isEnded;
    const freed = this.history.trim(limits, hasAge ? nowMs - limits.ageMs : 0, this.unsentAfter);
    if (freed > 0) this.#forgetKeys();
    return freed;
  }

  halve(): number {
    const freed = this.history.halve();
    this.#forgetKeys();
    return freed;
  }

  /** Everything up to `lost` is gone, and with it that the channel had ended; returns the bytes freed. */
  lose(lost: Lost): number {
    this.#endedAtMs = undefined;
    const freed = this.history.lose(lost);
    this.#forgetKeys();
    return freed;
  }

  /** Whether nothing is left to remember it for. */
  isForgettable(nowMs: number, ageMs: number): boolean {
    if (this.subscriberCount > 0 || this.feeds.size > 0 || this.history.events > 0) return false;
    return this.#endedAtMs === undefined || this.#endedAtMs < nowMs - ageMs;
  }

  /** Events published per second, over the last ten seconds of what history holds. */
  eventsPerSecond(nowMs: number): number {
    const from = this.history.offsetBefore(nowMs - RATE_WINDOW_MS);
    return (this.history.countAfter(from) * 1000) / RATE_WINDOW_MS;
  }

  #forgetKeys(): void {
    if (this.#idempotencyKeys === undefined) return;
    for (const [key, offset] of this.#idempotencyKeys) {
      if (offset > this.history.evictedOffset) return;
      this.#idempotencyKeys.delete(key);
    }
  }
}
