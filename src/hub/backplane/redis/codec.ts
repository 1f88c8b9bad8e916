import type { FrameBody } from '../../frame.js';
import type { Lost } from '../../history.js';
import type { Placement } from '../../store.js';

/** An event as Redis keeps it, without its place. Layout: whether it ends its channel (1), length of its own id (2), that id, its fields. */
export interface StoredEvent {
  readonly body: FrameBody;
  readonly isEnd: boolean;
}

/** An event with its place. */
export interface PlacedEvent extends StoredEvent {
  readonly placement: Placement;
}

/** What one publishing script tells all nodes. */
export interface PlacedMessage {
  /** The head before it: who has everything up to here has missed nothing. */
  readonly from: number;
  /** The head behind it. */
  readonly to: number;
  /** Calls `visit` with each event in order. */
  forEach(visit: (channel: string, placed: () => PlacedEvent) => void): void;
}

/** What Redis knows of a channel beside its events. */
export interface ChannelHeader {
  /** Offset of the newest event ever. */
  readonly head: number;
  readonly lost: Lost;
  readonly endedAtMs: number | undefined;
}

const EVENT_HEAD_BYTES = 3;
/** Offset (8), time (8). */
const RECORD_HEAD_BYTES = 16;
/** Head before (8), time (8), number of events (4). */
const MESSAGE_HEAD_BYTES = 20;
/** Length of the channel's name (2) and of the event (4). */
const PART_HEAD_BYTES = 6;

/** Numbers are little-endian, as the scripts have them. */
export function encodeStored({ body, isEnd }: StoredEvent): Buffer {
  const id = body.id ?? '';
  const idBytes = Buffer.byteLength(id);
  const bytes = Buffer.allocUnsafe(EVENT_HEAD_BYTES + idBytes + body.bytes.length);
  bytes[0] = isEnd ? 1 : 0;
  bytes.writeUInt16LE(idBytes, 1);
  bytes.write(id, EVENT_HEAD_BYTES);
  bytes.set(body.bytes, EVENT_HEAD_BYTES + idBytes);
  return bytes;
}

export function decodeStored(bytes: Buffer): StoredEvent {
  const bodyStart = EVENT_HEAD_BYTES + bytes.readUInt16LE(1);
  const id = bytes.toString('utf8', EVENT_HEAD_BYTES, bodyStart);
  // An own id is never empty.
  return { body: { id: id === '' ? undefined : id, bytes: bytes.subarray(bodyStart) }, isEnd: bytes[0] === 1 };
}

/** Reads an element of a channel's list. */
export function decodeRecord(bytes: Buffer): PlacedEvent {
  const stored = decodeStored(bytes.subarray(RECORD_HEAD_BYTES));
  const placement = { offset: bytes.readDoubleLE(0), timeMs: bytes.readDoubleLE(8), isEnd: stored.isEnd };
  return { ...stored, placement };
}

/** Reads the first element of a channel's list. */
export function decodeHeader(bytes: Buffer): ChannelHeader {
  const endedAtMs = bytes.readDoubleLE(40);
  return {
    head: bytes.readDoubleLE(0),
    lost: { offset: bytes.readDoubleLE(16), timeMs: bytes.readDoubleLE(24) },
    endedAtMs: endedAtMs === 0 ? undefined : endedAtMs,
  };
}

/** Reads a message; events are decoded only where `visit` asks for them. */
export function decodeMessage(bytes: Buffer): PlacedMessage {
  const from = bytes.readDoubleLE(0);
  const timeMs = bytes.readDoubleLE(8);
  const count = bytes.readUInt32LE(16);
  return {
    from,
    to: from + count,
    forEach(visit) {
      let at = MESSAGE_HEAD_BYTES;
      for (let offset = from + 1; offset <= from + count; offset += 1) {
        const nameEnd = at + PART_HEAD_BYTES + bytes.readUInt16LE(at);
        const end = nameEnd + bytes.readUInt32LE(at + 2);
        const channel = bytes.toString('utf8', at + PART_HEAD_BYTES, nameEnd);
        visit(channel, () => {
          const stored = decodeStored(bytes.subarray(nameEnd, end));
          return { ...stored, placement: { offset, timeMs, isEnd: stored.isEnd } };
        });
        at = end;
      }
    },
  };
}
