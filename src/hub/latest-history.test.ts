import { array, assert, constantFrom, integer, property, record } from 'fast-check';
import { describe, expect, it } from 'vitest';

import { encodeFrame } from './frame.js';
import { LatestHistory } from './latest-history.js';

const NO_LIMITS = { events: 1e9, bytes: 1e9, ageMs: 1e9, totalBytes: 1e9 };

interface Quote {
  readonly symbol: string;
  readonly price: number;
}

function append(history: LatestHistory, offset: number, { symbol, price }: Quote): void {
  const { bytes, ...body } = encodeFrame({ data: JSON.stringify({ symbol, price }) }, `~e-${offset}`);
  history.append(bytes, { ...body, offset, timeMs: offset * 10 });
}

const offsetsAfter = (history: LatestHistory, offset: number): readonly number[] =>
  Array.from(history.framesAfter(offset), (frame) => frame.offset);

const symbols = constantFrom('a', 'b', 'c', 'd', 'e');
const quotes = array(
  record({ symbol: symbols, price: integer({ min: 1, max: 99 }), step: integer({ min: 1, max: 3 }) }),
  {
    maxLength: 60,
  },
);

describe('LatestHistory', () => {
  it('gives who reads behind any cursor the newest of each key behind it, by rising offset', () => {
    assert(
      property(quotes, integer({ min: 0, max: 100 }), integer({ min: 1, max: 300 }), (made, cursor, bytesMax) => {
        const history = new LatestHistory(['symbol']);
        const all: { offset: number; symbol: string }[] = [];
        let offset = 0;
        for (const { step, ...quote } of made) {
          offset += step;
          append(history, offset, quote);
          all.push({ offset, symbol: quote.symbol });
        }
        const newest = new Map(all.map((one) => [one.symbol, one.offset]));
        const expected = [...newest.values()].filter((at) => at > cursor).toSorted((a, b) => a - b);
        expect(offsetsAfter(history, cursor)).toEqual(expected);
        expect(history.countAfter(cursor)).toBe(expected.length);
        const read: number[] = [];
        let conflated = 0;
        let at = cursor;
        for (let slice = history.sliceAfter(at, bytesMax); slice; slice = history.sliceAfter(at, bytesMax)) {
          at = slice.offset;
          conflated += slice.conflated ?? 0;
          read.push(...Array.from(slice.bytes.plain.toString().matchAll(/^id: ~e-(\d+)$/gm), ([, id]) => Number(id)));
        }
        expect(read).toEqual(expected);
        expect(conflated + read.length).toBe(all.filter((one) => one.offset > cursor).length);
        expect(history.headOffset).toBe(offset);
        expect(history.bytes).toBe(
          Array.from(history.framesAfter(0)).reduce((sum, { bytes }) => sum + bytes.length, 0),
        );
      }),
    );
  });

  it('gives up the key that was silent longest, and says up to where', () => {
    const history = new LatestHistory(['symbol']);
    for (const [at, symbol] of ['a', 'b', 'c', 'a'].entries()) append(history, at + 1, { symbol, price: 1 });
    const before = history.bytes;
    const freed = history.trim({ ...NO_LIMITS, events: 2 }, 0);
    expect(offsetsAfter(history, 0)).toEqual([3, 4]);
    expect(history.evictedOffset).toBe(2);
    expect(before - history.bytes).toBe(freed);
    history.trim(NO_LIMITS, 35);
    expect(offsetsAfter(history, 0)).toEqual([4]);
    history.halve();
    expect(history).toMatchObject({ events: 0, bytes: 0, evictedOffset: 4, headOffset: 4 });
  });

  it('takes the event type as key where there is no pointer, or nothing under it', () => {
    const byType = new LatestHistory(undefined);
    for (const [at, event] of ['x', 'y', 'x'].entries()) {
      const { bytes, ...body } = encodeFrame({ event, data: '1' }, `~e-${at + 1}`);
      byType.append(bytes, { ...body, offset: at + 1, timeMs: 0 });
    }
    expect(offsetsAfter(byType, 0)).toEqual([2, 3]);
    expect(byType.offsetBeforeLast(1)).toBe(2);
    expect(byType.offsetBeforeLast(9)).toBe(0);
  });

  it('is bounded by its limits however many keys there are, and however long', () => {
    const history = new LatestHistory(['symbol']);
    for (let at = 1; at <= 30_000; at += 1) {
      append(history, at, { symbol: `${at}`.padEnd(200, 'x'), price: 1 });
      history.trim({ ...NO_LIMITS, events: 100 }, 0);
    }
    expect(history.events).toBe(100);
    expect(history.publishedBetween(0, 30_000)).toBeLessThanOrEqual(20_000);
  });
});
