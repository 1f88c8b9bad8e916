import { FlushBytes } from './flush-bytes.js';
import type { FlushPart } from './flush-bytes.js';
import type { HistoryLimits } from './limits.js';
import { Segment } from './segment.js';
import type { Frame, FrameMark } from './segment.js';

/** What one flush sends to who has everything up to some offset. */
export interface Slice {
  readonly bytes: FlushBytes;
  /** The offset that the receiver has everything up to afterwards. */
  readonly offset: number;
  readonly events: number;
  /** Events passed over since the receiver's cursor, for newer ones of their keys; missing where none can be. */
  readonly conflated?: number;
}

/** A place between two frames: `frame` of segment number `segment` comes next. */
interface Place {
  readonly segment: number;
  readonly frame: number;
}

/** The newest event that is gone for good. */
export interface Lost {
  readonly offset: number;
  readonly timeMs: number;
}

export const NOTHING_LOST: Lost = { offset: 0, timeMs: 0 };

/** The bounded log of one channel. Offsets and times rise; what is given up is the oldest. */
export interface ChannelHistory {
  readonly events: number;
  readonly bytes: number;
  /** Offset of the newest event that is gone; 0 where none is. Who has less than it has a gap. */
  readonly evictedOffset: number;
  /** When the newest event that is gone was published. */
  readonly evictedTimeMs: number;
  /** Offset of the newest event ever appended. */
  readonly headOffset: number;
  readonly headTimeMs: number;
  /** Offset and time of the oldest event kept. */
  readonly oldest: { readonly offset: number; readonly timeMs: number } | undefined;
  append(frame: Uint8Array, mark: FrameMark): void;
  /**
   * Whole frames behind `offset`, one at least and `bytesMax` at most; undefined where there are none. Slices may be
   * shorter than they could be.
   */
  sliceAfter(offset: number, bytesMax: number): Slice | undefined;
  /** The frames behind `offset`, oldest first. */
  framesAfter(offset: number): Generator<Frame, void, undefined>;
  /** Offsets of the newest events, also of those that newer ones of their keys have replaced; missing where none can be. */
  readonly recentOffsets?: readonly number[];
  /** Takes over another copy's `recentOffsets`, before its frames. */
  recallOffsets?(offsets: readonly number[]): void;
  /** How many events were published behind `offset` and up to `reached`; missing where all of them are kept. */
  publishedBetween?(offset: number, reached: number): number;
  /** The offset behind which everything published at `timeMs` or later lies. */
  offsetBefore(timeMs: number): number;
  /** How many events lie behind `offset`. */
  countAfter(offset: number): number;
  /** The offset behind which the newest `count` events lie. */
  offsetBeforeLast(count: number): number;
  /**
   * Gives up what is over the limits or older than `oldestTimeMs`, but nothing behind `keptAfter` (default: no such
   * offset); returns the bytes freed.
   */
  trim(limits: HistoryLimits, oldestTimeMs: number, keptAfter?: number): number;
  /** Gives up the older half, one event at least; returns the bytes freed. */
  halve(): number;
  /** Gives up everything, and what was never here up to `lost`, which is at least the head; returns the bytes freed. */
  lose(lost: Lost): number;
}

/** Shared, so that a small history needs no array; never written to. */
const NO_SEGMENTS: Segment[] = [];

/** Encoded frames in segments, back to back: what is behind a cursor is a view of them. */
export class History implements ChannelHistory {
  /** All segments but the newest; most channels have none. */
  #older: Segment[] = NO_SEGMENTS;
  #newest: Segment | undefined;
  /** Frames of the first segment that are gone. */
  #gone = 0;
  #events = 0;
  #bytes = 0;
  #evictedOffset: number;
  #evictedTimeMs: number;

  /** `lost` is the newest event that this history, new as it is, may have held in an earlier life. */
  constructor(lost: Lost = NOTHING_LOST) {
    this.#evictedOffset = lost.offset;
    this.#evictedTimeMs = lost.timeMs;
  }

  get events(): number {
    return this.#events;
  }

  get bytes(): number {
    return this.#bytes;
  }

  get evictedOffset(): number {
    return this.#evictedOffset;
  }

  get evictedTimeMs(): number {
    return this.#evictedTimeMs;
  }

  get headOffset(): number {
    return this.#newest?.lastOffset ?? this.#evictedOffset;
  }

  get headTimeMs(): number {
    return this.#newest?.lastTimeMs ?? this.#evictedTimeMs;
  }

