import { readdir, readFile } from 'node:fs/promises';

import type { Logger } from '../runtime/index.js';

/** Files that stay free for logs, Redis and whatever else opens one. */
const FREE_FILES = 16;

/** Sockets that no stream takes, so that publishers, `/health` and `/metrics` are still answered. */
const FREE_SOCKETS_MIN = 32;
const FREE_SOCKETS_MAX = 1024;

/** What a process can hold with the files that it may open. */
export interface FileRoom {
  readonly filesMax: number;
  readonly socketsMax: number;
  /** Streams. */
  readonly connectionsMax: number;
}

/** What a process that may open `filesMax` files, and has `used` of them open, can hold. */
export function roomOf(filesMax: number, used: number): FileRoom {
  const socketsMax = Math.max(2, filesMax - used - FREE_FILES);
  const free = Math.min(FREE_SOCKETS_MAX, Math.max(FREE_SOCKETS_MIN, Math.ceil(socketsMax / 10)));
  return { filesMax, socketsMax, connectionsMax: Math.max(1, socketsMax - free) };
}

/**
 * Finds out what this process can hold, and says in one line if that is less than `connections`. Undefined where the
 * system does not tell: only Linux does.
 */
export async function readFileRoom(connections: number, logger: Logger): Promise<FileRoom | undefined> {
  const filesMax = await readFilesMax();
  if (filesMax === undefined) {
    logger.info(
      { connections },
      'Cannot find out how many files this process may open: limits.connections holds as it is',
    );
    return undefined;
  }
  const room = roomOf(filesMax, (await readdir('/proc/self/fd')).length);
  if (room.connectionsMax < connections) {
    logger.warn(
      { connections, connectionsMax: room.connectionsMax, filesMax },
      `limits.connections is lowered to ${room.connectionsMax}: this process may open ${filesMax} files; raise that with ulimit -n or LimitNOFILE`,
    );
  }
  return room;
}

/** The soft limit; Node has raised it to the hard one. */
async function readFilesMax(): Promise<number | undefined> {
  const limits = await readFile('/proc/self/limits', 'utf8').catch(() => '');
  const files = Number(/^Max open files\s+(\d+)/m.exec(limits)?.[1]);
  return Number.isSafeInteger(files) ? files : undefined;
}
