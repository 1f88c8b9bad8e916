import { connect, createServer } from 'node:net';
import type { AddressInfo, Server, Socket } from 'node:net';

/** A way to a server that a test can cut: what is under way is lost, and while it is down nobody gets through. */
export class CuttableLink implements AsyncDisposable {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  #isUp = true;
  #refusals = 0;
  #loss: { answersBefore: number; readonly onLoss: () => void } | undefined;

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
      }
      // Before what pipes, so that nothing of the answer gets through.
      far.on('data', (bytes: Buffer) => this.#isLost(bytes) && near.destroy());
      near.pipe(far).pipe(near);
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

  /**
   * Lets so many HTTP answers through, and cuts the connection in place of the next: what was asked for is done,
   * and who asked cannot know. `onLoss` is told when it happens.
   */
  loseAnswer(answersBefore = 0, onLoss: () => void = () => {}): void {
    this.#loss = { answersBefore, onLoss };
  }

  down(): void {
    this.#isUp = false;
    this.cut();
  }

  up(): void {
    this.#isUp = true;
  }

  #isLost(bytes: Buffer): boolean {
    // An answer is never so short that its first bytes come apart; 100 Continue is none.
    const isAnswer = /^HTTP\/1\.[01] [2-5]/.test(bytes.subarray(0, 12).toString('latin1'));
    if (this.#loss === undefined || !isAnswer || (this.#loss.answersBefore -= 1) >= 0) return false;
    const { onLoss } = this.#loss;
    this.#loss = undefined;
    onLoss();
    return true;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.down();
    await new Promise<void>((resolve) => void this.#server.close(() => resolve()));
  }
}
