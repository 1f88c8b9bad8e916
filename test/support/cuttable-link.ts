import { connect, createServer } from 'node:net';
import type { AddressInfo, Server, Socket } from 'node:net';

/** A way to a server that a test can cut: what is under way is lost, and while it is down nobody gets through. */
export class CuttableLink implements AsyncDisposable {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  #isUp = true;
  #refusals = 0;

  private constructor(port: () => number) {
    this.#server = createServer((near) => {
      if (!this.#isUp || this.#refusals > 0) {
        this.#refusals = Math.max(0, this.#refusals - 1);
        return near.destroy();
      }
      const far = connect(port(), '127.0.0.1');
      for (const [socket, other] of [
        [near, far],
        [far, near],
      ] as const) {
        this.#sockets.add(socket);
        socket
          .on('error', () => undefined)
          .on('close', () => {
            this.#sockets.delete(socket);
            other.destroy();
          });
        socket.pipe(other);
      }
      return undefined;
    });
  }

  /** A link to whatever `port` says at the time. */
  static async open(port: () => number): Promise<CuttableLink> {
    const link = new CuttableLink(port);
    await new Promise<void>((resolve) => void link.#server.listen(0, '127.0.0.1', resolve));
    return link;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** Cuts what is under way; new connections get through. */
  cut(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  /** Cuts what is under way, and the next connection. */
  refuseNext(): void {
    this.#refusals += 1;
    this.cut();
  }

  down(): void {
    this.#isUp = false;
    this.cut();
  }

  up(): void {
    this.#isUp = true;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.down();
    await new Promise<void>((resolve) => void this.#server.close(() => resolve()));
  }
}
