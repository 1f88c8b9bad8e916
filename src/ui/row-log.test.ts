import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createRowLog } from './row-log.js';
import type { EventRow, NoticeRow } from './row-log.js';

const event = (key: number, data = `data ${key}`, type = 'message'): EventRow => ({
  kind: 'event',
  key,
  atMs: 0,
  type,
  id: `id-${key}`,
  data,
  isBackfill: false,
});
const gap = (key: number): NoticeRow => ({ kind: 'gap', key, atMs: 0, title: 'Gap', detail: 'lost' });
const keysOf = (log: ReturnType<typeof createRowLog>): readonly number[] => log.rows().map(({ key }) => key);

describe('createRowLog()', () => {
  it('rows() is newest first and bounded', () => {
    const log = createRowLog({ rowsMax: 3, keptMax: 5 });
    for (let key = 1; key <= 7; key += 1) log.add(event(key));
    expect(keysOf(log)).toEqual([7, 6, 5]);
  });

  it('setFilter() looks into type, id and data whatever their case, and at rows that were not shown', () => {
    const log = createRowLog({ rowsMax: 2, keptMax: 10 });
    log.add(event(1, 'Hello'));
    log.add(event(2, 'x', 'GREETING.hello'));
    for (let key = 3; key <= 6; key += 1) log.add(event(key, 'noise'));
    log.setFilter('  hELLo ');
    expect(keysOf(log)).toEqual([2, 1]);
    log.setFilter('id-4');
    expect(keysOf(log)).toEqual([4]);
    log.setFilter('');
    expect(keysOf(log)).toEqual([6, 5]);
  });

  it('keeps matching rows that busy others would have driven out', () => {
    const log = createRowLog({ rowsMax: 5, keptMax: 5 });
    log.setFilter('rare');
    log.add(event(1, 'rare'));
    for (let key = 2; key <= 50; key += 1) log.add(event(key, 'noise'));
    expect(keysOf(log)).toEqual([1]);
  });

  it('shows a gap whatever the filter', () => {
    const log = createRowLog();
    log.setFilter('nothing has this');
    log.add(event(1));
    log.add(gap(2));
    expect(keysOf(log)).toEqual([2]);
  });

  it('holds no more characters than it may, and the newest row always', () => {
    const log = createRowLog({ charactersMax: 100 });
    for (let key = 1; key <= 5; key += 1) log.add(event(key, 'x'.repeat(40)));
    expect(keysOf(log)).toEqual([5, 4]);
    log.add(event(6, 'x'.repeat(1000)));
    expect(keysOf(log)).toEqual([6]);
    log.add(event(7, 'small'));
    expect(keysOf(log)).toEqual([7]);
  });

  it('clear() forgets everything but the filter', () => {
    const log = createRowLog();
    log.setFilter('yes');
    log.add(event(1, 'yes'));
    log.clear();
    log.add(event(2, 'no'));
    log.add(event(3, 'yes'));
    expect(keysOf(log)).toEqual([3]);
  });

  it('shows the newest rows that match, for any rows and bounds', () => {
    const rows = fc.array(fc.boolean(), { maxLength: 60 });
    fc.assert(
      fc.property(rows, fc.integer({ min: 1, max: 20 }), (isMatch, rowsMax) => {
        const log = createRowLog({ rowsMax, keptMax: 1000 });
        log.setFilter('yes');
        for (const [key, yes] of isMatch.entries()) log.add(event(key, yes ? 'yes' : 'no'));
        const matching = isMatch.flatMap((yes, key) => (yes ? [key] : []));
        expect(keysOf(log)).toEqual(matching.toReversed().slice(0, rowsMax));
      }),
    );
  });
});
