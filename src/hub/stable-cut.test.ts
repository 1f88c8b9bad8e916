import * as fc from 'fast-check';
import { expect, test } from 'vitest';

import { FLUSH_BYTES_MAX } from './limits.js';
import { isStableCut } from './stable-cut.js';

interface Frame {
  readonly offset: number;
  readonly bytes: number;
}

/** Where the flushes of a reader end that begins behind `start`. */
function endsOf(frames: readonly Frame[], start: number): readonly number[] {
  const ends: number[] = [];
  let flush = 0;
  let last = start;
  for (const { offset, bytes } of frames) {
    if (offset <= start) continue;
    if (flush > 0 && flush + bytes > FLUSH_BYTES_MAX) {
      ends.push(last);
      flush = 0;
    }
    flush += bytes;
    last = offset;
    if (!isStableCut(offset, bytes, flush)) continue;
    ends.push(offset);
    flush = 0;
  }
  return ends;
}

test('isStableCut() leads readers from any two places to the same ends, within a few flushes on average', () => {
  // Offsets as one of several channels has them, and events of any size: small, large, and mixed.
  const history = fc.record({
    stride: fc.integer({ min: 1, max: 50 }),
    base: fc.nat(2 ** 31),
    sizes: fc.array(fc.integer({ min: 60, max: 20_000 }), { minLength: 1, maxLength: 9 }),
  });
  const unshared: number[] = [];
  fc.assert(
    fc.property(history, fc.nat(1000), ({ stride, base, sizes }, skipped) => {
      const frames: Frame[] = [];
      for (let at = 0, bytes = 0; bytes < 8 * 1024 * 1024; at += 1) {
        const size = sizes[at % sizes.length] ?? 1;
        frames.push({ offset: base + at * stride, bytes: size });
        bytes += size;
      }
      const one = new Set(endsOf(frames, base - 1));
      const other = endsOf(frames, base + skipped * stride);
      const shared = other.findIndex((end) => one.has(end));
      unshared.push(shared === -1 ? other.length : shared);
      // Once they have met, they stay together.
      return shared === -1 || other.slice(shared).every((end) => one.has(end));
    }),
    { numRuns: 100, seed: 12 },
  );
  expect(unshared.reduce((sum, flushes) => sum + flushes, 0) / unshared.length).toBeLessThan(6);
});

test('isStableCut() leaves flushes at least half of their limit', () => {
  expect(isStableCut(0, FLUSH_BYTES_MAX, FLUSH_BYTES_MAX / 2 - 1)).toBe(false);
  expect(isStableCut(0, FLUSH_BYTES_MAX, FLUSH_BYTES_MAX / 2)).toBe(true);
});
