import type { OutgoingHttpHeaders, ServerResponse } from 'node:http';

import type { Outlet } from '../subscriber.js';
import { createOutlet, http2StreamOf, isGone } from './outlet.js';
import { endRequests } from './request-gate.js';

/** An answer that is whole when it is sent. */
export interface WholeAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: string | Uint8Array;
}

/** The answer to a request for a stream, whatever it goes out by. */
export interface Reply {
  /** Whether there is nobody left to answer. */
  readonly isGone: boolean;
  /** Resolves when the answers before it are through; then it may have gone. */
  itsTurn(): Promise<void>;
  setHeader(name: string, value: string): void;
  /** Adds to what the answer depends on. */
  addVary(name: string): void;
  send(answer: WholeAnswer): void;
  /** Sends the head and opens the stream; what `begin` writes leaves with it in one write. */
  stream(headers: Readonly<Record<string, string>>, begin: (outlet: Outlet) => void): void;
  /** The connection is gone, from whichever side. */
  onClosed(task: () => void): void;
}

/** Answers by Node's own response, of HTTP/1.1 or HTTP/2. */
export class ResponseReply implements Reply {
  readonly #response: ServerResponse;

  constructor(response: ServerResponse) {
    this.#response = response;
  }

  get isGone(): boolean {
    return isGone(this.#response) || !this.#response.socket;
  }

  /**
   * A request that did not wait for the answer before it has no socket yet. If that answer never ends, nor would a
   * subscriber that nobody can write to; so there is none until the socket is there, and none if it never is.
   */
  async itsTurn(): Promise<void> {
    const response = this.#response;
    if (response.socket !== null || response.req.httpVersionMajor !== 1) return;
    await new Promise<unknown>((resolve) => response.once('socket', resolve));
  }

  setHeader(name: string, value: string): void {
    this.#response.setHeader(name, value);
  }

  addVary(name: string): void {
    const vary = this.#response.getHeader('Vary');
    this.#response.setHeader('Vary', vary === undefined ? name : `${String(vary)}, ${name}`);
  }

  send({ status, headers, body }: WholeAnswer): void {
    this.#response.writeHead(status, headers as OutgoingHttpHeaders).end(body);
  }

  stream(headers: Readonly<Record<string, string>>, begin: (outlet: Outlet) => void): void {
    const response = this.#response;
    const { httpVersionMajor, httpVersionMinor } = response.req;
    // Node would send chunks to a client of HTTP/1.0 that says `TE: chunked`; see createOutlet.
    if (httpVersionMajor === 1 && httpVersionMinor === 0) response.removeHeader('Transfer-Encoding');
    if (httpVersionMajor === 1) response.setHeader('Connection', 'close');
    response.writeHead(200, headers as OutgoingHttpHeaders);
    if (response.req.httpVersionMajor === 1) endRequests(response);
    const way = http2StreamOf(response) ?? response.socket;
    way?.cork();
    response.flushHeaders();
    begin(createOutlet(response));
    way?.uncork();
  }

  onClosed(task: () => void): void {
    this.#response.once('close', task);
  }
}
