import { constants, deflateRawSync } from 'node:zlib';

import { crc32, crc32Shift } from './crc32.js';
import type { Slice } from './history.js';

/** How streams are sent to who accepts it: compressed, or never. */
export type Compression = 'gzip' | 'none';

/** Bytes of a flush from which compressing it pays; smaller ones go out stored. */
const COMPRESS_FROM_BYTES = 1024;

/** By measurement (docs/adr/0009): 6 saves one per cent more and takes up to 1.8 times as long. */
const LEVEL = 3;

/** What one stored block holds (RFC 1951, 3.2.4). */
const STORED_BYTES_MAX = 65_535;
const STORED_HEADER_BYTES = 5;

/** More than deflate adds to what it cannot make smaller, at these sizes. */
const DEFLATE_MARGIN_BYTES = 256;

/** One flush as deflate blocks that end on a byte and refer to nothing before them: it fits into any gzip stream. */
export interface PackedFlush {
  readonly bytes: Uint8Array;
  /** CRC of the plain bytes. */
  readonly crc: number;
  /** Of the plain bytes' length, see {@link crc32Shift}. */
  readonly shift: Uint32Array;
}

/** Counted where it happens; read by the metrics. */
export interface CompressionCounters {
  compressedFlushes: number;
  compressionInputBytes: number;
  compressionOutputBytes: number;
}

/** Packs each slice once, however many subscribers it goes to. */
export class FlushPacker {
  readonly #counters: CompressionCounters;
  /** Lives as long as the slice does. */
  readonly #packed = new WeakMap<Slice, PackedFlush>();

  constructor(counters: CompressionCounters) {
    this.#counters = counters;
  }

  pack(slice: Slice): PackedFlush {
    const known = this.#packed.get(slice);
    if (known !== undefined) return known;
    const { bytes } = slice;
    const packed = { bytes: this.#blocks(bytes), crc: crc32(bytes), shift: crc32Shift(bytes.length) };
    this.#packed.set(slice, packed);
    return packed;
  }

  #blocks(bytes: Uint8Array): Uint8Array {
    if (bytes.length < COMPRESS_FROM_BYTES) return storedBlocks(bytes);
    const deflated = deflatedBlocks(bytes);
    this.#counters.compressedFlushes += 1;
    this.#counters.compressionInputBytes += bytes.length;
    this.#counters.compressionOutputBytes += deflated.length;
    return deflated;
  }
}

/** Blocks that hold `bytes` as they are: no library is called, no state is kept. */
export function storedBlocks(bytes: Uint8Array): Uint8Array {
  const blockCount = Math.ceil(bytes.length / STORED_BYTES_MAX);
  const blocks = Buffer.allocUnsafe(bytes.length + blockCount * STORED_HEADER_BYTES);
  let end = 0;
  for (let at = 0; at < bytes.length; at += STORED_BYTES_MAX) {
    const part = bytes.subarray(at, at + STORED_BYTES_MAX);
    // Not the last block, kind 0, and padding to the byte: all zero. Then the length, and its complement.
    end = blocks.writeUInt8(0, end);
    end = blocks.writeUInt16LE(part.length, end);
    end = blocks.writeUInt16LE(~part.length & 0xff_ff, end);
    blocks.set(part, end);
    end += part.length;
  }
  return blocks;
}

/** Compressed blocks, ended by a full flush so that anything may follow. Exact in memory: a socket may hold them long. */
export function deflatedBlocks(bytes: Uint8Array): Uint8Array {
  const deflated = deflateRawSync(bytes, {
    level: LEVEL,
    finishFlush: constants.Z_FULL_FLUSH,
    chunkSize: bytes.length + DEFLATE_MARGIN_BYTES,
  });
  return Buffer.from(deflated);
}
