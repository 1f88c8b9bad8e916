import { describe, expect, it } from 'vitest';
import { parseTimestampPattern } from './timestamp-pattern.js';

const evening = new Date(Date.UTC(2026, 0, 9, 23, 4, 5, 67));
const midnight = new Date(Date.UTC(2024, 11, 31, 0, 0, 0, 0));

describe('parseTimestampPattern()', () => {
  // The letters of java.time.format.DateTimeFormatter, "Patterns for Formatting and Parsing".
  it.each([
    ['yyyy-MM-dd HH:mm:ss.SSS', '2026-01-09 23:04:05.067', '2024-12-31 00:00:00.000'],
    ['y yy u M d H m s', '2026 26 2026 1 9 23 4 5', '2024 24 2024 12 31 0 0 0'],
    ['MMM MMMM MMMMM L', 'Jan January J 1', 'Dec December D 12'],
    ['E EEEE EEEEE', 'Fri Friday F', 'Tue Tuesday T'],
    ['D DDD', '9 009', '366 366'],
    ['h hh K k kk a', '11 11 11 23 23 PM', '12 12 0 24 24 AM'],
    ['Q QQ QQQ QQQQ', '1 01 Q1 1st quarter', '4 04 Q4 4th quarter'],
    ["'year='yyyy", 'year=2026', 'year=2024'],
    ["''d''", "'9'", "'31'"],
    ["'it''s' d", "it's 9", "it's 31"],
    ['S SSSSSS', '0 067000', '0 000000'],
    ['A', '83045067', '0'],
  ])('renders %j', (pattern, first, second) => {
    const render = parseTimestampPattern(pattern);
    expect([render(evening), render(midnight)]).toEqual([first, second]);
  });

  it.each(['', 'YYYY', 'ww', 'z', 'XXX', "'open", 'ddd', 'HHH', 'aa', '[d]', 'd#', 'b'])('refuses %j', (pattern) => {
    expect(() => parseTimestampPattern(pattern)).toThrow(`Cannot read the time pattern ${JSON.stringify(pattern)}`);
  });
});
