import { createReadStream } from 'node:fs';
import { open, readdir, rename, rm, stat } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { createGzip } from 'node:zlib';
import { createFile, syncFolder } from '../../runtime/index.js';
import { fileName, parseFileName, stemOf } from './archive-name.js';
import type { ArchiveNaming } from './archive-name.js';

export interface ArchiveFolderOptions extends ArchiveNaming {
  readonly folder: string;
  /** Sealed files are compressed. */
  readonly gzip: boolean;
  /** Every record ends with a line feed, so a torn one can be seen. */
  readonly hasLines: boolean;
}

/** The file that grows. */
export interface ActivePart {
  readonly stem: string;
  readonly startedAt: number;
  readonly handle: FileHandle;
  /** Bytes of it that are durable. */
  readonly bytes: number;
}

/** The files of one archive, and every way in which one becomes another. */
export class ArchiveFolder {
  readonly #options: ArchiveFolderOptions;

  constructor(options: ArchiveFolderOptions) {
    this.#options = options;
  }

  /** Puts right what a crash left, and returns the part to go on with, if there is one. */
  async recover(): Promise<ActivePart | undefined> {
    const { folder } = this.#options;
    const names = (await readdir(folder)).toSorted();
    const files = names.flatMap((name) => parseFileName(this.#options, name) ?? []);
    const compressed = new Set(files.filter((file) => file.kind === 'gzip').map((file) => file.stem));
    for (const { stem, kind } of files) {
      // A part whose compressed form has its name is a leftover: that form was whole before it was named.
      const isLeftover = kind === 'temporary' || (kind === 'part' && compressed.has(stem));
      if (isLeftover) await rm(this.#path(stem, kind), { force: true });
    }
    const parts = files.filter(({ stem, kind }) => kind === 'part' && !compressed.has(stem));
    const last = parts.pop();
    for (const { stem } of parts) await this.#sealRecovered(stem);
    await syncFolder(folder);
    return last === undefined ? undefined : this.#reopen(last.stem, last.startedAt);
  }

  /** A new, empty part, named for `nowMs` or the first free millisecond after it. */
  async create(nowMs: number): Promise<ActivePart> {
    const names = await readdir(this.#options.folder);
    const taken = new Set(names.map((name) => parseFileName(this.#options, name)?.stem));
    let startedAt = nowMs;
    while (taken.has(stemOf(this.#options, startedAt))) startedAt += 1;
    const stem = stemOf(this.#options, startedAt);
    const handle = await createFile(this.#path(stem, 'part'), 'wx+');
    await syncFolder(this.#options.folder);
    return { stem, startedAt, handle, bytes: 0 };
  }

  /** Whether `part` still has its name: somebody may have deleted it or moved it away. */
  async isThere({ stem, handle }: ActivePart): Promise<boolean> {
    const [own, named] = await Promise.all([
      handle.stat(),
      stat(this.#path(stem, 'part')).catch((error: unknown) => {
        if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return undefined;
        throw error;
      }),
    ]);
    return named?.ino === own.ino && named.dev === own.dev;
  }

  /** The part is complete: gives it its final name, compressed where that is wanted. */
  async seal({ stem, handle }: ActivePart): Promise<string> {
    await handle.close();
    return this.#seal(stem);
  }

  async #reopen(stem: string, startedAt: number): Promise<ActivePart> {
    const handle = await open(this.#path(stem, 'part'), 'r+');
    try {
      const { size } = await handle.stat();
      const bytes = this.#options.hasLines ? await endOfLastLine(handle, size) : size;
      if (bytes < size) {
        await handle.truncate(bytes);
        await handle.sync();
      }
      return { stem, startedAt, handle, bytes };
    } catch (error) {
      await handle.close();
      throw error;
    }
  }

  async #sealRecovered(stem: string): Promise<void> {
    const { handle, bytes } = await this.#reopen(stem, 0);
    await handle.close();
    if (bytes > 0) await this.#seal(stem);
    else await rm(this.#path(stem, 'part'), { force: true });
  }

  async #seal(stem: string): Promise<string> {
    const { folder, gzip } = this.#options;
    const part = this.#path(stem, 'part');
    const sealed = this.#path(stem, gzip ? 'gzip' : 'sealed');
    if (gzip) {
      const temporary = this.#path(stem, 'temporary');
      await compress(part, temporary);
      await rename(temporary, sealed);
      // The part goes only when its successor's name is durable.
      await syncFolder(folder);
      await rm(part);
    } else {
      await rename(part, sealed);
    }
    await syncFolder(folder);
    return sealed;
  }

  #path(stem: string, kind: Parameters<typeof fileName>[2]): string {
    return join(this.#options.folder, fileName(this.#options, stem, kind));
  }
}

async function compress(from: string, to: string): Promise<void> {
  const target = await createFile(to, 'w');
  try {
    await pipeline(createReadStream(from), createGzip(), async (chunks: AsyncIterable<Buffer>) => {
      for await (const chunk of chunks) await target.writeFile(chunk);
    });
    await target.sync();
  } finally {
    await target.close();
  }
}

const SCAN_BYTES = 64 * 1024;
const LF = 10;

/** Where the last complete line of the file ends; 0 where it has none. */
async function endOfLastLine(handle: FileHandle, size: number): Promise<number> {
  const buffer = Buffer.alloc(SCAN_BYTES);
  for (let end = size; end > 0;) {
    const start = Math.max(0, end - SCAN_BYTES);
    const { bytesRead } = await handle.read(buffer, 0, end - start, start);
    const at = buffer.subarray(0, bytesRead).lastIndexOf(LF);
    if (at !== -1) return start + at + 1;
    end = start;
  }
  return 0;
}
