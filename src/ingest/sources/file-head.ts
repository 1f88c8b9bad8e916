import type { FileHandle } from 'node:fs/promises';
import { crc32 } from 'node:zlib';

/** Bytes of its beginning by which a file is known again. */
const HEAD_BYTES = 1024;

/**
 * The first bytes of a file that is read. The number that the file system gives a file is not enough to know it by: it
 * stays where a file is written anew in place, and it is given again once a file was deleted.
 */
export class FileHead {
  #bytes = Buffer.alloc(0);
  #mark = '';

  /** How many bytes it is of and their CRC-32, as `<bytes>.<hexadecimal>`; empty before the first. */
  get mark(): string {
    return this.#mark;
  }

  /** Takes the next bytes of the file, as long as they belong to its head. */
  see(bytes: Uint8Array): void {
    if (this.#bytes.length >= HEAD_BYTES) return;
    this.#bytes = Buffer.concat([this.#bytes, bytes.subarray(0, HEAD_BYTES - this.#bytes.length)]);
    this.#mark = markOf(this.#bytes);
  }
}

/** Whether `file` begins as {@link FileHead.mark} says; true where it is shorter or tells nothing, as a pipe does. */
export async function hasHead(file: FileHandle, mark: string): Promise<boolean> {
  const length = Math.min(Number.parseInt(mark, 10) || 0, HEAD_BYTES);
  if (length === 0) return true;
  const { bytesRead, buffer } = await file
    .read(Buffer.alloc(length), 0, length, 0)
    .catch(() => ({ bytesRead: 0, buffer: Buffer.alloc(0) }));
  return bytesRead < length || markOf(buffer) === mark;
}

function markOf(bytes: Buffer): string {
  return `${bytes.length}.${crc32(bytes).toString(16)}`;
}
