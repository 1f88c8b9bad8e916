import { STATUS_CODES } from 'node:http';
import type { Socket } from 'node:net';

import { chunkOf, LAST_CHUNK } from '../chunk.js';
import type { FlushBytes } from '../flush-bytes.js';
import type { Outlet } from '../subscriber.js';
import type { Reply, WholeAnswer } from './reply.js';

/** Answers on a bare socket, of which nothing is kept but the socket; the connection ends with the answer. */
export class SocketReply implements Reply {
  readonly #socket: Socket;
  readonly #headers = new Map<string, string>();

  constructor(socket: Socket) {
    this.#socket = socket;
  }

  get isGone(): boolean {
    return this.#socket.destroyed;
  }

  async itsTurn(): Promise<void> {
    // It is the first request of its connection, and the last.
  }

  setHeader(name: string, value: string): void {
    this.#headers.set(name, value);
  }

  addVary(name: string): void {
    const vary = this.#headers.get('Vary');
    this.#headers.set('Vary', vary === undefined ? name : `${vary}, ${name}`);
  }

  send({ status, headers, body = '' }: WholeAnswer): void {
    const length: Record<string, string> = status === 204 ? {} : { 'Content-Length': String(Buffer.byteLength(body)) };
    this.#socket.cork();
    this.#writeHead(status, { ...headers, ...length });
    this.#socket.end(body);
    this.#socket.uncork();
  }

  stream(headers: Readonly<Record<string, string>>, begin: (outlet: Outlet) => void): void {
    this.#socket.cork();
    this.#writeHead(200, { ...headers, 'Transfer-Encoding': 'chunked' });
    begin(new SocketOutlet(this.#socket));
    this.#socket.uncork();
  }

  onClosed(task: () => void): void {
    this.#socket.once('close', task);
  }

  #writeHead(status: number, headers: Readonly<Record<string, string>>): void {
    const all = [
      ...this.#headers,
      ...Object.entries(headers),
      ['Date', new Date().toUTCString()],
      ['Connection', 'close'],
    ];
    const lines = all.map(([name, value]) => `${name}: ${value}\r\n`);
    this.#socket.write(`HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ''}\r\n${lines.join('')}\r\n`, 'latin1');
  }
}

/** The way to a subscriber that has a socket of its own and nothing in between; only HTTP/1.1 comes here. */
class SocketOutlet implements Outlet {
  readonly #socket: Socket;

  constructor(socket: Socket) {
    this.#socket = socket;
  }

  get pendingBytes(): number {
    return this.#socket.writableLength;
  }

  get socket(): Socket {
    return this.#socket;
  }

  write(bytes: Uint8Array): boolean {
    return this.#socket.write(chunkOf([bytes]));
  }

  flush(flush: FlushBytes): boolean {
    return this.#socket.write(flush.chunk);
  }

  onDrain(resume: () => void): void {
    this.#socket.once('drain', resume);
  }

  end(): void {
    this.#socket.end(LAST_CHUNK);
  }

  destroy(): void {
    this.#socket.destroy();
  }

  destroyConnection(): void {
    this.#socket.destroy();
  }
}
