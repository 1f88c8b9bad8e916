import { once } from 'node:events';
import { connect } from 'node:tls';
import type { TLSSocket } from 'node:tls';

import { CERTIFICATE } from './certificate.js';

/** Types of frames (RFC 9113, 6). */
export const FRAME = {
  data: 0,
  headers: 1,
  priority: 2,
  reset: 3,
  settings: 4,
  ping: 6,
  goaway: 7,
  continuation: 9,
} as const;
/** Flags of frames. */
export const END_STREAM = 1;
export const END_HEADERS = 4;

const PREFACE = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n');
const HEADER_BYTES = 9;
/** A peer must take frames of so many bytes. */
const PAYLOAD_BYTES = 16_000;

export function frame(type: number, flags: number, stream: number, payload: Uint8Array = new Uint8Array(0)): Buffer {
  const head = Buffer.alloc(HEADER_BYTES);
  head.writeUIntBE(payload.length, 0, 3);
  head.writeUInt8(type, 3);
  head.writeUInt8(flags, 4);
  head.writeUInt32BE(stream, 5);
  return Buffer.concat([head, payload]);
}

/** A header as HPACK has it, literal and not indexed; `mark` 0x40 adds it to the table (RFC 7541, 6.2). */
export function header(name: string, value: string, mark = 0): Buffer {
  return Buffer.concat([Buffer.from([mark]), text(name), text(value)]);
}

export function request(path: string, method = 'GET'): Buffer {
  const pairs = [
    [':method', method],
    [':path', path],
    [':scheme', 'https'],
    [':authority', 'h'],
  ] as const;
  return Buffer.concat(pairs.map(([name, value]) => header(name, value)));
}

/** A block of headers in as many frames as it takes. */
export function headerFrames(stream: number, block: Buffer, flags = END_STREAM): Buffer {
  const frames: Buffer[] = [];
  for (let at = 0; at < block.length; at += PAYLOAD_BYTES) {
    const isLast = at + PAYLOAD_BYTES >= block.length;
    const type = at === 0 ? FRAME.headers : FRAME.continuation;
    frames.push(
      frame(type, (at === 0 ? flags : 0) | (isLast ? END_HEADERS : 0), stream, block.subarray(at, at + PAYLOAD_BYTES)),
    );
  }
  return Buffer.concat(frames);
}

function text(value: string): Buffer {
  const length: number[] = [];
  let rest = value.length;
  if (rest < 127) return Buffer.concat([Buffer.from([rest]), Buffer.from(value, 'latin1')]);
  rest -= 127;
  for (; rest >= 128; rest = Math.floor(rest / 128)) length.push((rest % 128) + 128);
  return Buffer.concat([Buffer.from([127, ...length, rest]), Buffer.from(value, 'latin1')]);
}

/** An HTTP/2 client that writes whatever frames it likes, and acknowledges no settings. */
export class Http2Attacker implements AsyncDisposable {
  readonly socket: TLSSocket;
  /** Types of frames that came, each with its stream and the last 32 bits of what it carried. */
  readonly received: { readonly type: number; readonly stream: number; readonly code: number }[] = [];
  #bytes: Buffer = Buffer.alloc(0);

  private constructor(socket: TLSSocket) {
    this.socket = socket;
    socket.on('error', () => undefined).on('data', (bytes: Buffer) => this.#take(bytes));
  }

  static async open(port: number): Promise<Http2Attacker> {
    const socket = connect({ port, host: '127.0.0.1', ca: CERTIFICATE?.cert, ALPNProtocols: ['h2'] });
    await once(socket, 'secureConnect');
    const attacker = new Http2Attacker(socket);
    attacker.write(PREFACE, frame(FRAME.settings, 0, 0));
    return attacker;
  }

  write(...frames: readonly Buffer[]): void {
    if (this.socket.writable) this.socket.write(Buffer.concat(frames));
  }

  /** Writes `frames` `times` times, with a turn of the event loop between, until the server hangs up. */
  async flood(frames: Buffer, times: number): Promise<void> {
    for (let at = 0; at < times && this.socket.writable; at += 1) {
      this.write(frames);
      await new Promise(setImmediate);
    }
  }

  /** Whether the server has ended the connection, or said that it will. */
  get isOver(): boolean {
    return this.socket.closed || this.received.some(({ type }) => type === FRAME.goaway);
  }

  count(type: number): number {
    return this.received.filter((one) => one.type === type).length;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.socket.closed) return;
    this.socket.destroy();
    await once(this.socket, 'close');
  }

  #take(bytes: Buffer): void {
    this.#bytes = Buffer.concat([this.#bytes, bytes]);
    while (this.#bytes.length >= HEADER_BYTES) {
      const end = HEADER_BYTES + this.#bytes.readUIntBE(0, 3);
      if (this.#bytes.length < end) return;
      const code = end >= HEADER_BYTES + 4 ? this.#bytes.readUInt32BE(end - 4) : 0;
      this.received.push({ type: this.#bytes.readUInt8(3), stream: this.#bytes.readUInt32BE(5), code });
      this.#bytes = this.#bytes.subarray(end);
    }
  }
}
