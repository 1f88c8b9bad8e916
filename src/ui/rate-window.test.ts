import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createRateWindow, RATE_SECONDS } from './rate-window.js';

const START_MS = 1_700_000_000_000;
const at = (second: number, ms = 0): number => START_MS + second * 1000 + ms;

describe('createRateWindow()', () => {
  it('series() counts by whole seconds, oldest first, without the one that runs', () => {
    const rate = createRateWindow();
    rate.record(at(0));
    rate.record(at(0, 999));
    rate.record(at(1), 5);
    rate.record(at(2));
    expect(rate.series(at(2, 500)).slice(-3)).toEqual([0, 2, 5]);
    expect(rate.series(at(3)).slice(-3)).toEqual([2, 5, 1]);
    expect(rate.series(at(3))).toHaveLength(RATE_SECONDS);
  });

  it('forgets what is older than the window, also when its slot is used again', () => {
    const rate = createRateWindow();
    rate.record(at(0), 7);
    expect(rate.series(at(RATE_SECONDS))[0]).toBe(7);
    expect(rate.series(at(RATE_SECONDS + 1)).every((count) => count === 0)).toBe(true);
    rate.record(at(RATE_SECONDS + 1), 2);
    expect(rate.series(at(RATE_SECONDS + 2)).at(-1)).toBe(2);
  });

  it('perSecond() is a mean over five seconds, and over fewer right after the start', () => {
    const rate = createRateWindow();
    expect(rate.perSecond(at(0))).toBe(0);
    rate.record(at(0), 10);
    expect(rate.perSecond(at(0, 900))).toBe(0);
    expect(rate.perSecond(at(1))).toBe(10);
    expect(rate.perSecond(at(4))).toBe(2.5);
    expect(rate.perSecond(at(5))).toBe(2);
    expect(rate.perSecond(at(6))).toBe(0);
  });

  it('clear() begins again', () => {
    const rate = createRateWindow();
    rate.record(at(0), 10);
    rate.clear();
    expect(rate.perSecond(at(1))).toBe(0);
    expect(rate.series(at(1)).at(-1)).toBe(0);
  });

  it('series() sums to the events of the window, for any times', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 200_000 })), (offsets) => {
        const rate = createRateWindow();
        const times = offsets.map((offset) => START_MS + offset).toSorted((a, b) => a - b);
        for (const time of times) rate.record(time);
        const now = at(200);
        const inWindow = times.filter((time) => time >= now - RATE_SECONDS * 1000 && time < now);
        expect(rate.series(now).reduce((sum, count) => sum + count, 0)).toBe(inWindow.length);
      }),
    );
  });
});
