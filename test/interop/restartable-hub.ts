import { createServer } from 'node:net';

import { BuiltCli } from '../support/built-cli.js';
import { createTemporaryFolder } from '../support/temporary-folder.js';
import type { TemporaryFolder } from '../support/temporary-folder.js';

/** An event as `POST /publish` takes it. */
export interface PublishedEvent {
  readonly event?: string;
  readonly data: string;
}

/** `tidegate serve` as it ships, with its default settings, on one port that outlives its processes. */
export class RestartableHub implements AsyncDisposable {
  readonly port: number;
  readonly #args: readonly string[];
  readonly #folder: TemporaryFolder;
  #process: BuiltCli | undefined;

  private constructor(port: number, args: readonly string[], folder: TemporaryFolder) {
    this.port = port;
    this.#args = args;
    this.#folder = folder;
  }

  /** @param origin Of the pages that may subscribe: browsers ask. */
  static async start(origin: string): Promise<RestartableHub> {
    // Datastar's own header needs leave across origins; the rest is as it comes.
    const args = ['--http.cors.origins', origin, '--http.cors.headers', 'Datastar-Request'];
    const hub = new RestartableHub(await quietPort(), args, await createTemporaryFolder());
    await hub.restart();
    return hub;
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  async restart(): Promise<void> {
    this.#process = new BuiltCli(['serve', '--http.port', String(this.port), ...this.#args], this.#folder.path);
    await this.#process.until(/Hub listening/);
  }

  async kill(): Promise<void> {
    await this.#process?.end('SIGKILL');
  }

  /** Resolves when it has sent its subscribers away and is gone. */
  async drain(): Promise<void> {
    await this.#process?.end('SIGTERM');
  }

  async publish(channel: string, event: PublishedEvent): Promise<void> {
    const answer = await fetch(`${this.url}/publish/${channel}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(event),
    });
    if (!answer.ok) throw new Error(`Publishing: ${answer.status} ${await answer.text()}`);
  }

  async subscribers(channel: string): Promise<number> {
    const answer = await fetch(`${this.url}/channels/${channel}`);
    if (answer.status === 404) return 0;
    return ((await answer.json()) as { readonly subscribers: number }).subscribers;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill();
    await this.#folder[Symbol.asyncDispose]();
  }
}

/** A free port below those that the system gives to clients: nothing takes it while the hub is away. */
async function quietPort(): Promise<number> {
  for (;;) {
    const port = 20_000 + Math.floor(Math.random() * 10_000);
    const server = createServer();
    const isFree = await new Promise<boolean>((resolve) => {
      server.once('error', () => resolve(false)).listen(port, '127.0.0.1', () => resolve(true));
    });
    if (!isFree) continue;
    await new Promise((resolve) => server.close(resolve));
    return port;
  }
}
