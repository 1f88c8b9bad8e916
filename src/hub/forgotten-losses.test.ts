import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

import * as fc from 'fast-check';
import { expect, test } from 'vitest';

import { ForgottenLosses } from './forgotten-losses.js';
import { NOTHING_LOST } from './history.js';

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

const lostAt = (offset: number) => ({ offset, timeMs: offset * 10 });

test('of() is the newest loss of a name, and nothing for a name that never lost any', () => {
  const losses = new ForgottenLosses();
  losses.remember('a', lostAt(3));
  losses.remember('b', lostAt(5));
  losses.remember('a', lostAt(9));
  expect(losses.of('a')).toEqual(lostAt(9));
  expect(losses.of('b')).toEqual(lostAt(5));
  expect(losses.of('c')).toEqual(NOTHING_LOST);
});

test('of() never tells less than a name has lost, and tells no other loss of the last names', () => {
  const namesMax = 7;
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.nat({ max: 30 }), fc.integer({ min: 1, max: 3 })), { maxLength: 200 }),
      (steps) => {
        const losses = new ForgottenLosses(namesMax);
        const own = new Map<string, number>();
        let offset = 0;
        for (const [number, by] of steps) {
          const name = `n${number}`;
          offset += by;
          losses.remember(name, lostAt(offset));
          own.delete(name);
          own.set(name, offset);
        }
        const last = new Set([...own.keys()].slice(-namesMax));
        for (let number = 0; number <= 30; number += 1) {
          const name = `n${number}`;
          const told = losses.of(name).offset;
          expect(told).toBeGreaterThanOrEqual(own.get(name) ?? 0);
          expect(last.has(name) ? told : own.get(name)).toBe(own.get(name));
        }
      },
    ),
    { numRuns: 500 },
  );
});

test('a hundred thousand names take less than 50 bytes each', () => {
  collectGarbage();
  const before = process.memoryUsage().arrayBuffers;
  const losses = new ForgottenLosses();
  for (let number = 1; number < 100_000; number += 1) losses.remember(`user-${number}`, lostAt(number));
  collectGarbage();
  expect((process.memoryUsage().arrayBuffers - before) / 100_000).toBeLessThan(50);
  expect(losses.of('user-1')).toEqual(lostAt(1));
  expect(losses.of('nobody')).toEqual(NOTHING_LOST);
});
