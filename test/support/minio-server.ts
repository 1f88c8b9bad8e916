import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { createInterface } from 'node:readline';
import { freePort } from './free-port.js';
import { createTemporaryFolder } from './temporary-folder.js';

const path = process.env['TIDEGATE_TEST_MINIO'];
const found =
  path ??
  (process.env['PATH'] ?? '')
    .split(delimiter)
    .map((folder) => join(folder, 'minio'))
    .find(existsSync);

/** Too large to be installed for the tests: those on MinIO are there only where it is, in PATH or in TIDEGATE_TEST_MINIO. */
export const hasMinio = found !== undefined;

export interface MinioOptions {
  readonly accessKeyId: string;
  /** Of eight characters at least. */
  readonly secretAccessKey: string;
}

/** A running MinIO of one disk, a folder that goes with it. */
export class MinioServer implements AsyncDisposable {
  readonly endpoint: string;
  readonly #process: ChildProcess;
  readonly #folder: AsyncDisposable;

  private constructor(endpoint: string, process: ChildProcess, folder: AsyncDisposable) {
    this.endpoint = endpoint;
    this.#process = process;
    this.#folder = folder;
  }

  static async start({ accessKeyId, secretAccessKey }: MinioOptions): Promise<MinioServer> {
    if (found === undefined) throw new Error('minio is not installed');
    const folder = await createTemporaryFolder();
    const address = `127.0.0.1:${await freePort()}`;
    const user = { MINIO_ROOT_USER: accessKeyId, MINIO_ROOT_PASSWORD: secretAccessKey };
    const child = spawn(found, ['server', '--address', address, folder.path], {
      stdio: ['ignore', 'ignore', 'pipe'],
      env: { ...process.env, ...user, MINIO_BROWSER: 'off', MINIO_UPDATE: 'off' },
    });
    for await (const line of createInterface({ input: child.stderr })) {
      if (!line.startsWith('API:')) continue;
      child.stderr.resume();
      return new MinioServer(`http://${address}`, child, folder);
    }
    throw new Error('minio ended before it listened');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const ended = new Promise((done) => this.#process.once('exit', done));
    this.#process.kill();
    await ended;
    await this.#folder[Symbol.asyncDispose]();
  }
}
