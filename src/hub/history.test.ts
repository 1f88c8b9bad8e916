import * as fc from 'fast-check';
import { expect, test } from 'vitest';

import { History } from './history.js';

const NO_LIMITS = { events: Infinity, bytes: Infinity, ageMs: Infinity, totalBytes: Infinity };

const SEGMENT_BYTES_MAX = 64 * 1024;

/** Appends frames of the given lengths at offsets 3, 6, 9 …, a second apart. */
function filled(lengths: readonly number[]): History {
  const history = new History();
  for (const [at, length] of lengths.entries()) {
    const mark = { offset: 3 * (at + 1), timeMs: 1000 * (at + 1), bodyStart: 0, bodyEnd: length };
    history.append(Buffer.alloc(length, at % 251), mark);
  }
  return history;
}

const lengths = fc.array(fc.integer({ min: 1, max: 40_000 }), { minLength: 1, maxLength: 40 });

test('sliceAfter() gives whole frames behind any offset, at most one flush of them', () => {
  fc.assert(
    fc.property(lengths, fc.nat(130), fc.integer({ min: 1, max: 100_000 }), (sizes, offset, bytesMax) => {
      const history = filled(sizes);
      const behind = sizes
        .map((size, at) => ({ size, at, offset: 3 * (at + 1) }))
        .filter((frame) => frame.offset > offset);
      const slice = history.sliceAfter(offset, bytesMax);
      if (behind.length === 0) return slice === undefined;
      const taken = behind.slice(0, slice?.events);
      const bytes = Buffer.concat(taken.map(({ size, at }) => Buffer.alloc(size, at % 251)));
      const following = behind[taken.length];
      // The rest of a segment does not fit.
      const isFull = following === undefined || bytes.length + Math.max(following.size, SEGMENT_BYTES_MAX) > bytesMax;
      return (
        Buffer.compare(bytes, slice?.bytes.plain ?? Buffer.alloc(0)) === 0 &&
        slice?.offset === taken.at(-1)?.offset &&
        (bytes.length <= bytesMax || taken.length === 1) &&
        isFull
      );
    }),
    { numRuns: 300 },
  );
});

/** What a reader that begins at `start` is sent: whole segments, with their bytes, and how many other bytes. */
function readFrom(history: History, start: number): { readonly segments: Map<object, string>; readonly own: number } {
  const segments = new Map<object, string>();
  let own = 0;
  const next = (offset: number) => history.sliceAfter(offset, 256 * 1024);
  for (let slice = next(start); slice !== undefined; slice = next(slice.offset)) {
    for (const { bytes, segment } of slice.bytes.parts) {
      if (segment === undefined) own += bytes.length;
      else segments.set(segment, Buffer.from(bytes).toString('latin1'));
    }
  }
  return { segments, own };
}

test('sliceAfter() names whole segments, which are the same for readers from any place; only the rest is their own', () => {
  const sizes = fc.array(fc.integer({ min: 1, max: 9000 }), { minLength: 30, maxLength: 80 });
  fc.assert(
    fc.property(sizes, fc.nat(80), (all, gone) => {
      const history = filled(all);
      const { segments: first } = readFrom(history, 0);
      for (const start of [0, 3 * gone, 17]) {
        const { segments, own } = readFrom(history, start);
        for (const [segment, text] of segments) expect(text).toBe(first.get(segment));
        // The rest of the first segment, and the newest, which still grows.
        expect(own).toBeLessThanOrEqual(2 * SEGMENT_BYTES_MAX);
      }
    }),
    { numRuns: 50 },
  );
});

test('a segment of which something is gone is not named whole', () => {
  const history = filled(Array.from({ length: 100 }, () => 3000));
  const whole = (offset: number): number =>
    history.sliceAfter(offset, 256 * 1024)?.bytes.parts.filter(({ segment }) => segment !== undefined).length ?? 0;
  history.trim({ ...NO_LIMITS, events: 60 }, 0);
  const before = whole(0);
  history.trim({ ...NO_LIMITS, events: history.events - 1 }, 0);
  expect(whole(0)).toBeLessThanOrEqual(before);
  expect(history.sliceAfter(0, 256 * 1024)?.bytes.parts.at(0)?.segment).toBeUndefined();
});

test('trim() gives up the oldest events, remembers what is lost, and keeps count', () => {
  fc.assert(
    fc.property(lengths, fc.nat(45), (sizes, events) => {
      const history = filled(sizes);
      const freed = history.trim({ ...NO_LIMITS, events }, 0);
      const kept = sizes.slice(Math.max(0, sizes.length - events));
      expect(history.events).toBe(kept.length);
      expect(history.bytes).toBe(kept.reduce((sum, size) => sum + size, 0));
      expect(freed + history.bytes).toBe(sizes.reduce((sum, size) => sum + size, 0));
      expect(history.evictedOffset).toBe(3 * (sizes.length - kept.length));
      expect(history.headOffset).toBe(3 * sizes.length);
      expect([...history.framesAfter(0)].map(({ bytes }) => bytes.length)).toEqual(kept);
    }),
  );
});

test('trim() keeps to bytes and to age', () => {
  const history = filled([100, 100, 100, 100]);
  history.trim({ ...NO_LIMITS, bytes: 350 }, 0);
  expect(history.oldest).toEqual({ offset: 6, timeMs: 2000 });
  history.trim(NO_LIMITS, 3500);
  expect(history.oldest).toEqual({ offset: 12, timeMs: 4000 });
  expect(history.evictedTimeMs).toBe(3000);
});

test('offsetBefore() and offsetBeforeLast() find the place by time and by count', () => {
  fc.assert(
    fc.property(lengths, fc.nat(45), fc.nat(20), (sizes, count, gone) => {
      const history = filled(sizes);
      history.trim({ ...NO_LIMITS, events: Math.max(1, sizes.length - gone) }, 0);
      const offsets = [...history.framesAfter(0)].map(({ offset }) => offset);
      expect([...history.framesAfter(history.offsetBeforeLast(count))]).toHaveLength(Math.min(count, offsets.length));
      const from = history.offsetBefore(count * 1000);
      expect([...history.framesAfter(from)].map(({ offset }) => offset)).toEqual(
        offsets.filter((offset) => offset / 3 >= count),
      );
      expect(history.countAfter(from)).toBe(offsets.filter((offset) => offset > from).length);
    }),
  );
});

test('a history that is emptied knows its head and its loss', () => {
  const history = filled([10, 10]);
  history.trim({ ...NO_LIMITS, events: 0 }, 0);
  expect(history).toMatchObject({ events: 0, bytes: 0, headOffset: 6, evictedOffset: 6, oldest: undefined });
  expect(history.sliceAfter(0, 1000)).toBeUndefined();
  history.append(Buffer.from('abc'), { offset: 7, timeMs: 9, bodyStart: 0, bodyEnd: 3 });
  expect(history.sliceAfter(6, 1000)).toMatchObject({ offset: 7, events: 1 });
});

test('a small history takes a small buffer: its first event’s size', () => {
  const { buffer, byteLength } = filled([200]).sliceAfter(0, 1000)?.bytes.plain ?? Buffer.alloc(0);
  expect(byteLength).toBe(200);
  // From Node's shared pool, not a segment of its own.
  expect(buffer.byteLength).toBe(Buffer.poolSize);
});
