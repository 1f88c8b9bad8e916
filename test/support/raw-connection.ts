import { once } from 'node:events';
import { connect } from 'node:net';
import type { Socket } from 'node:net';

/** A connection that says what it likes, and what came back until now. */
export class RawConnection implements AsyncDisposable {
  readonly socket: Socket;
  text = '';

  constructor(hub: { readonly port: number }) {
    this.socket = connect({ port: hub.port, host: '127.0.0.1', noDelay: true });
    this.socket.on('data', (bytes: Buffer) => (this.text += bytes.toString('latin1'))).on('error', () => undefined);
  }

  send(text: string): this {
    this.socket.write(text, 'latin1');
    return this;
  }

  async until(pattern: RegExp): Promise<string> {
    const signal = AbortSignal.timeout(5000);
    while (!pattern.test(this.text)) await once(this.socket, 'data', { signal });
    return this.text;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.socket.closed) return;
    this.socket.destroy();
    await once(this.socket, 'close');
  }
}
