import { gzipSync } from 'node:zlib';

import * as fc from 'fast-check';
import { expect, test } from 'vitest';

import { combineCrc32, crc32, crc32Shift } from './crc32.js';

/** What zlib writes behind a gzip member. */
const zlibCrc32 = (bytes: Uint8Array): number => gzipSync(bytes).readUInt32LE(gzipSync(bytes).length - 8);
const anyBytes = fc.uint8Array({ maxLength: 3000, size: 'max' });

test("crc32() is zlib's", () => {
  expect(crc32(Buffer.from('123456789'))).toBe(0xcb_f4_39_26);
  fc.assert(fc.property(anyBytes, (bytes) => crc32(bytes) === zlibCrc32(bytes)));
});

test('crc32() goes on where it stopped', () => {
  fc.assert(
    fc.property(anyBytes, anyBytes, (first, second) => {
      expect(crc32(second, crc32(first))).toBe(crc32(Buffer.concat([first, second])));
    }),
  );
});

test('combineCrc32() knows the checksum of two runs without reading them again', () => {
  fc.assert(
    fc.property(anyBytes, anyBytes, (first, second) => {
      const combined = combineCrc32(crc32(first), crc32(second), crc32Shift(second.length));
      expect(combined).toBe(crc32(Buffer.concat([first, second])));
    }),
  );
});

test('crc32Shift() takes long runs', () => {
  const zeros = Buffer.alloc(5_000_000);
  const first = crc32(Buffer.from('tide'));
  expect(combineCrc32(first, crc32(zeros), crc32Shift(zeros.length))).toBe(crc32(zeros, first));
});
