import { once } from 'node:events';
import { createServer } from 'node:http';
import type { IncomingHttpHeaders, Server } from 'node:http';
import { connect } from 'node:net';
import type { AddressInfo } from 'node:net';

/** A request as Node's parser reads it. */
export interface ReadRequest {
  readonly method: string | undefined;
  readonly url: string | undefined;
  readonly httpVersionMajor: number;
  readonly headers: IncomingHttpHeaders;
}

/** Node's own HTTP server on a real socket, asked what it makes of the first bytes of a connection. */
export class NodeParser implements AsyncDisposable {
  readonly #server: Server;
  #read: ReadRequest[] = [];

  private constructor(server: Server) {
    this.#server = server;
    server.on('request', ({ method, url, httpVersionMajor, headers }, response) => {
      this.#read.push({ method, url, httpVersionMajor, headers });
      response.end();
    });
    // Without it Node writes a 400, which it does here too by closing.
    server.on('clientError', (_error, socket) => socket.destroy());
  }

  static async start(maxHeaderSize: number): Promise<NodeParser> {
    const server = createServer({ maxHeaderSize, keepAliveTimeout: 1 });
    await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve));
    return new NodeParser(server);
  }

  /** The requests that Node reads in `bytes`, when that is all that its connection carries. */
  async read(bytes: Uint8Array): Promise<readonly ReadRequest[]> {
    this.#read = [];
    const socket = connect((this.#server.address() as AddressInfo).port, '127.0.0.1');
    socket.on('error', () => undefined).resume();
    socket.end(bytes);
    await once(socket, 'close');
    return this.#read;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}
