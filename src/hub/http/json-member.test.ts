import * as fc from 'fast-check';
import { expect, test } from 'vitest';

import { memberText } from './json-member.js';

test('memberText() finds what JSON.parse finds, in any JSON object', () => {
  fc.assert(
    fc.property(
      fc.dictionary(fc.string(), fc.jsonValue(), { maxKeys: 6 }),
      fc.jsonValue(),
      fc.nat(3),
      (rest, data, indent) => {
        const object = { ...rest, data };
        const text = memberText(JSON.stringify(object, null, indent), 'data');
        expect(JSON.parse(text ?? 'missing')).toEqual(JSON.parse(JSON.stringify(data)));
        expect(text).not.toMatch(/[\r\n]/);
      },
    ),
    { numRuns: 500 },
  );
});

test.each([
  ['{"data":12345678901234567890}', '12345678901234567890'],
  ['{"data":1.0,"id":"x"}', '1.0'],
  ['{"data":1,"data":2}', '2'],
  ['{"d\\u0061ta":{"a":[1,{"b":"},{"}]} }', '{"a":[1,{"b":"},{"}]}'],
  ['{"data":"\\\\\\"","x":1}', '"\\\\\\""'],
  ['{\n  "data": {\r\n    "a": 1,\n    "b": "x  y"\n  }\n}', '{"a": 1,"b": "x  y"}'],
  ['{"nested":{"data":1}}', undefined],
  ['{}', undefined],
])('memberText(%j)', (json, text) => {
  expect(memberText(json, 'data')).toBe(text);
});
