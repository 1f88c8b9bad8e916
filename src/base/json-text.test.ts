import * as fc from 'fast-check';
import { expect, test } from 'vitest';

import { jsonTextIn, nameTextAt, plainTextIn, readJson } from './json-text.js';
import { valueIn } from './json-pointer.js';
import type { Pointer } from './json-pointer.js';

function textAt(json: string, ...pointer: Pointer): string | undefined {
  const read = readJson(json);
  return read && jsonTextIn(read, pointer);
}

test.each([
  ['{"id":1234567890123456789}', ['id'], '1234567890123456789'],
  ['{"id":1234567890123456790}', ['id'], '1234567890123456790'],
  ['{"id": 1.0 }', ['id'], '1.0'],
  ['{"id":1e0}', ['id'], '1e0'],
  ['{"id":-0}', ['id'], '-0'],
  ['[0.10000000000000000001]', ['0'], '0.10000000000000000001'],
  [' 12345678901234567890 ', [], '12345678901234567890'],
  ['{"a":{"b":1},"a":{"b":22222222222222222222}}', ['a', 'b'], '22222222222222222222'],
  ['{"a":[{"x":"]}\\""},[1],3]}', ['a', '2'], '3'],
  ['{"\\u0061":7}', ['a'], '7'],
  ['{"":{"":1}}', ['', ''], '1'],
  ['{"k":{ "n" : 9007199254740993, "s":"\\u0041" } }', ['k'], '{"n":9007199254740993,"s":"A"}'],
  ['{"s":"\\u0041"}', ['s'], '"A"'],
  ['{"s":null}', ['s'], 'null'],
])('jsonTextIn() of %s at %j is %s', (json, pointer, text) => {
  expect(textAt(json, ...pointer)).toBe(text);
});

test('jsonTextIn() finds nothing where valueIn() does not', () => {
  expect(textAt('{"a":1}', 'b')).toBeUndefined();
  expect(textAt('{"a":{"b":1},"a":3}', 'a', 'b')).toBeUndefined();
  expect(textAt('{}', 'constructor')).toBeUndefined();
  expect(readJson('{"a":')).toBeUndefined();
});

test('plainTextIn() has a string as it is', () => {
  const json = { text: '{"s":"a b","n":1e400}', value: JSON.parse('{"s":"a b","n":1e400}') as unknown };
  expect(plainTextIn(json, ['s'])).toBe('a b');
  expect(plainTextIn(json, ['n'])).toBe('1e400');
  expect(plainTextIn(json, ['x'])).toBeUndefined();
});

test('nameTextAt() has no name of null, of an empty string, and of what is no JSON', () => {
  expect(nameTextAt('{"id":12345678901234567890}', ['id'])).toBe('12345678901234567890');
  expect(nameTextAt('{"id":"null"}', ['id'])).toBe('null');
  for (const text of ['{"id":null}', '{"id":""}', '{}', '{']) expect(nameTextAt(text, ['id'])).toBeUndefined();
});

test('jsonTextIn() finds at any place what JSON.parse finds there, however the JSON is laid out', () => {
  // No name is a quote or a backslash alone: after one of them, JSON.parse of V8 13.6 (Node 24) takes the other for it.
  const name = fc.constantFrom('a', 'b', '', 'a"', 'b\\', '{', ',', '0', '1', 'é\n');
  const json = fc.letrec<{ value: unknown }>((tie) => ({
    value: fc.oneof(
      { depthSize: 'small' },
      fc.constantFrom(null, true, 0, -1.5, 1e21, 123456789012),
      fc.string({ unit: fc.constantFrom('"', '\\', '[', '}', ',', ':', ' ', 'a') }),
      fc.array(tie('value'), { maxLength: 4 }),
      fc.dictionary(name, tie('value'), { maxKeys: 4 }),
    ),
  })).value;
  fc.assert(
    fc.property(
      json,
      fc.constantFrom(0, 1, 2, '\t', ' \r\n'),
      fc.array(name, { maxLength: 3 }),
      (value, space, path) => {
        const text = JSON.stringify(value, undefined, space);
        const expected = valueIn(JSON.parse(text), path);
        expect(textAt(text, ...path)).toBe(expected === undefined ? undefined : JSON.stringify(expected));
      },
    ),
    { numRuns: 2000 },
  );
});
