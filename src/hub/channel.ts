import type { Account, Charged } from './accounts.js';
import type { Feed } from './feed.js';
import type { EncodedFrame } from './frame.js';
import { History } from './history.js';
import type { ChannelHistory, Lost } from './history.js';
import { IdempotencyKeys } from './idempotency-keys.js';
import type { KeyedEvent } from './idempotency-keys.js';
import { LatestHistory } from './latest-history.js';
import type { ChannelPolicy, SlowPolicy } from './channel-rules.js';
import type { HistoryLimits } from './limits.js';

/** Milliseconds over which a channel's rate is counted. */
const RATE_WINDOW_MS = 10_000;

/** Shared: most of a million users' channels have nobody there. */
const NO_FEEDS: ReadonlySet<Feed> = new Set();

/** No event yet, or no end yet: in place of the time of the end, as each field costs where a million channels are small. */
const UNUSED = -1;
const NOT_ENDED = 0;

/** A named stream: its history, who follows it, and whether it has ended. */
export class Channel implements Charged<Channel> {
  readonly name: string;
  readonly history: ChannelHistory;
  readonly slow: SlowPolicy;
  /** The feeds that carry it to subscribers. */
  #feeds: Set<Feed> | undefined;
  #idempotencyKeys: IdempotencyKeys | undefined;
  /** When it ended, or `UNUSED`, or `NOT_ENDED`. */
  #state = UNUSED;
  /** To whom it is charged, and its place there; kept by {@link import('./accounts.js').Accounts}. */
  account: Account<Channel> | undefined;
  before: Channel | undefined;
  behind: Channel | undefined;
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
    return this.#state > 0;
  }

  get bytes(): number {
    return this.history.bytes;
  }

  get lastMs(): number {
    return this.history.headTimeMs;
  }

  /** Whether it has a subscriber, in this process or another. */
  get isFollowed(): boolean {
    return this.subscriberCount > 0 || this.#feeds !== undefined;
  }

  /** When its last event was published; undefined before the first. */
  get lastEventMs(): number | undefined {
    return this.#state === UNUSED ? undefined : this.history.headTimeMs;
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
    return this.isEnded ? this.#state : undefined;
  }

  /** It has ended, and the frame that said so is given up already. */
  markEnded(timeMs: number): void {
    this.#state = Math.max(1, timeMs);
  }

  append(frame: EncodedFrame, offset: number, timeMs: number): void {
    if (this.#state === UNUSED) this.#state = NOT_ENDED;
    this.history.append(frame.bytes, { offset, timeMs, bodyStart: frame.bodyStart, bodyEnd: frame.bodyEnd });
  }

  /** Appends the channel's last frame: there is no publishing after it. */
  end(frame: EncodedFrame, offset: number, timeMs: number): void {
    this.append(frame, offset, timeMs);
    this.markEnded(timeMs);
  }

  /** Whether the frame at `offset` is the one that ended the channel. */
  isEndFrame(offset: number): boolean {
    return this.isEnded && offset === this.history.headOffset;
  }

  /** Whether it has ended, and nothing behind `offset` says so any more. */
  hasEndedBefore(offset: number): boolean {
    return this.isEnded && this.history.framesAfter(offset).next().done === true;
  }

  /** How many events history holds; the frame that ends the channel is none. */
  get eventCount(): number {
    return this.isEnded ? Math.max(0, this.history.events - 1) : this.history.events;
  }

  /** The offset behind which the newest `count` events lie, and the end. */
  offsetBeforeLast(count: number): number {
    return this.history.offsetBeforeLast(this.isEnded ? count + 1 : count);
  }

  /** What was published under `key`, until history has given it up. */
  findKey(key: string): KeyedEvent | undefined {
    const found = this.#idempotencyKeys?.get(key);
    return found !== undefined && found.offset > this.history.evictedOffset ? found : undefined;
  }

  rememberKey(key: string, event: KeyedEvent): void {
    this.#idempotencyKeys ??= new IdempotencyKeys();
    this.#idempotencyKeys.set(key, event);
  }

  trim(limits: HistoryLimits, nowMs: number): number {
    // The newest of a key stays true however old it is; until the channel has ended.
    const hasAge = this.slow !== 'latest' || this.isEnded;
    const freed = this.history.trim(limits, hasAge ? nowMs - limits.ageMs : 0, this.unsentAfter);
    if (freed > 0) this.#idempotencyKeys?.forget(this.history.evictedOffset);
    return freed;
  }

  halve(): number {
    const freed = this.history.halve();
    this.#idempotencyKeys?.forget(this.history.evictedOffset);
    return freed;
  }

  /** Everything up to `lost` is gone, and with it that the channel had ended; returns the bytes freed. */
  lose(lost: Lost): number {
    if (this.isEnded) this.#state = NOT_ENDED;
    const freed = this.history.lose(lost);
    this.#idempotencyKeys = undefined;
    return freed;
  }

  /** Whether nothing is left to remember it for. Who follows what has ended was told so, and does not hold the name (PROTOCOL.md, 7.5). */
  isForgettable(nowMs: number, ageMs: number): boolean {
    if (this.history.events > 0) return false;
    return this.isEnded ? this.#state < nowMs - ageMs : !this.isFollowed;
  }

  /** Events published per second, over the last ten seconds of what history holds. */
  eventsPerSecond(nowMs: number): number {
    const from = this.history.offsetBefore(nowMs - RATE_WINDOW_MS);
    return (this.history.countAfter(from) * 1000) / RATE_WINDOW_MS;
  }
}
