import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { chmod, lstat, rm } from 'node:fs/promises';
import { connect } from 'node:net';
import { dirname } from 'node:path';

/** Owner and group may connect: a proxy in front is put into the group. */
const SOCKET_MODE = 0o660;

/** Linux takes 107 bytes; Node cuts a longer path without a word. */
const PATH_BYTES_MAX = process.platform === 'linux' ? 107 : 103;

/**
 * Clears the way for a Unix socket at `path`: the file of a process that is gone is removed.
 * @throws Error `ENAMETOOLONG` if the system cannot take the path, `ENOENT` if its folder is
 * missing, `EADDRINUSE` if a process answers there, `ENOTSOCK` if something else has that name.
 */
export async function removeStaleSocket(path: string): Promise<void> {
  if (path === '' || Buffer.byteLength(path) > PATH_BYTES_MAX) throw failure('ENAMETOOLONG', path);
  // The system says EACCES of it.
  if (!existsSync(dirname(path))) throw failure('ENOENT', path);
  const found = await lstat(path).catch(() => undefined);
  if (found === undefined) return;
  if (!found.isSocket()) throw failure('ENOTSOCK', path);
  if (await isAnswered(path)) throw failure('EADDRINUSE', path);
  await rm(path, { force: true });
}

/** Lets the group connect too, whatever the umask; to be called once the server listens. */
export function openToGroup(path: string): Promise<void> {
  return chmod(path, SOCKET_MODE);
}

async function isAnswered(path: string): Promise<boolean> {
  const socket = connect(path);
  try {
    await once(socket, 'connect');
    return true;
  } catch (error) {
    // Any other failure, such as a missing right, says that somebody may be there.
    return !(error instanceof Error && 'code' in error && error.code === 'ECONNREFUSED');
  } finally {
    socket.destroy();
  }
}

function failure(code: string, path: string): Error {
  return Object.assign(new Error(`Cannot listen on ${path}: ${code}`), { code });
}
