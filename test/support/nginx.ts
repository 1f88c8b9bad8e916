import { existsSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';

import { startForegroundServer } from './foreground-server.js';
import { createTemporaryFolder } from './temporary-folder.js';

const PROGRAM = '/usr/sbin/nginx';

/** Whether a real nginx can be started here; tests that need it are skipped by name where it cannot. */
export const hasNginx = existsSync(PROGRAM);

/** nginx in the foreground with a configuration that listens on `port` of 127.0.0.1. */
export async function startNginx(configuration: string, port: number): Promise<AsyncDisposable> {
  const folder = await createTemporaryFolder();
  const file = join(folder.path, 'nginx.conf');
  await writeFile(file, configuration);
  const args = ['-p', folder.path, '-c', file, '-e', 'stderr', '-g', 'daemon off;'];
  const server = await startForegroundServer({ program: PROGRAM, args, port });
  return {
    async [Symbol.asyncDispose]() {
      await server[Symbol.asyncDispose]();
      await folder[Symbol.asyncDispose]();
    },
  };
}
