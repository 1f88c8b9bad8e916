import { open } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';
import { dirname } from 'node:path';
import { createFolder, createOwnFile, syncFolder } from '../../runtime/index.js';
import { formatDeadLetter } from './dead-letters.js';
import type { DeadLetter, DeadLetters } from './dead-letters.js';
import { IngestError } from '../errors.js';

export interface DeadLetterFileOptions {
  /** Its folder is made where it is missing. Only one process may write to it. */
  readonly path: string;
  /** Where the events came from, without secrets: each line says it. */
  readonly source: string;
  /** Bytes that the file may have (default 1 GiB); then nothing is written until somebody moves it away. */
  readonly bytesMax?: number;
}

const BYTES_MAX = 1024 ** 3;
const TAIL_BYTES = 64 * 1024;
const LINE_FEED = 0x0a;

/**
 * Dead letters as lines of a file, one JSON object each, on the disk when `write` resolves. The file is opened
 * for each write, so it may be moved away at any time. A line that a crash tore is cut off by the next
 * write: its event was never acknowledged, so it comes again.
 * @throws IngestError its `write` throws `dead-letters-full` at `bytesMax`, else the file system's own error.
 */
export function createDeadLetterFile({ path, source, bytesMax = BYTES_MAX }: DeadLetterFileOptions): DeadLetters {
  let last: Promise<unknown> = Promise.resolve();
  return {
    write(letters) {
      // Several sinks share the file: their lines must not mix.
      const turn = last.then(() => append(path, toBytes(letters, source), bytesMax));
      last = turn.catch(() => {});
      return turn;
    },
  };
}

function toBytes(letters: readonly DeadLetter[], source: string): Buffer {
  return Buffer.from(letters.map((letter) => formatDeadLetter(letter, source)).join(''));
}

async function append(path: string, bytes: Buffer, bytesMax: number): Promise<void> {
  if (bytes.length === 0) return;
  const { handle, isNew } = await openOrCreate(path);
  try {
    const end = await endOfLastLine(handle);
    if (end > 0 && end + bytes.length > bytesMax)
      throw new IngestError(
        'dead-letters-full',
        `Cannot keep dead letters: ${path} has ${end} of ${bytesMax} bytes; move it away`,
      );
    await writeAt(handle, bytes, end);
  } finally {
    await handle.close();
  }
  if (isNew) await syncFolder(dirname(path));
}

async function openOrCreate(path: string): Promise<{ readonly handle: FileHandle; readonly isNew: boolean }> {
  try {
    return { handle: await open(path, 'r+'), isNew: false };
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'ENOENT')) throw error;
  }
  await createFolder(dirname(path));
  return { handle: await createOwnFile(path, 'wx+'), isNew: true };
}

/** Where the file's last whole line ends. */
async function endOfLastLine(handle: FileHandle): Promise<number> {
  let { size: end } = await handle.stat();
  const tail = Buffer.alloc(TAIL_BYTES);
  while (end > 0) {
    const start = Math.max(0, end - TAIL_BYTES);
    const { bytesRead } = await handle.read(tail, 0, end - start, start);
    const at = tail.subarray(0, bytesRead).lastIndexOf(LINE_FEED);
    if (at !== -1) return start + at + 1;
    end = start;
  }
  return 0;
}

/** Ends the file after `bytes`; where that fails, before them. */
async function writeAt(handle: FileHandle, bytes: Buffer, start: number): Promise<void> {
  try {
    await handle.truncate(start);
    for (let written = 0; written < bytes.length;) {
      const { bytesWritten } = await handle.write(bytes, written, bytes.length - written, start + written);
      written += bytesWritten;
    }
    await handle.sync();
  } catch (error) {
    await handle.truncate(start).catch(() => {});
    throw error;
  }
}
