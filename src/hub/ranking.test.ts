import * as fc from 'fast-check';
import { expect, test } from 'vitest';

import { Ranking } from './ranking.js';

test('first() has the items of the highest rank, however they move', () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.nat({ max: 5 }), fc.nat({ max: 8 })), { maxLength: 60 }), (moves) => {
      const ranking = new Ranking<number>();
      const ranks = new Map<number, number>();
      for (const [item, to] of moves) {
        ranking.move(item, ranks.get(item) ?? 0, to);
        ranks.set(item, to);
        const highest = Math.max(...ranks.values());
        const expected = highest === 0 ? [] : [...ranks].filter(([, rank]) => rank === highest).map(([one]) => one);
        expect([...ranking.first()].toSorted((a, b) => a - b)).toEqual(expected.toSorted((a, b) => a - b));
      }
    }),
  );
});
