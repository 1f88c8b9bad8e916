import { constants, deflateRawSync, inflateRawSync } from 'node:zlib';

import * as fc from 'fast-check';
import { expect, test } from 'vitest';

import { handedOn } from '../../test/support/cautious-inflater.js';
import { deflatedBlocks, FlushPacker, storedBlocks } from './compression.js';
import { combineCrc32, crc32, crc32Shift } from './crc32.js';
import { FlushBytes } from './flush-bytes.js';
import type { FlushPart } from './flush-bytes.js';
import { KeptPacks } from './kept-packs.js';

const FINAL_BLOCK = Buffer.from([1, 0, 0, 0xff, 0xff]);
const inflate = (...blocks: readonly Uint8Array[]): Buffer => inflateRawSync(Buffer.concat([...blocks, FINAL_BLOCK]));
const createPacker = (roomBytes = Infinity) => {
  const counters = { compressedFlushes: 0, compressionInputBytes: 0, compressionOutputBytes: 0 };
  const kept = new KeptPacks({ nowMs: () => 0, roomBytes: () => roomBytes });
  return { counters, packer: new FlushPacker(counters, kept) };
};

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

test('every run of blocks ends so that an inflater that waits for a sync marker hands it on', () => {
  const text = fc.nat(3000).map((length) => Buffer.alloc(length, 'data: {"tide":"low"}\n\n'));
  const run = fc.record({
    bytes: fc.oneof(text, fc.uint8Array({ maxLength: 2000, size: 'max' })),
    isDeflated: fc.boolean(),
  });
  fc.assert(
    fc.property(fc.array(run, { maxLength: 5 }), (runs) => {
      const packed: Uint8Array[] = [];
      const plain: Uint8Array[] = [];
      for (const { bytes, isDeflated } of runs) {
        packed.push(isDeflated ? deflatedBlocks(bytes) : storedBlocks(bytes));
        plain.push(bytes);
        expect(handedOn(Buffer.concat(packed)).equals(Buffer.concat(plain))).toBe(true);
      }
    }),
    { numRuns: 50 },
  );
});

test('handedOn() holds back what no sync marker follows, as it is there to find that', () => {
  const stored = storedBlocks(Buffer.from('tide'));
  expect(handedOn(stored).toString()).toBe('tide');
  expect(handedOn(stored.subarray(0, -5)).toString()).toBe('');
  expect(handedOn(deflateRawSync('tide', { finishFlush: constants.Z_BLOCK })).toString()).toBe('');
  expect(handedOn(deflateRawSync('tide')).toString()).toBe('tide');
});

test('FlushPacker.pack() compresses a flush once, and says what its bytes add to a checksum', () => {
  const { counters, packer } = createPacker();
  const bytes = Buffer.from('data: the same again\n\n'.repeat(500));
  const flush = FlushBytes.of(bytes);
  const packed = packer.pack(flush);
  expect(packer.pack(flush)).toBe(packed);
  expect(packed).toMatchObject({ crc: crc32(bytes), shift: crc32Shift(bytes.length) });
  expect(inflate(packed.bytes.plain).equals(bytes)).toBe(true);
  expect(counters).toEqual({
    compressedFlushes: 1,
    compressionInputBytes: bytes.length,
    compressionOutputBytes: packed.bytes.byteCount,
  });
  expect(packed.bytes.byteCount).toBeLessThan(bytes.length / 20);
  expect(packer.kept.bytes).toBe(0);
});

test('FlushPacker.pack() stores what is smaller than 1 KiB', () => {
  const { counters, packer } = createPacker();
  expect(packer.pack(FlushBytes.of(Buffer.alloc(1023, 'a'))).bytes.byteCount).toBe(1023 + 5 + 5);
  expect(counters.compressedFlushes).toBe(0);
  packer.pack(FlushBytes.of(Buffer.alloc(1024, 'a')));
  expect(counters.compressedFlushes).toBe(1);
});

test('FlushPacker.pack() puts together what it packs by parts: bytes, checksum and shift are those of the whole', () => {
  const part = fc.record({
    bytes: fc
      .oneof(fc.nat(3000), fc.integer({ min: 16_000, max: 20_000 }))
      .map((length) => Buffer.alloc(length, 'tide ')),
    isSegment: fc.boolean(),
  });
  fc.assert(
    fc.property(fc.array(part, { minLength: 1, maxLength: 6 }), fc.nat(2 ** 32 - 1), (parts, before) => {
      const { packer } = createPacker();
      const flush = new FlushBytes(
        parts.map(({ bytes, isSegment }) => (isSegment ? { bytes, segment: {} } : { bytes })),
      );
      const plain = Buffer.concat(parts.map(({ bytes }) => bytes));
      const { bytes, crc, shift } = packer.pack(flush);
      expect(inflate(bytes.plain).equals(plain)).toBe(true);
      expect(crc).toBe(crc32(plain));
      expect(combineCrc32(before, crc, shift)).toBe(crc32(plain, before));
    }),
    { numRuns: 50 },
  );
});

const edge = (letter: string): FlushPart => ({ bytes: Buffer.alloc(5000, letter) });

test('FlushPacker.pack() compresses a whole segment once, whatever flush it is in, and what lies around it anew', () => {
  const { counters, packer } = createPacker();
  const segment: FlushPart = { bytes: Buffer.alloc(64 * 1024, 'high tide '), segment: {} };
  const flushes = [[edge('a'), segment], [segment], [edge('b'), segment, edge('c')]].map(
    (parts) => new FlushBytes(parts),
  );
  for (const flush of flushes) expect(inflate(packer.pack(flush).bytes.plain).equals(flush.plain)).toBe(true);
  expect(counters.compressedFlushes).toBe(1 + 3);
  const [, shared] = flushes.map((flush) => packer.pack(flush).bytes.parts.at(0)?.bytes);
  expect(packer.pack(new FlushBytes([segment])).bytes.parts.at(0)?.bytes).toBe(shared);
});

test('FlushPacker.pack() compresses a backfill without segments once for all that are sent the same', () => {
  const { counters, packer } = createPacker();
  const bytes = Buffer.alloc(64 * 1024, 'high tide ');
  for (let reader = 0; reader < 3; reader += 1)
    expect(inflate(packer.pack(new FlushBytes([{ bytes }], true)).bytes.plain).equals(bytes)).toBe(true);
  expect(counters.compressedFlushes).toBe(1);
  const other = Buffer.from(bytes);
  other[1000] = 0;
  expect(inflate(packer.pack(new FlushBytes([{ bytes: other }], true)).bytes.plain).equals(other)).toBe(true);
  expect(counters.compressedFlushes).toBe(2);
});

test('FlushPacker.pack() goes on without room for what it would keep', () => {
  const { counters, packer } = createPacker(0);
  const flush = (): FlushBytes => new FlushBytes([{ bytes: Buffer.alloc(20_000, 'tide'), segment: counters }]);
  packer.pack(flush());
  packer.pack(flush());
  expect(counters.compressedFlushes).toBe(2);
  expect(packer.kept.bytes).toBe(0);
});
