import { connect, createServer } from 'node:net';
import type { AddressInfo, Server, Socket } from 'node:net';

/** How a connection ends: as if the server closed it, or as if it vanished. */
export type Cut = 'FIN' | 'RST';

/** A TCP relay to a server that a test can cut, and that keeps clients waiting while it holds. */
export class CuttingLink implements AsyncDisposable {
  readonly #server: Server;
  readonly #near = new Set<Socket>();
  readonly #far = new Set<Socket>();
  readonly #waiting = new Set<Socket>();
  readonly #port: number;
  #isHolding = false;
  #inside: { readonly text: string; readonly onCut: () => void } | undefined;

  private constructor(port: number) {
    this.#port = port;
    this.#server = createServer({ allowHalfOpen: true }, (near) => {
      near.on('error', () => undefined).on('close', () => this.#waiting.delete(near));
      if (this.#isHolding) this.#waiting.add(near);
      else this.#relay(near);
    });
  }

  static async open(port: number): Promise<CuttingLink> {
    const link = new CuttingLink(port);
    await new Promise<void>((resolve) => void link.#server.listen(0, '127.0.0.1', resolve));
    return link;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** Ends what is connected; new connections are accepted and wait until `release()`. */
  cut(cut: Cut): void {
    this.#isHolding = true;
    for (const near of this.#near) end(near, cut);
    for (const far of this.#far) far.destroy();
  }

  /**
   * Cuts with a FIN in the middle of a text of the server, which is passed on up to there; holds as `cut()` does.
   * The text can be found in a gzip stream too: the hub stores what is small.
   */
  cutInside(text: string): Promise<void> {
    return new Promise((onCut) => {
      this.#inside = { text, onCut };
    });
  }

  release(): void {
    this.#isHolding = false;
    for (const near of this.#waiting) this.#relay(near);
    this.#waiting.clear();
  }

  #relay(near: Socket): void {
    const far = connect(this.#port, '127.0.0.1');
    this.#near.add(near);
    this.#far.add(far);
    near.on('data', (bytes) => far.write(bytes)).on('end', () => far.end());
    far
      .on('error', () => undefined)
      .on('data', (bytes) => this.#pass(bytes, near))
      .on('end', () => near.end());
    near.on('close', () => {
      this.#near.delete(near);
      far.destroy();
    });
    far.on('close', (hadError) => {
      this.#far.delete(far);
      if (hadError) near.resetAndDestroy();
      else near.end();
    });
  }

  #pass(bytes: Buffer, near: Socket): void {
    const place = this.#inside === undefined ? -1 : bytes.indexOf(this.#inside.text);
    if (this.#inside === undefined || place === -1) {
      near.write(bytes);
      return;
    }
    const { text, onCut } = this.#inside;
    this.#inside = undefined;
    near.write(bytes.subarray(0, place + Math.ceil(text.length / 2)));
    this.cut('FIN');
    onCut();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = new Promise<void>((resolve) => void this.#server.close(() => resolve()));
    for (const socket of [...this.#near, ...this.#far, ...this.#waiting]) socket.destroy();
    await closed;
  }
}

function end(near: Socket, cut: Cut): void {
  if (cut === 'RST') near.resetAndDestroy();
  // A client that keeps its side open is not waited for.
  else near.end(() => near.resume().setTimeout(1000, () => near.destroy()));
}
