import * as fc from 'fast-check';
import { expect, test } from 'vitest';

import { parseRfc3339 } from './rfc3339.js';

test('parseRfc3339() reads every time that a date can write', () => {
  const date = fc.date({
    min: new Date('0001-01-01T00:00:00Z'),
    max: new Date('9999-12-31T23:59:59Z'),
    noInvalidDate: true,
  });
  fc.assert(
    fc.property(date, (time) => {
      expect(parseRfc3339(time.toISOString())).toBe(time.getTime());
    }),
  );
});

test('parseRfc3339() knows which days exist', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1600, max: 2400 }), fc.nat(14), fc.nat(33), (year, month, day) => {
      const text = `${year}-${String(month).padStart(2, '0')}-${String(day).padStart(2, '0')}T00:00:00Z`;
      const timeMs = Date.parse(text);
      const isReal = !Number.isNaN(timeMs) && new Date(timeMs).toISOString().startsWith(text.slice(0, 10));
      expect([text, parseRfc3339(text)]).toEqual([text, isReal ? timeMs : undefined]);
    }),
    { numRuns: 2000 },
  );
});

test.each([
  ['2026-03-01T12:00:00+02:00', Date.UTC(2026, 2, 1, 10)],
  ['2026-03-01t12:00:00z', Date.UTC(2026, 2, 1, 12)],
  ['2026-03-01 12:00:00-05:30', Date.UTC(2026, 2, 1, 17, 30)],
  ['2026-03-01T12:00:00.123456789Z', Date.UTC(2026, 2, 1, 12, 0, 0, 123)],
  ['2024-02-29T00:00:00Z', Date.UTC(2024, 1, 29)],
  ['2026-02-29T00:00:00Z', undefined],
  ['2026-02-30T00:00:00Z', undefined],
  ['2026-04-31T00:00:00Z', undefined],
  ['2026-13-01T00:00:00Z', undefined],
  ['2026-00-01T00:00:00Z', undefined],
  ['2026-01-00T00:00:00Z', undefined],
  ['2026-01-01T24:00:00Z', undefined],
  ['2026-01-01T25:00:00Z', undefined],
  ['2026-01-01T00:60:00Z', undefined],
  ['2026-01-01T00:00:60Z', undefined],
  ['2026-01-01T00:00:00+24:00', undefined],
  ['2026-01-01T00:00:00+25:00', undefined],
  ['2026-01-01T00:00:00+01:60', undefined],
  ['2026-01-01T00:00:00', undefined],
  ['2026-01-01', undefined],
  ['2026-02-30', undefined],
])('parseRfc3339(%j) is %j', (text, timeMs) => {
  expect(parseRfc3339(text)).toBe(timeMs);
});
