import { createHash } from 'node:crypto';

import type { Pointer } from '../base/index.js';
import { isControlType } from '../protocol/index.js';
import { conflationKey } from './conflation-key.js';
import type { KeyedFields } from './conflation-key.js';
import { FlushBytes } from './flush-bytes.js';
import { readFrame } from './form.js';
import type { ChannelHistory, Lost, Slice } from './history.js';
import { NOTHING_LOST } from './history.js';
import type { HistoryLimits } from './limits.js';
import type { Frame, FrameMark } from './segment.js';
import { isStableCut } from './stable-cut.js';

/** Offsets of the newest events, kept or replaced: what was passed over is counted in them. */
const OFFSETS_MAX = 10_000;
/** A longer key is known by its hash. */
const KEY_CHARACTERS_MAX = 64;
/** The frame that ends the channel is the newest of nothing. */
const END_KEY = 'end';

/** The key of an event that is no control event, in a few characters. */
export function latestKey(fields: KeyedFields, pointer: Pointer | undefined): string {
  const key = conflationKey(fields, pointer);
  return key.length <= KEY_CHARACTERS_MAX ? key : createHash('sha256').update(key).digest('base64');
}

/**
 * The newest event of each key, in the order of their offsets: who reads behind a cursor gets only those, and never an
 * older one after a newer. Nothing is lost by being replaced; a key that is given up for want of space is.
 */
export class LatestHistory implements ChannelHistory {
  readonly #pointer: Pointer | undefined;
  /** Put in anew with each event, so that the map's order is that of their offsets. */
  readonly #frames = new Map<string, Frame>();
  #offsets: number[] = [];
  #bytes = 0;
  #headOffset: number;
  #headTimeMs: number;
  #evictedOffset: number;
  #evictedTimeMs: number;

  constructor(pointer: Pointer | undefined, lost: Lost = NOTHING_LOST) {
    this.#pointer = pointer;
    this.#headOffset = this.#evictedOffset = lost.offset;
    this.#headTimeMs = this.#evictedTimeMs = lost.timeMs;
  }

  get events(): number {
    return this.#frames.size;
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
    return this.#headOffset;
  }

  get headTimeMs(): number {
    return this.#headTimeMs;
  }

  get oldest(): { readonly offset: number; readonly timeMs: number } | undefined {
    return this.#frames.values().next().value;
  }

  append(bytes: Uint8Array, mark: FrameMark): void {
    // A copy: the bytes may be a view of something much larger.
    const frame: Frame = { ...mark, bytes: Buffer.from(bytes) };
    const key = this.#keyOf(frame);
    this.#remove(key);
    this.#frames.set(key, frame);
    this.#bytes += bytes.length;
    this.#headOffset = mark.offset;
    this.#headTimeMs = mark.timeMs;
    if (mark.offset > (this.#offsets.at(-1) ?? 0)) this.#offsets.push(mark.offset);
    if (this.#offsets.length > OFFSETS_MAX * 2) this.#offsets = this.#offsets.slice(-OFFSETS_MAX);
  }

  sliceAfter(offset: number, bytesMax: number): Slice | undefined {
    const parts: Buffer[] = [];
    let bytes = 0;
    let reached = offset;
    let isCut = false;
    for (const frame of this.framesAfter(offset)) {
      if (isCut || (parts.length > 0 && bytes + frame.bytes.length > bytesMax)) break;
      parts.push(frame.bytes);
      bytes += frame.bytes.length;
      reached = frame.offset;
      isCut = isStableCut(frame.offset, frame.bytes.length, bytes);
    }
    if (parts.length === 0) return undefined;
    const conflated = this.publishedBetween(offset, reached) - parts.length;
    const flush = new FlushBytes([{ bytes: Buffer.concat(parts, bytes) }], reached < this.#headOffset);
    return { bytes: flush, offset: reached, events: parts.length, conflated };
  }

  *framesAfter(offset: number): Generator<Frame, void, undefined> {
    if (offset >= this.#headOffset) return;
    for (const frame of this.#frames.values()) if (frame.offset > offset) yield frame;
  }

  get recentOffsets(): readonly number[] {
    return this.#offsets;
  }

  recallOffsets(offsets: readonly number[]): void {
    this.#offsets = [...offsets];
  }

  publishedBetween(offset: number, reached: number): number {
    return this.#countUpTo(reached) - this.#countUpTo(offset);
  }

  offsetBefore(timeMs: number): number {
    for (const frame of this.#frames.values()) if (frame.timeMs >= timeMs) return frame.offset - 1;
    return this.#headOffset;
  }

  countAfter(offset: number): number {
    return [...this.framesAfter(offset)].length;
  }

  offsetBeforeLast(count: number): number {
    const first = [...this.#frames.values()].at(-count);
    return first === undefined ? this.#evictedOffset : first.offset - 1;
  }

  trim(limits: HistoryLimits, oldestTimeMs: number, keptAfter = Infinity): number {
    const before = this.#bytes;
    for (const [key, frame] of this.#frames) {
      const isSurplus = this.#frames.size > limits.events || this.#bytes > limits.bytes || frame.timeMs < oldestTimeMs;
      if (!isSurplus || frame.offset > keptAfter) break;
      this.#evict(key, frame);
    }
    return before - this.#bytes;
  }

  halve(): number {
    const before = this.#bytes;
    let left = Math.ceil(this.#frames.size / 2);
    for (const [key, frame] of this.#frames) {
      if (left === 0) break;
      left -= 1;
      this.#evict(key, frame);
    }
    return before - this.#bytes;
  }

  lose({ offset, timeMs }: Lost): number {
    const freed = this.#bytes;
    this.#frames.clear();
    this.#offsets = [];
    this.#bytes = 0;
    this.#headOffset = this.#evictedOffset = offset;
    this.#headTimeMs = this.#evictedTimeMs = timeMs;
    return freed;
  }

  #countUpTo(offset: number): number {
    let low = 0;
    let high = this.#offsets.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#offsets[middle] ?? 0) <= offset) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  #keyOf(frame: Frame): string {
    const { event, data } = readFrame(frame);
    if (isControlType(event)) return END_KEY;
    return latestKey({ event, data }, this.#pointer);
  }

  #evict(key: string, { offset, timeMs }: Frame): void {
    this.#evictedOffset = offset;
    this.#evictedTimeMs = timeMs;
    this.#remove(key);
  }

  #remove(key: string): void {
    this.#bytes -= this.#frames.get(key)?.bytes.length ?? 0;
    this.#frames.delete(key);
  }
}
