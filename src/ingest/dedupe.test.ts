import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Dedupe } from './dedupe.js';
import { EventView } from './event-view.js';

const view = (id: string): EventView => new EventView({ id, type: 'message', data: '', receivedAt: 0 });

describe('Dedupe', () => {
  it.each(['', 'meta/id', '/a~2'])('refuses the key %j', (key) => {
    expect(() => new Dedupe({ key }, 0)).toThrow(expect.objectContaining({ code: 'invalid-option' }));
  });

  it('isRepeat() knows the last keys in whatever order they come, and after a restart those that were settled', () => {
    const ids = fc.array(fc.integer({ min: 0, max: 30 }).map(String), { maxLength: 200 });
    fc.assert(
      fc.property(
        ids,
        ids,
        fc.integer({ min: 1, max: 40 }),
        fc.nat({ max: 10 }),
        fc.nat(),
        (first, second, keysMax, unsettled, cut) => {
          const dedupe = new Dedupe({ key: 'id', keysMax }, unsettled);
          const seen: string[] = [];
          const expectSame = (subject: Dedupe, id: string, known: number): void => {
            const isKnown = seen.slice(-known).includes(id);
            // More may be known: what is not settled yet is kept beside.
            const isRepeat = subject.isRepeat(view(id));
            expect(isRepeat).toBe(isKnown || (isRepeat && seen.includes(id)));
            if (!isRepeat) seen.push(id);
          };
          for (const id of first) expectSame(dedupe, id, keysMax);
          expect(dedupe.mark).toBeGreaterThanOrEqual(new Set(first).size);
          const mark = dedupe.mark === 0 ? 0 : Math.max(cut % (dedupe.mark + 1), dedupe.mark - unsettled);
          const keys = dedupe.keysThrough(mark);
          expect(keys.length).toBe(11 * Math.min(keysMax, mark));
          const restarted = new Dedupe({ key: 'id', keysMax }, unsettled, keys);
          seen.length = Math.min(seen.length, mark);
          for (const id of second) expectSame(restarted, id, keysMax);
        },
      ),
    );
  });

  it('keysThrough() gives the same text again after a restart', () => {
    const dedupe = new Dedupe({ key: 'id', keysMax: 3 }, 2);
    for (const id of ['a', 'b', 'c', 'd']) dedupe.isRepeat(view(id));
    const keys = dedupe.keysThrough(4);
    const restarted = new Dedupe({ key: 'id', keysMax: 3 }, 2, keys);
    expect(restarted.keysThrough(restarted.mark)).toBe(keys);
    expect(['a', 'b', 'c', 'd'].map((id) => restarted.isRepeat(view(id)))).toEqual([false, true, true, true]);
  });
});
