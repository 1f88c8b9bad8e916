import { array, assert, constantFrom, property } from 'fast-check';
import type { Arbitrary } from 'fast-check';
import { expect, test } from 'vitest';

import { matchesChannel } from './channel-pattern.js';

test.each([
  ['prices', 'prices'],
  ['prices.*', 'prices.eur'],
  ['prices.*', 'prices.'],
  ['*', ''],
  ['*.eur', 'prices.eur'],
  ['a*b*c', 'a-b-b-c'],
  ['a**b', 'ab'],
])('matchesChannel() lets %j take %j', (pattern, name) => {
  expect(matchesChannel(pattern, name)).toBe(true);
});

test.each([
  ['prices', 'prices.eur'],
  ['prices.*', 'prices'],
  ['prices.*', 'old.prices.eur'],
  ['a.c', 'abc'],
  ['ab*ba', 'aba'],
  ['a*b*b', 'ab'],
  ['', 'a'],
])('matchesChannel() keeps %j from %j', (pattern, name) => {
  expect(matchesChannel(pattern, name)).toBe(false);
});

test('matchesChannel() agrees with the plain definition of a wildcard', () => {
  assert(
    property(word('a', 'b', '*'), word('a', 'b'), (pattern, name) => {
      expect(matchesChannel(pattern, name)).toBe(fits(pattern, name));
    }),
    { numRuns: 2000 },
  );
});

function word(...letters: readonly string[]): Arbitrary<string> {
  return array(constantFrom(...letters), { maxLength: 8 }).map((parts) => parts.join(''));
}

function fits(pattern: string, name: string): boolean {
  if (pattern === '') return name === '';
  if (pattern[0] === '*') return fits(pattern.slice(1), name) || (name !== '' && fits(pattern, name.slice(1)));
  return name !== '' && pattern[0] === name[0] && fits(pattern.slice(1), name.slice(1));
}
