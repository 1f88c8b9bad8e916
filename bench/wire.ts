import { connect as connectHttp2 } from 'node:http2';
import type { ClientHttp2Session } from 'node:http2';
import { connect } from 'node:net';
import type { Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';

/** How a load generator and a server speak. */
export type Wire = 'http' | 'https' | 'http2';

/** Takes what comes on one stream; on HTTP/1.1 the answer's head is part of it. */
export interface StreamHandlers {
  readonly onChunk: (chunk: Buffer) => void;
  readonly onClosed: () => void;
}

/** Streams on one HTTP/2 connection: about what a browser with many tabs holds. */
const STREAMS_PER_SESSION = 100;

/** A socket to an `http:` or `https:` URL; any certificate will do. */
export function openSocket(url: string): Socket {
  const { protocol, hostname, port } = new URL(url);
  if (protocol === 'http:') return connect({ host: hostname, port: Number(port), noDelay: true });
  const socket = connectTls({
    host: hostname,
    port: Number(port),
    ALPNProtocols: ['http/1.1'],
    rejectUnauthorized: false,
  });
  socket.setNoDelay(true);
  return socket;
}

/** Opens streams one by one. */
export class StreamOpener {
  readonly #url: string;
  readonly #wire: Wire;
  readonly #headers: Readonly<Record<string, string>>;
  #session: ClientHttp2Session | undefined;
  #streams = 0;

  constructor(url: string, wire: Wire, headers: Readonly<Record<string, string>> = {}) {
    this.#url = url;
    this.#wire = wire;
    this.#headers = headers;
  }

  open(handlers: StreamHandlers): void {
    if (this.#wire === 'http2') this.#openHttp2(handlers);
    else this.#openHttp1(handlers);
  }

  #openHttp1({ onChunk, onClosed }: StreamHandlers): void {
    const { host, pathname, search } = new URL(this.#url);
    const socket = openSocket(this.#url);
    const headers = Object.entries({ Host: host, Accept: 'text/event-stream', ...this.#headers });
    const lines = headers.map(([name, value]) => `${name}: ${value}\r\n`).join('');
    socket.write(`GET ${pathname}${search} HTTP/1.1\r\n${lines}\r\n`);
    socket.on('data', onChunk);
    socket.on('error', () => undefined).on('close', onClosed);
  }

  #openHttp2({ onChunk, onClosed }: StreamHandlers): void {
    if (this.#session === undefined || this.#streams % STREAMS_PER_SESSION === 0) {
      this.#session = connectHttp2(new URL(this.#url).origin, { rejectUnauthorized: false });
      this.#session.on('error', () => undefined);
    }
    this.#streams += 1;
    const { pathname, search } = new URL(this.#url);
    const stream = this.#session.request({ ':path': pathname + search, accept: 'text/event-stream', ...this.#headers });
    stream.on('data', onChunk);
    stream.on('error', () => undefined).on('close', onClosed);
  }
}
