import { mkdir, open } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';

/** Events may be secret: the owner reads and writes, the group reads, nobody else; a stricter umask takes more away. */
const FILE_MODE = 0o640;
/** Of files that nobody but Tidegate and its owner needs: the spool, dead letters. */
const OWN_FILE_MODE = 0o600;
const FOLDER_MODE = 0o750;

/** How a file is opened that may have to be made: emptied (`w`), only if it is new (`wx`), to append (`a`); `+`: to read too. */
export type CreateFlags = 'w' | 'wx' | 'wx+' | 'a';

/** Opens the file at `path` and makes it if it is not there. @throws the file system's own error. */
export function createFile(path: string, flags: CreateFlags): Promise<FileHandle> {
  return open(path, flags, FILE_MODE);
}

/** {@link createFile}, for the owner alone. */
export function createOwnFile(path: string, flags: CreateFlags): Promise<FileHandle> {
  return open(path, flags, OWN_FILE_MODE);
}

/** Makes the folder at `path`, and those above it, if they are not there. @throws the file system's own error. */
export async function createFolder(path: string): Promise<void> {
  await mkdir(path, { recursive: true, mode: FOLDER_MODE });
}
