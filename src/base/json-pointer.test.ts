import { expect, test } from 'vitest';

import { parsePointer, valueAt } from './json-pointer.js';

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

test('valueAt() is the value that the pointer finds, or undefined', () => {
  expect(valueAt('{"a":[{"s":null}]}', ['a', '0', 's'])).toBeNull();
  expect(valueAt('7', [])).toBe(7);
  expect(valueAt('{"a":[1]}', ['a', '00'])).toBeUndefined();
  expect(valueAt('{}', ['constructor'])).toBeUndefined();
  expect(valueAt('not JSON', [])).toBeUndefined();
});
