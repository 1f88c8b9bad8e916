import { createHash } from 'node:crypto';
import { constants, deflateRawSync } from 'node:zlib';

import { combineCrc32, crc32, crc32Shift } from './crc32.js';
import { FlushBytes } from './flush-bytes.js';
import type { KeptPacks, PackedPart, PackKey } from './kept-packs.js';

/** How streams are sent to who accepts it: compressed, or never. */
export type Compression = 'gzip' | 'none';

/** Bytes of a flush from which compressing it pays; smaller ones go out stored. */
const COMPRESS_FROM_BYTES = 1024;

/** By measurement (docs/adr/0009): 6 saves one per cent more and takes up to 1.8 times as long. */
const LEVEL = 3;

/** Bytes of a part of the history from which what was compressed of it is kept for later readers. */
const KEEP_FROM_BYTES = 4 * 1024;

/** What one stored block holds (RFC 1951, 3.2.4). */
const STORED_BYTES_MAX = 65_535;
const STORED_HEADER_BYTES = 5;

/**
 * A stored block of no bytes. Some inflaters (Go's) hand on what they have only at such a block, or when their window of
 * 32 KiB is full; a full flush ends with one too.
 */
const SYNC_MARKER = [0, 0, 0, 0xff, 0xff];

/** More than deflate adds to what it cannot make smaller, at these sizes. */
const DEFLATE_MARGIN_BYTES = 256;

/** One flush, packed. */
export interface PackedFlush extends Omit<PackedPart, 'bytes'> {
  readonly bytes: FlushBytes;
}

/** Counted where it happens; read by the metrics. */
export interface CompressionCounters {
  compressedFlushes: number;
  compressionInputBytes: number;
  compressionOutputBytes: number;
}

/** Plain bytes that are compressed by themselves; with a key, what comes of it is kept. */
interface Run {
  readonly bytes: Uint8Array;
  readonly key?: PackKey;
}

/** Packs each flush once, however many subscribers it goes to, and each part of the history once, while there is room. */
export class FlushPacker {
  readonly kept: KeptPacks;
  readonly #counters: CompressionCounters;
  /** Lives as long as the flush does. */
  readonly #packed = new WeakMap<FlushBytes, PackedFlush>();

  constructor(counters: CompressionCounters, kept: KeptPacks) {
    this.#counters = counters;
    this.kept = kept;
  }

  pack(flush: FlushBytes): PackedFlush {
    const known = this.#packed.get(flush);
    if (known !== undefined) return known;
    const packed = joined(runsOf(flush).map((run) => this.#packRun(run)));
    this.#packed.set(flush, packed);
    return packed;
  }

  #packRun({ bytes, key }: Run): PackedPart & { readonly plainBytes: number } {
    const kept = key === undefined ? undefined : this.kept.find(key);
    const part = kept ?? { bytes: this.#blocks(bytes), crc: crc32(bytes), shift: crc32Shift(bytes.length) };
    if (kept === undefined && key !== undefined) this.kept.keep(key, part);
    return { ...part, plainBytes: bytes.length };
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

/** Whole segments by themselves, and what lies between them. Flushes without segments are known by what is in them. */
function runsOf(flush: FlushBytes): readonly Run[] {
  if (flush.isBackfill && flush.byteCount >= KEEP_FROM_BYTES) {
    const key = createHash('sha256').update(flush.plain).digest('base64');
    return [{ bytes: flush.plain, key }];
  }
  const runs: Run[] = [];
  let loose: Uint8Array[] = [];
  const endLoose = (): void => {
    if (loose.length > 0) runs.push({ bytes: loose.length === 1 && loose[0] ? loose[0] : Buffer.concat(loose) });
    loose = [];
  };
  for (const { bytes, segment } of flush.parts) {
    if (segment === undefined || bytes.length < KEEP_FROM_BYTES) loose.push(bytes);
    else {
      endLoose();
      runs.push({ bytes, key: segment });
    }
  }
  endLoose();
  return runs;
}

function joined(parts: readonly (PackedPart & { readonly plainBytes: number })[]): PackedFlush {
  const bytes = new FlushBytes(parts);
  const [only, another] = parts;
  if (only !== undefined && another === undefined) return { ...only, bytes };
  return {
    bytes,
    crc: parts.reduce((crc, part) => combineCrc32(crc, part.crc, part.shift), 0),
    shift: crc32Shift(parts.reduce((sum, { plainBytes }) => sum + plainBytes, 0)),
  };
}

/** Blocks that hold `bytes` as they are, and a sync marker: no library is called, no state is kept. */
export function storedBlocks(bytes: Uint8Array): Uint8Array {
  const blockCount = Math.ceil(bytes.length / STORED_BYTES_MAX);
  const blocks = Buffer.allocUnsafe(bytes.length + blockCount * STORED_HEADER_BYTES + SYNC_MARKER.length);
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
  blocks.set(SYNC_MARKER, end);
  return blocks;
}

/** Compressed blocks, ended by a full flush so that anything may follow. Exact in memory: it may be kept long. */
export function deflatedBlocks(bytes: Uint8Array): Uint8Array {
  const deflated = deflateRawSync(bytes, {
    level: LEVEL,
    finishFlush: constants.Z_FULL_FLUSH,
    chunkSize: bytes.length + DEFLATE_MARGIN_BYTES,
  });
  const exact = Buffer.allocUnsafeSlow(deflated.length);
  exact.set(deflated);
  return exact;
}
