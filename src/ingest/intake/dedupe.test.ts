import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Dedupe } from './dedupe.js';
import { EventView } from './event-view.js';

const view = (id: string): EventView => new EventView({ id, type: 'message', data: '', receivedAt: 0 });

const numbered = (id: string): EventView =>
  new EventView({ id: '', type: 'message', data: `{"id":${id}}`, receivedAt: 0 });

describe('Dedupe', () => {
  it.each(['', 'meta/id', '/a~2'])('refuses the key %j', (key) => {
    expect(() => new Dedupe({ key }, 0)).toThrow(expect.objectContaining({ code: 'invalid-option' }));
  });

  it('isRepeat() takes no number for another that rounds to the same', () => {
    const dedupe = new Dedupe({ key: '/id' }, 0);
    expect(dedupe.isRepeat(numbered('1234567890123456789'))).toBe(false);
    expect(dedupe.isRepeat(numbered('1234567890123456790'))).toBe(false);
    expect(dedupe.isRepeat(numbered('1234567890123456789'))).toBe(true);
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
          const marks = [''];
          const expectSame = (subject: Dedupe, id: string, known: number): void => {
            const isKnown = seen.slice(-known).includes(id);
            // More may be known: what is not settled yet is kept beside.
            const isRepeat = subject.isRepeat(view(id));
            expect(isRepeat).toBe(isKnown || (isRepeat && seen.includes(id)));
            if (!isRepeat) seen.push(id);
          };
          for (const id of first) {
            expectSame(dedupe, id, keysMax);
            if (dedupe.mark !== marks.at(-1)) marks.push(dedupe.mark);
          }
          expect(marks.length).toBe(seen.length + 1);
          const mark = Math.max(cut % marks.length, seen.length - unsettled);
          const keys = dedupe.keysThrough(marks[mark] ?? '');
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
    const keys = dedupe.keysThrough(dedupe.mark);
    const restarted = new Dedupe({ key: 'id', keysMax: 3 }, 2, keys);
    expect(restarted.keysThrough(restarted.mark)).toBe(keys);
    expect(['a', 'b', 'c', 'd'].map((id) => restarted.isRepeat(view(id)))).toEqual([false, true, true, true]);
  });

  it('keysThrough() gives none through a mark that is forgotten', () => {
    const dedupe = new Dedupe({ key: 'id', keysMax: 1 }, 1);
    dedupe.isRepeat(view('a'));
    const { mark } = dedupe;
    for (const id of ['b', 'c']) dedupe.isRepeat(view(id));
    expect(dedupe.keysThrough(mark)).toBe('');
  });

  it('recall() remembers an event of another run once, behind what is known', () => {
    const before = new Dedupe({ key: 'id' }, 9);
    const marks = ['a', 'b'].map((id) => (before.isRepeat(view(id)), before.mark));
    const dedupe = new Dedupe({ key: 'id' }, 9, before.keysThrough(marks[0] ?? ''));
    for (const mark of ['', ...marks, ...marks, 'x']) dedupe.recall(mark);
    expect(dedupe.mark).toBe(marks[1]);
    expect(dedupe.keysThrough(dedupe.mark)).toBe(marks.join(''));
    expect(['a', 'b', 'c'].map((id) => dedupe.isRepeat(view(id)))).toEqual([true, true, false]);
  });
});
