import type { Socket } from 'node:net';

import type { EncodedFrame } from '../frame.js';
import type { Placement } from '../store.js';

/** One frame on its way to a worker. */
export interface LinkFrame {
  readonly channel: string;
  readonly frame: EncodedFrame;
  readonly placement: Placement;
}

export interface LinkHandlers {
  /** A message, as JSON has it. */
  onMessage(message: unknown): void;
  onFrame(frame: LinkFrame): void;
  /** Everything that came in one read has been handed over. */
  onRead(): void;
  /** The other end is gone, by its own will or ours; called once. */
  onClosed(): void;
}

/** Every message: bytes behind this word (4), what it is (1), and those bytes. */
const HEAD_BYTES = 5;
const JSON_TEXT = 1;
const FRAME = 2;
/** Behind it: offset (8), time (8), body's start (4) and end (4), whether it ends its channel (1), length of the name (2), name, frame. */
const FRAME_HEAD_BYTES = 27;

/** The other end takes nothing any more: what waits for it has become too much, and the link is cut. */
const PENDING_BYTES_MAX = 256 * 1024 * 1024;
/** While more than this waits, no long answer is begun. */
const BUSY_BYTES = 8 * 1024 * 1024;

/**
 * After a write of many messages the next waits so long, and takes all that came in the meantime: each write costs both
 * ends a wake-up. Who asks one thing after the other never waits.
 */
const REST_MS = 2;
const MANY_MESSAGES = 8;

/** A connection between two processes of one hub: messages in order, those of one turn in one write. */
export class Link {
  readonly #socket: Socket;
  readonly #handlers: LinkHandlers;
  #parts: Buffer[] = [];
  #partBytes = 0;
  #isScheduled = false;
  #restUntilMs = 0;
  readonly #waiting: (() => void)[] = [];
  #received: Buffer[] = [];
  #receivedBytes = 0;
  /** Bytes that the message being received needs. */
  #wantedBytes = HEAD_BYTES;

  constructor(socket: Socket, handlers: LinkHandlers) {
    this.#socket = socket;
    this.#handlers = handlers;
    socket.on('data', (chunk: Buffer) => this.#receive(chunk));
    socket.on('drain', () => this.#ready());
    // An error is followed by `close`, and there is nothing to do about it but that.
    socket.on('error', () => undefined);
    socket.once('close', () => {
      this.#ready();
      handlers.onClosed();
    });
  }

  /** Bytes that wait to be sent. */
  get pendingBytes(): number {
    return this.#socket.writableLength + this.#partBytes;
  }

  get isClosed(): boolean {
    return this.#socket.destroyed;
  }

  /** Resolves when what waits is little, or the link is closed. */
  async whenReady(): Promise<void> {
    while (this.pendingBytes > BUSY_BYTES && !this.isClosed)
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
  }

  send(message: object): void {
    this.sendEncoded(encode(JSON_TEXT, Buffer.from(JSON.stringify(message))));
  }

  /** `bytes` as {@link encodeLinkFrame} made them, once for every link. */
  sendEncoded(bytes: Buffer): void {
    this.#parts.push(bytes);
    this.#partBytes += bytes.length;
    if (this.pendingBytes > PENDING_BYTES_MAX) return this.destroy();
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    const restMs = this.#restUntilMs - performance.now();
    if (restMs <= 0) setImmediate(() => this.#flush());
    else setTimeout(() => this.#flush(), restMs);
  }

  /** Sends what waits, then closes. */
  end(): void {
    this.#flush();
    this.#socket.end();
  }

  destroy(): void {
    this.#socket.destroy();
  }

  #flush(): void {
    this.#isScheduled = false;
    if (this.#partBytes === 0 || this.#socket.destroyed) return;
    const bytes = Buffer.concat(this.#parts, this.#partBytes);
    if (this.#parts.length >= MANY_MESSAGES) this.#restUntilMs = performance.now() + REST_MS;
    this.#parts = [];
    this.#partBytes = 0;
    this.#socket.write(bytes);
  }

  #ready(): void {
    for (const resolve of this.#waiting.splice(0)) resolve();
  }

  #receive(chunk: Buffer): void {
    this.#received.push(chunk);
    this.#receivedBytes += chunk.length;
    if (this.#receivedBytes < this.#wantedBytes) return;
    const bytes = this.#received.length === 1 ? chunk : Buffer.concat(this.#received, this.#receivedBytes);
    let at = 0;
    this.#wantedBytes = HEAD_BYTES;
    while (bytes.length - at >= HEAD_BYTES) {
      const end = at + HEAD_BYTES + bytes.readUInt32LE(at);
      if (end > bytes.length) {
        this.#wantedBytes = end - at;
        break;
      }
      this.#deliver(bytes[at + 4], bytes.subarray(at + HEAD_BYTES, end));
      at = end;
    }
    const rest = bytes.subarray(at);
    this.#received = rest.length === 0 ? [] : [rest];
    this.#receivedBytes = rest.length;
    this.#handlers.onRead();
  }

  #deliver(kind: number | undefined, payload: Buffer): void {
    if (kind === FRAME) this.#handlers.onFrame(decodeFrame(payload));
    else this.#handlers.onMessage(JSON.parse(payload.toString()));
  }
}

export function encodeLinkFrame({ channel, frame, placement }: LinkFrame): Buffer {
  const nameBytes = Buffer.byteLength(channel);
  const bytes = Buffer.allocUnsafe(HEAD_BYTES + FRAME_HEAD_BYTES + nameBytes + frame.bytes.length);
  bytes.writeUInt32LE(bytes.length - HEAD_BYTES, 0);
  bytes[4] = FRAME;
  bytes.writeDoubleLE(placement.offset, 5);
  bytes.writeDoubleLE(placement.timeMs, 13);
  bytes.writeUInt32LE(frame.bodyStart, 21);
  bytes.writeUInt32LE(frame.bodyEnd, 25);
  bytes[29] = placement.isEnd ? 1 : 0;
  bytes.writeUInt16LE(nameBytes, 30);
  bytes.write(channel, HEAD_BYTES + FRAME_HEAD_BYTES);
  bytes.set(frame.bytes, HEAD_BYTES + FRAME_HEAD_BYTES + nameBytes);
  return bytes;
}

function decodeFrame(payload: Buffer): LinkFrame {
  const nameEnd = FRAME_HEAD_BYTES + payload.readUInt16LE(25);
  return {
    channel: payload.toString('utf8', FRAME_HEAD_BYTES, nameEnd),
    placement: { offset: payload.readDoubleLE(0), timeMs: payload.readDoubleLE(8), isEnd: payload[24] === 1 },
    frame: {
      bytes: payload.subarray(nameEnd),
      bodyStart: payload.readUInt32LE(16),
      bodyEnd: payload.readUInt32LE(20),
    },
  };
}

function encode(kind: number, payload: Buffer): Buffer {
  const head = Buffer.allocUnsafe(HEAD_BYTES);
  head.writeUInt32LE(payload.length, 0);
  head[4] = kind;
  return Buffer.concat([head, payload]);
}
