import { connect } from 'node:net';
import type { Socket } from 'node:net';

/** A plain connection to Redis on which commands may hold any bytes, and need not wait for each other. */
export class RedisTeller implements AsyncDisposable {
  readonly #socket: Socket;
  readonly #waiting: ((reply: string) => void)[] = [];
  #text = '';

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.on('data', (chunk) => this.#take(chunk.toString()));
    socket.on('error', () => undefined);
    socket.on('close', () => {
      for (const resolve of this.#waiting.splice(0)) resolve('-closed');
    });
  }

  static async open(port: number): Promise<RedisTeller> {
    const socket = connect(port, '127.0.0.1');
    await new Promise((resolve, reject) => socket.once('connect', resolve).once('error', reject));
    return new RedisTeller(socket);
  }

  /** The first line of the reply: enough for numbers, `+OK` and errors. */
  send(...words: readonly (string | Buffer)[]): Promise<string> {
    const bytes = words.map((word) => Buffer.from(word));
    const parts = bytes.flatMap((word) => [Buffer.from(`$${word.length}\r\n`), word, Buffer.from('\r\n')]);
    this.#socket.write(Buffer.concat([Buffer.from(`*${words.length}\r\n`), ...parts]));
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  /** Publishes; how many heard it. */
  async publish(channel: string | Buffer, message: string | Buffer): Promise<number> {
    return Number((await this.send('PUBLISH', channel, message)).slice(1));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#socket.destroy();
    return Promise.resolve();
  }

  #take(text: string): void {
    this.#text += text;
    for (let end = this.#text.indexOf('\r\n'); end !== -1; end = this.#text.indexOf('\r\n')) {
      this.#waiting.shift()?.(this.#text.slice(0, end));
      this.#text = this.#text.slice(end + 2);
    }
  }
}
