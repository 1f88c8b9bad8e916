import { open, readdir, rename, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';

import { createFile } from './private-files.js';

let written = 0;

/**
 * Replaces the file at `path` with `data`: a reader, or a crash at any instant, finds the old content or the
 * new, never a part. The data and its name are on the disk when this resolves.
 * @throws the file system's own error; the old content is then still there.
 */
export async function writeFileAtomic(path: string, data: string | Uint8Array): Promise<void> {
  written += 1;
  const temporary = join(dirname(path), `.${basename(path)}.${process.pid}-${written}.tmp`);
  try {
    const file = await createFile(temporary, 'w');
    try {
      await file.writeFile(data);
      await file.sync();
    } finally {
      await file.close();
    }
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
  await syncFolder(dirname(path));
}

/** Removes what a crash in {@link writeFileAtomic} left beside `path`; only its one writer may call this. */
export async function removeTemporaryFiles(path: string): Promise<void> {
  const prefix = `.${basename(path)}.`;
  const names = await readdir(dirname(path)).catch(() => []);
  for (const name of names) {
    const isOurs = name.startsWith(prefix) && /^[0-9]+-[0-9]+\.tmp$/.test(name.slice(prefix.length));
    if (isOurs) await rm(join(dirname(path), name), { force: true });
  }
}

/** Puts the names in `folder` on the disk: a rename without this may be undone by a power cut. */
export async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r').catch(ignoreUnsupported);
  try {
    await handle?.sync().catch(ignoreUnsupported);
  } finally {
    await handle?.close();
  }
}

/** Windows and some network file systems cannot sync a folder; they order renames themselves. */
function ignoreUnsupported(error: unknown): undefined {
  const code = error instanceof Error && 'code' in error ? error.code : undefined;
  if (code === 'EPERM' || code === 'EISDIR' || code === 'EINVAL' || code === 'ENOTSUP') return undefined;
  throw error;
}
