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
  /** Calls `visit` with each run of events of one channel, in order. @throws RangeError where it is none of ours. */
  forEach(visit: (channel: string, events: () => readonly PlacedEvent[]) => void): void;
}

/** What Redis knows of a channel beside its events. */
export interface ChannelHeader {
  /** Offset of the newest event ever. */
  readonly head: number;
  readonly lost: Lost;
  /** A hash of the publisher to whom it is charged. */
  readonly publisher: string;
  readonly endedAtMs: number | undefined;
  /** Offsets of its newest events, kept or replaced; none where none can be replaced. */
  readonly recentOffsets: readonly number[];
}

/** How an event begins. */
export const EVENT_HEAD_BYTES = 3;
/** Nine numbers (8 each), what it keeps beside its list (1), and its publisher (6); see `FORM` in lua-channels.ts. */
const HEADER_BYTES = 79;
const PUBLISHER_AT = 73;
/** Offset (8), time (8). */
const RECORD_HEAD_BYTES = 16;
/** Head before (8), time (8), number of events (4). */
const MESSAGE_HEAD_BYTES = 20;
/** Length of the channel's name (2), number of events (4), bytes of all (4). */
const RUN_HEAD_BYTES = 10;
/** In front of each event of a run. */
const LENGTH_BYTES = 4;

/** Numbers are little-endian, as the scripts have them. */
export function decodeStored(bytes: Buffer): StoredEvent {
  const bodyStart = EVENT_HEAD_BYTES + bytes.readUInt16LE(1);
  // An own id is never empty.
  const id = bodyStart === EVENT_HEAD_BYTES ? undefined : bytes.toString('utf8', EVENT_HEAD_BYTES, bodyStart);
  return { body: { id, bytes: bytes.subarray(bodyStart) }, isEnd: bytes[0] === 1 };
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
  const recentOffsets: number[] = [];
  for (let at = HEADER_BYTES; at < bytes.length; at += 8) recentOffsets.push(bytes.readDoubleLE(at));
  return {
    head: bytes.readDoubleLE(0),
    lost: { offset: bytes.readDoubleLE(16), timeMs: bytes.readDoubleLE(24) },
    publisher: bytes.toString('hex', PUBLISHER_AT, HEADER_BYTES),
    endedAtMs: endedAtMs === 0 ? undefined : endedAtMs,
    recentOffsets,
  };
}

/** Reads a message; events are decoded only where `visit` asks for them. @throws RangeError where it is none of ours. */
export function decodeMessage(bytes: Buffer): PlacedMessage {
  const from = bytes.readDoubleLE(0);
  const timeMs = bytes.readDoubleLE(8);
  const count = bytes.readUInt32LE(16);
  const isPlausible = Number.isSafeInteger(from) && from >= 0 && count * LENGTH_BYTES < bytes.length;
  if (!isPlausible) throw new RangeError('Cannot read a message: it is none of ours');
  return {
    from,
    to: from + count,
    forEach(visit) {
      let offset = from + 1;
      for (let at = MESSAGE_HEAD_BYTES; offset <= from + count;) {
        const nameEnd = at + RUN_HEAD_BYTES + bytes.readUInt16LE(at);
        const events = bytes.readUInt32LE(at + 2);
        const end = nameEnd + bytes.readUInt32LE(at + 6);
        const first = offset;
        visit(bytes.toString('utf8', at + RUN_HEAD_BYTES, nameEnd), () =>
          decodeRun(bytes.subarray(nameEnd, end), events, { offset: first, timeMs }),
        );
        offset += events;
        at = end;
      }
    },
  };
}

function decodeRun(
  bytes: Buffer,
  count: number,
  { offset, timeMs }: Pick<Placement, 'offset' | 'timeMs'>,
): readonly PlacedEvent[] {
  const events: PlacedEvent[] = [];
  let at = 0;
  for (let placed = offset; placed < offset + count; placed += 1) {
    const end = at + LENGTH_BYTES + bytes.readUInt32LE(at);
    if (end > bytes.length) throw new RangeError('Cannot read an event of a message: it is cut');
    const { body, isEnd } = decodeStored(bytes.subarray(at + LENGTH_BYTES, end));
    events.push({ body, isEnd, placement: { offset: placed, timeMs, isEnd } });
    at = end;
  }
  return events;
}
