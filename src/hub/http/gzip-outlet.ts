import type { FlushPacker } from '../compression.js';
import { storedBlocks } from '../compression.js';
import { combineCrc32, crc32 } from '../crc32.js';
import type { Outlet } from '../subscriber.js';

/** No name, no time, no system (RFC 1952, 2.3). */
const HEADER = Buffer.from([0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff]);

/** The last block, stored and empty; checksum and length follow. */
const FINAL_BLOCK = [1, 0, 0, 0xff, 0xff];
const TRAILER_BYTES = FINAL_BLOCK.length + 8;

/**
 * One gzip member around what a subscriber is sent. Flushes come packed, the same bytes for all; what is the
 * subscriber's own goes out stored. Its checksum is its own too, put together from those of its parts.
 */
export function createGzipOutlet(outlet: Outlet, packer: FlushPacker): Outlet {
  let crc = 0;
  let byteCount = 0;
  outlet.write(HEADER);
  return {
    write(bytes) {
      byteCount += bytes.length;
      crc = crc32(bytes, crc);
      return outlet.write(storedBlocks(bytes));
    },
    flush(flush) {
      byteCount += flush.byteCount;
      const packed = packer.pack(flush);
      crc = combineCrc32(crc, packed.crc, packed.shift);
      return outlet.flush(packed.bytes);
    },
    get pendingBytes() {
      return outlet.pendingBytes;
    },
    get socket() {
      return outlet.socket;
    },
    onDrain: (resume) => outlet.onDrain(resume),
    end() {
      outlet.write(trailer(crc, byteCount));
      outlet.end();
    },
    destroy: () => outlet.destroy(),
    destroyConnection: () => outlet.destroyConnection(),
  };
}

/** Without it a strict reader takes the end for a cut. */
function trailer(crc: number, byteCount: number): Uint8Array {
  const bytes = Buffer.alloc(TRAILER_BYTES);
  bytes.set(FINAL_BLOCK);
  const end = bytes.writeUInt32LE(crc, FINAL_BLOCK.length);
  // Modulo 2^32, as the format has it.
  bytes.writeUInt32LE(byteCount % 2 ** 32, end);
  return bytes;
}
