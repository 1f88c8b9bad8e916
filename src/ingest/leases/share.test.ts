import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { isAnyoneShort, shareOf } from './share.js';
import type { WorkerLoad } from './share.js';

const workersOf = (...held: readonly number[]): readonly WorkerLoad[] =>
  held.map((count, at) => ({ worker: `w${at}`, held: count, waiting: 1 }));

describe('shareOf()', () => {
  it('gives every pipeline to exactly one worker, as evenly as can be, in whatever order they are listed', () => {
    fc.assert(
      fc.property(fc.uniqueArray(fc.string(), { minLength: 1 }), fc.nat(1000), (names, pipelines) => {
        const workers = names.map((worker) => ({ worker, held: 0, waiting: 0 }));
        const shares = names.map((worker) => shareOf(worker, workers, pipelines));
        expect(shares.reduce((sum, share) => sum + share, 0)).toBe(pipelines);
        expect(Math.max(...shares) - Math.min(...shares)).toBeLessThanOrEqual(1);
        expect(names.map((worker) => shareOf(worker, workers.toReversed(), pipelines))).toEqual(shares);
      }),
    );
  });
});

describe('isAnyoneShort()', () => {
  it('is true only where somebody has less than his share and would take more', () => {
    expect(isAnyoneShort(workersOf(2, 2), 4)).toBe(false);
    expect(isAnyoneShort(workersOf(3, 1), 4)).toBe(true);
    expect(isAnyoneShort([...workersOf(3), { worker: 'w1', held: 1, waiting: 0 }], 4)).toBe(false);
    expect(isAnyoneShort([], 4)).toBe(false);
  });
});
