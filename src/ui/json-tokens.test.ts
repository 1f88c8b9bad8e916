import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { jsonTokens } from './json-tokens.js';

describe('jsonTokens()', () => {
  it('tells keys, strings, numbers and literals apart', () => {
    const kinds = jsonTokens('{"a\\"b": "c: 1", "n": -1.5e3, "t": true}')
      .filter(({ kind }) => kind !== 'plain')
      .map(({ kind, text }) => `${kind} ${text}`);
    expect(kinds).toEqual(['key "a\\"b"', 'string "c: 1"', 'key "n"', 'number -1.5e3', 'key "t"', 'literal true']);
  });

  it('loses no character of any JSON, nor of any text', () => {
    fc.assert(
      fc.property(fc.oneof(fc.json(), fc.string()), (text) => {
        expect(
          jsonTokens(text)
            .map((token) => token.text)
            .join(''),
        ).toBe(text);
      }),
    );
  });
});
