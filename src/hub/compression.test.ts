import { inflateRawSync } from 'node:zlib';

import * as fc from 'fast-check';
import { expect, test } from 'vitest';

import { deflatedBlocks, FlushPacker, storedBlocks } from './compression.js';
import { crc32, crc32Shift } from './crc32.js';

const FINAL_BLOCK = Buffer.from([1, 0, 0, 0xff, 0xff]);
const inflate = (...blocks: readonly Uint8Array[]): Buffer => inflateRawSync(Buffer.concat([...blocks, FINAL_BLOCK]));
const createPacker = () => {
  const counters = { compressedFlushes: 0, compressionInputBytes: 0, compressionOutputBytes: 0 };
  return { counters, packer: new FlushPacker(counters) };
};
const sliceOf = (bytes: Uint8Array) => ({ bytes, offset: 1, events: 1 });

test('storedBlocks() and deflatedBlocks() can be read in any order, each without what was before it', () => {
  const run = fc.record({ bytes: fc.uint8Array({ maxLength: 5000, size: 'max' }), isDeflated: fc.boolean() });
  fc.assert(
    fc.property(fc.array(run, { maxLength: 8 }), (runs) => {
      const packed = runs.map(({ bytes, isDeflated }) => (isDeflated ? deflatedBlocks(bytes) : storedBlocks(bytes)));
      expect(inflate(...packed).equals(Buffer.concat(runs.map(({ bytes }) => bytes)))).toBe(true);
    }),
  );
});

test.each([0, 1, 65_535, 65_536, 131_070, 200_000])('storedBlocks() takes %i bytes', (byteCount) => {
  const bytes = Buffer.alloc(byteCount, 'tide');
  expect(inflate(storedBlocks(bytes)).equals(bytes)).toBe(true);
});

test('FlushPacker.pack() compresses a slice once, and says what its bytes add to a checksum', () => {
  const { counters, packer } = createPacker();
  const bytes = Buffer.from('data: the same again\n\n'.repeat(500));
  const slice = sliceOf(bytes);
  const packed = packer.pack(slice);
  expect(packer.pack(slice)).toBe(packed);
  expect(packed).toMatchObject({ crc: crc32(bytes), shift: crc32Shift(bytes.length) });
  expect(inflate(packed.bytes).equals(bytes)).toBe(true);
  expect(counters).toEqual({
    compressedFlushes: 1,
    compressionInputBytes: bytes.length,
    compressionOutputBytes: packed.bytes.length,
  });
  expect(packed.bytes.length).toBeLessThan(bytes.length / 20);
});

test('FlushPacker.pack() stores what is smaller than 1 KiB', () => {
  const { counters, packer } = createPacker();
  expect(packer.pack(sliceOf(Buffer.alloc(1023, 'a'))).bytes.length).toBe(1023 + 5);
  expect(counters.compressedFlushes).toBe(0);
  packer.pack(sliceOf(Buffer.alloc(1024, 'a')));
  expect(counters.compressedFlushes).toBe(1);
});
