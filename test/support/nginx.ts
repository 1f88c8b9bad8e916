import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';

import { createTemporaryFolder } from './temporary-folder.js';

const PROGRAM = '/usr/sbin/nginx';

/** Whether a real nginx can be started here; tests that need it are skipped by name where it cannot. */
export const hasNginx = existsSync(PROGRAM);

/** nginx in the foreground with a configuration that listens on `port` of 127.0.0.1. */
export async function startNginx(configuration: string, port: number): Promise<AsyncDisposable> {
  const folder = await createTemporaryFolder();
  const file = join(folder.path, 'nginx.conf');
  await writeFile(file, configuration);
  const child = spawn(PROGRAM, ['-p', folder.path, '-c', file, '-e', 'stderr', '-g', 'daemon off;'], {
    stdio: 'inherit',
  });
  const gone = once(child, 'exit');
  while (child.exitCode === null && !(await isListening(port))) await new Promise((resolve) => setTimeout(resolve, 20));
  if (child.exitCode !== null) throw new Error(`nginx ended with ${child.exitCode}`);
  return {
    async [Symbol.asyncDispose]() {
      child.kill('SIGTERM');
      await gone;
      await folder[Symbol.asyncDispose]();
    },
  };
}

function isListening(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ port, host: '127.0.0.1' });
    const end = (isThere: boolean) => (): void => {
      socket.destroy();
      resolve(isThere);
    };
    socket.once('connect', end(true)).once('error', end(false));
  });
}
