import { writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';

import { TOKEN_SECRET } from './asking-hub.js';
import { BuiltCli } from './built-cli.js';
import { createTemporaryFolder } from './temporary-folder.js';

type TemporaryFolder = Awaited<ReturnType<typeof createTemporaryFolder>>;

/** `tidegate serve --auth jwt` as it ships, in a process of its own, at a port that outlives it. */
export class ServedHub implements AsyncDisposable {
  readonly port: number;
  readonly #flags: readonly string[];
  readonly #folder: TemporaryFolder;
  #cli: BuiltCli;

  private constructor(port: number, flags: readonly string[], folder: TemporaryFolder) {
    this.port = port;
    this.#flags = flags;
    this.#folder = folder;
    this.#cli = new BuiltCli(flags, folder.path);
  }

  static async start(...flags: readonly string[]): Promise<ServedHub> {
    const folder = await createTemporaryFolder();
    const port = await freePort();
    await writeFile(join(folder.path, 'secret'), TOKEN_SECRET);
    const auth = ['--auth', 'jwt', '--auth.jwt.secretFile', './secret', '--auth.jwt.toleranceMs', '0'];
    const hub = new ServedHub(
      port,
      ['serve', '--port', String(port), '--hub.drainMs', '300', ...auth, ...flags],
      folder,
    );
    await hub.#cli.until(/Hub listening/);
    return hub;
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  /** Ends the process and starts another in its place: what it had in memory is gone. */
  async restart(signal: 'SIGTERM' | 'SIGKILL'): Promise<void> {
    await this.#cli.end(signal);
    this.#cli = new BuiltCli(this.#flags, this.#folder.path);
    await this.#cli.until(/Hub listening/);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#cli.end('SIGKILL');
    await this.#folder[Symbol.asyncDispose]();
  }
}

/** A port that was free a moment ago. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}
