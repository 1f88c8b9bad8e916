import { expect, test } from 'vitest';

import { parsePointer, valueIn } from './json-pointer.js';

test.each([
  ['', []],
  ['/', ['']],
  ['/a/0', ['a', '0']],
  ['/a~1b/m~0n/~01', ['a/b', 'm~n', '~1']],
])('parsePointer() reads %j', (text, names) => {
  expect(parsePointer(text)).toEqual(names);
});

test.each(['a', '/~', '/~2'])('parsePointer() takes %j for no pointer', (text) => {
  expect(parsePointer(text)).toBeUndefined();
});

test('valueIn() is the value that the pointer finds, or undefined', () => {
  expect(valueIn({ a: [{ s: null }] }, ['a', '0', 's'])).toBeNull();
  expect(valueIn(7, [])).toBe(7);
  expect(valueIn({ a: [1] }, ['a', '00'])).toBeUndefined();
  expect(valueIn({}, ['constructor'])).toBeUndefined();
});
