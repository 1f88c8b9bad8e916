import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { existsSync } from 'node:fs';
import { delimiter, join, resolve } from 'node:path';
import { createInterface } from 'node:readline';

/** In the name of every test that needs moto (PyPI, `moto[server]`), which is skipped where it is not installed. */
export const MOTO = '[moto]';

const found = [...(process.env['PATH'] ?? '').split(delimiter), resolve('node_modules', '.cache', 'moto', 'bin')]
  .map((folder) => join(folder, 'moto_server'))
  .find((path) => existsSync(path));

export const hasMoto = found !== undefined;

/** Keys of one page of a listing of its S3: few, so that there is a second page soon. */
export const MOTO_PAGE_KEYS = 3;

/** A server of moto's, which keeps to conditional writes; everything in it goes with it. */
export class MotoServer implements AsyncDisposable {
  readonly endpoint: string;
  readonly #process: ChildProcess;

  private constructor(endpoint: string, process: ChildProcess) {
    this.endpoint = endpoint;
    this.#process = process;
  }

  static async start(): Promise<MotoServer> {
    if (found === undefined) throw new Error('moto_server is not installed');
    const child = spawn(found, ['-H', '127.0.0.1', '-p', '0'], {
      stdio: ['ignore', 'ignore', 'pipe'],
      env: { ...process.env, MOTO_S3_DEFAULT_MAX_KEYS: String(MOTO_PAGE_KEYS) },
    });
    for await (const line of createInterface({ input: child.stderr })) {
      const [endpoint] = /http:\/\/127\.0\.0\.1:\d+/.exec(line) ?? [];
      if (endpoint === undefined) continue;
      child.stderr.resume();
      return new MotoServer(endpoint, child);
    }
    throw new Error('moto_server ended without an address');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const ended = new Promise((done) => this.#process.once('exit', done));
    this.#process.kill();
    await ended;
  }
}
