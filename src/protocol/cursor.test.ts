import * as fc from 'fast-check';
import { expect, test } from 'vitest';

import { formatCursor, isCursorLike, parseCursor } from './cursor.js';

const epochs = fc
  .string({ unit: fc.constantFrom('0', '4', '9', 'a', 'k', 'z'), minLength: 8, maxLength: 16 })
  .map((text) => `~${text}`);

test('parseCursor() reads what formatCursor() writes', () => {
  fc.assert(
    fc.property(epochs, fc.maxSafeNat(), (epoch, offset) => {
      const cursor = formatCursor(epoch, offset);
      expect(parseCursor(cursor)).toEqual({ epoch, offset });
      expect(isCursorLike(cursor)).toBe(true);
      // PROTOCOL.md, 3.1: safe in a header, in a URL and across origins.
      expect(cursor).toMatch(/^[A-Za-z0-9._~-]{1,100}$/);
    }),
  );
});

test.each([
  '',
  '1',
  'order-17',
  '~short-1',
  '~aaaaaaaa-',
  '~aaaaaaaa-01',
  '~aaaaaaaa-1x',
  '~AAAAAAAA-1',
  '~aaaaaaaa-99999999999999999',
  '550e8400-e29b-41d4-a716-446655440000',
])('parseCursor() does not take %j for a cursor', (text) => {
  expect(parseCursor(text)).toBeUndefined();
});

test('isCursorLike() leaves publishers their usual ids', () => {
  for (const id of ['1', 'order-17', '550e8400-e29b-41d4-a716-446655440000', '~', '2023-07-29T07:51:39Z'])
    expect(isCursorLike(id)).toBe(false);
});
