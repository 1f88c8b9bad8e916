import { expect, test } from 'vitest';

import { Rotation } from './rotation.js';

const SHARES = 16;

test('visitShare() visits every item within its shares, also while most of the others leave', () => {
  const items = new Set(Array.from({ length: 16_000 }, (_, at) => at));
  const rotation = new Rotation(items);
  const seen = new Set<number>();
  for (let share = 0; share < SHARES; share += 1) {
    rotation.visitShare(SHARES, (item) => seen.add(item));
    // Half of the rest each time, and never the last hundred.
    const leaving = [...items].filter((item) => item < 15_900);
    for (const item of leaving.slice(0, leaving.length / 2)) items.delete(item);
  }
  expect([...items].filter((item) => !seen.has(item))).toEqual([]);
});

test('visitShare() visits none twice for those that have left', () => {
  const items = new Set(Array.from({ length: 1600 }, (_, at) => at));
  const rotation = new Rotation(items);
  rotation.visitShare(SHARES, () => undefined);
  for (const item of [...items].slice(3)) items.delete(item);
  let visits = 0;
  for (let share = 0; share < SHARES; share += 1) rotation.visitShare(SHARES, () => (visits += 1));
  expect(visits).toBeLessThanOrEqual(2 * items.size + 3);
});
