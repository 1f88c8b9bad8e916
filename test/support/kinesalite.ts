import type { Server } from 'node:http';
import { createRequire } from 'node:module';
import type { AddressInfo } from 'node:net';

// It has no types.
const require = createRequire(import.meta.url);
type Start = (options: { readonly createStreamMs: number; readonly shardLimit: number }) => Server;

/** A running kinesalite, an emulator of Kinesis Data Streams. */
export class Kinesalite implements AsyncDisposable {
  readonly endpoint: string;
  readonly #server: Server;

  private constructor(server: Server) {
    this.#server = server;
    this.endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  }

  static async start(): Promise<Kinesalite> {
    const create = require('kinesalite') as Start;
    const server = create({ createStreamMs: 0, shardLimit: 1000 });
    await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', () => resolve()));
    return new Kinesalite(server);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise<void>((resolve) => void this.#server.close(() => resolve()));
  }
}
