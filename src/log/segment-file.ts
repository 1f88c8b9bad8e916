import { readdir, readFile } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import { createOwnFile } from '../runtime/index.js';
import { LogError } from './errors.js';

/** What each file of a log begins with: a name and a version. */
export const MAGIC = Buffer.from('tidegate-log\0\0\0\u0001', 'latin1');
const NAME = /^(\d{16})\.log$/;

/** Where the file goes whose first record has the number `first`. */
export function segmentPath(folder: string, first: number): string {
  return join(folder, `${String(first).padStart(16, '0')}.log`);
}

/** The first numbers of all segments in `folder`, in order. */
export async function listSegments(folder: string): Promise<readonly number[]> {
  const names = await readdir(folder);
  return names
    .flatMap((name) => NAME.exec(name)?.[1] ?? [])
    .map(Number)
    .toSorted((one, other) => one - other);
}

/** Everything behind the beginning of a segment; undefined where a crash left not even that. @throws LogError `log-foreign`. */
export async function readSegment(path: string): Promise<Buffer | undefined> {
  const buffer = await readFile(path);
  const begin = buffer.subarray(0, MAGIC.length);
  if (begin.equals(MAGIC)) return buffer.subarray(MAGIC.length);
  // A file is created, then written: what was never synced may be missing, or read as zeros.
  if (begin.every((byte, at) => byte === 0 || byte === MAGIC[at])) return undefined;
  throw new LogError('log-foreign', `Cannot use ${path}: it is no log, or of a newer Tidegate`);
}

/** A new and durable segment without a record; what a crash left under its name goes. */
export async function createSegment(path: string): Promise<FileHandle> {
  const handle = await createOwnFile(path, 'w');
  try {
    await writeAll(handle, MAGIC, 0);
    await handle.datasync();
    return handle;
  } catch (error) {
    await handle.close();
    throw error;
  }
}

export async function writeAll(handle: FileHandle, bytes: Uint8Array, start: number): Promise<void> {
  for (let written = 0; written < bytes.length;) {
    const { bytesWritten } = await handle.write(bytes, written, bytes.length - written, start + written);
    written += bytesWritten;
  }
}

/** Up to `bytes` bytes from `start` on. */
export async function readAt(handle: FileHandle, start: number, bytes: number): Promise<Buffer> {
  const buffer = Buffer.allocUnsafe(bytes);
  let read = 0;
  while (read < bytes) {
    const { bytesRead } = await handle.read(buffer, read, bytes - read, start + read);
    if (bytesRead === 0) break;
    read += bytesRead;
  }
  return buffer.subarray(0, read);
}