  get oldest(): { readonly offset: number; readonly timeMs: number } | undefined {
    const first = this.#segmentAt(0);
    return first && { offset: first.offsetAt(this.#gone), timeMs: first.timeAt(this.#gone) };
  }

  append(frame: Uint8Array, mark: FrameMark): void {
    if (this.#newest?.append(frame, mark) !== true) {
      const segment = Segment.after(this.#newest, frame.length);
      segment.append(frame, mark);
      if (this.#newest !== undefined) this.#older = [...this.#older, this.#newest];
      this.#newest = segment;
    }
    this.#events += 1;
    this.#bytes += frame.length;
  }

  /**
   * Frames that do not fit are left out with the rest of their segment, so that readers from different places are soon
   * sent the same runs of bytes: those that are kept compressed.
   */
  sliceAfter(offset: number, bytesMax: number): Slice | undefined {
    if (offset >= this.headOffset) return undefined;
    let { segment: at, frame } = this.#placeAfter(offset);
    const parts: FlushPart[] = [];
    let events = 0;
    let bytes = 0;
    let reached = offset;
    for (let segment = this.#segmentAt(at); segment !== undefined; segment = this.#segmentAt((at += 1))) {
      const fitting = segment.frameAfterBytes(frame, bytesMax - bytes);
      const isWhole = fitting === segment.frameCount;
      if (parts.length > 0 && !isWhole) break;
      const to = Math.max(fitting, frame + 1);
      const part = segment.slice(frame, to);
      parts.push({ bytes: part, segment: isWhole && frame === 0 && segment !== this.#newest ? segment : undefined });
      bytes += part.length;
      events += to - frame;
      reached = segment.offsetAt(to - 1);
      if (to < segment.frameCount) break;
      frame = 0;
    }
    return events === 0 ? undefined : { bytes: new FlushBytes(parts), offset: reached, events };
  }

  *framesAfter(offset: number): Generator<Frame, void, undefined> {
    let { segment: at, frame } = this.#placeAfter(offset);
    for (let segment = this.#segmentAt(at); segment !== undefined; segment = this.#segmentAt((at += 1))) {
      for (; frame < segment.frameCount; frame += 1) yield segment.frameAt(frame);
      frame = 0;
    }
  }

  offsetBefore(timeMs: number): number {
    let at = 0;
    let segment = this.#segmentAt(at);
    while (segment !== undefined && segment.lastTimeMs < timeMs) segment = this.#segmentAt((at += 1));
    if (segment === undefined) return this.headOffset;
    return this.#offsetBefore(
      at,
      segment.search(this.#firstFrameOf(at), (frame) => segment.timeAt(frame) >= timeMs),
    );
  }

  countAfter(offset: number): number {
    const { segment, frame } = this.#placeAfter(offset);
    let count = -frame;
    for (let at = segment; at < this.#segmentCount; at += 1) count += this.#segmentAt(at)?.frameCount ?? 0;
    return Math.max(0, count);
  }

  offsetBeforeLast(count: number): number {
    let left = count;
    for (let at = this.#segmentCount - 1; at >= 0; at -= 1) {
      const frames = (this.#segmentAt(at)?.frameCount ?? 0) - this.#firstFrameOf(at);
      if (left <= frames) return this.#offsetBefore(at, this.#firstFrameOf(at) + frames - left);
      left -= frames;
    }
    return this.#evictedOffset;
  }

  trim(limits: HistoryLimits, oldestTimeMs: number, keptAfter = Infinity): number {
    const before = this.#bytes;
    let first = this.#segmentAt(0);
    while (first !== undefined && this.#isSurplus(first, limits, oldestTimeMs)) {
      if (first.offsetAt(this.#gone) > keptAfter) break;
      this.#evictFirst(first);
      first = this.#segmentAt(0);
    }
    return before - this.#bytes;
  }

  halve(): number {
    const before = this.#bytes;
    for (let left = Math.ceil(this.#events / 2); left > 0; left -= 1) {
      const first = this.#segmentAt(0);
      if (first !== undefined) this.#evictFirst(first);
    }
    return before - this.#bytes;
  }

  lose({ offset, timeMs }: Lost): number {
    const freed = this.#bytes;
    this.#older = NO_SEGMENTS;
    this.#newest = undefined;
    this.#gone = this.#events = this.#bytes = 0;
    this.#evictedOffset = offset;
    this.#evictedTimeMs = timeMs;
    return freed;
  }

  #isSurplus(first: Segment, limits: HistoryLimits, oldestTimeMs: number): boolean {
    return this.#events > limits.events || this.#bytes > limits.bytes || first.timeAt(this.#gone) < oldestTimeMs;
  }

  #evictFirst(first: Segment): void {
    this.#evictedOffset = first.offsetAt(this.#gone);
    this.#evictedTimeMs = first.timeAt(this.#gone);
    this.#bytes -= first.startAt(this.#gone + 1) - first.startAt(this.#gone);
    this.#events -= 1;
    this.#gone += 1;
    if (this.#gone < first.frameCount) return;
    if (this.#older.length > 0) this.#older.shift();
    else this.#newest = undefined;
    this.#gone = 0;
  }

  get #segmentCount(): number {
    return this.#newest === undefined ? 0 : this.#older.length + 1;
  }

  /** Segment number `at`, the oldest first. */
  #segmentAt(at: number): Segment | undefined {
    return at === this.#older.length ? this.#newest : this.#older[at];
  }

  #firstFrameOf(segment: number): number {
    return segment === 0 ? this.#gone : 0;
  }

  #placeAfter(offset: number): Place {
    const at = this.#segmentAfter(offset);
    const segment = this.#segmentAt(at);
    if (segment === undefined) return { segment: at, frame: 0 };
    return { segment: at, frame: segment.search(this.#firstFrameOf(at), (frame) => segment.offsetAt(frame) > offset) };
  }

  /** Number of the first segment that holds something behind `offset`: most readers want the last. */
  #segmentAfter(offset: number): number {
    let low = 0;
    let high = this.#segmentCount;
    const beforeLast = this.#segmentAt(high - 2);
    if (beforeLast !== undefined && beforeLast.lastOffset <= offset) low = high - 1;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#segmentAt(middle)?.lastOffset ?? 0) > offset) high = middle;
      else low = middle + 1;
    }
    return low;
  }

  #offsetBefore(segment: number, frame: number): number {
    if (frame > this.#firstFrameOf(segment)) return this.#segmentAt(segment)?.offsetAt(frame - 1) ?? 0;
    return this.#segmentAt(segment - 1)?.lastOffset ?? this.#evictedOffset;
  }
}
