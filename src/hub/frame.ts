import { CONTROL, encodeComment, encodeEvent } from '../protocol/index.js';
import type { ConflatedData, EndData, ErrorData, GapData, OpenData } from '../protocol/index.js';

/** An event's bytes and where, between its id and its cursor, the fields lie that every form of it shares. */
export interface EncodedFrame {
  readonly bytes: Uint8Array;
  readonly bodyStart: number;
  readonly bodyEnd: number;
}

/** The fields of an event that a publisher gives. */
export interface FrameFields {
  readonly id?: string;
  readonly event?: string;
  readonly data: string;
  readonly retry?: number;
}

const LF = 10;

/**
 * Encodes an event once for all its subscribers. Its id is its cursor; a publisher's own id goes out as it
 * is, and the cursor follows in a block of its own (PROTOCOL.md, 3.4).
 * @throws ProtocolError where a field cannot go on the wire.
 */
export function encodeFrame(fields: FrameFields, cursor: string): EncodedFrame {
  if (fields.id === undefined) {
    const bytes = encodeEvent({ ...fields, id: cursor });
    // `id: `, the cursor (ASCII), a line end.
    return { bytes, bodyStart: cursor.length + 5, bodyEnd: bytes.length };
  }
  const event = encodeEvent(fields);
  const idLineBytes = event.indexOf(LF) + 1;
  return { bytes: Buffer.concat([event, encodeCursor(cursor)]), bodyStart: idLineBytes, bodyEnd: event.length };
}

/** An event before it has its place: the fields that do not depend on it, encoded, and a publisher's own id. */
export interface FrameBody {
  readonly id: string | undefined;
  readonly bytes: Uint8Array;
}

/** Encodes what of an event is the same wherever it is placed. @throws ProtocolError where a field cannot go on the wire. */
export function encodeBody(fields: FrameFields): FrameBody {
  const { bytes, bodyStart, bodyEnd } = encodeFrame(fields, '');
  return { id: fields.id, bytes: bytes.subarray(bodyStart, bodyEnd) };
}

/** The frame that {@link encodeFrame} makes of the same fields. */
export function frameOf({ id, bytes }: FrameBody, cursor: string): EncodedFrame {
  if (id === undefined) return frameWithCursor(bytes, cursor);
  const idLine = Buffer.from(`id: ${id}\n`);
  const bodyEnd = idLine.length + bytes.length;
  return { bytes: Buffer.concat([idLine, bytes, encodeCursor(cursor)]), bodyStart: idLine.length, bodyEnd };
}

/** Most events have no id of their own, and each node makes the frame of each. */
function frameWithCursor(body: Uint8Array, cursor: string): EncodedFrame {
  const idLine = `id: ${cursor}\n`;
  const bytes = Buffer.allocUnsafe(idLine.length + body.length);
  bytes.write(idLine, 'latin1');
  bytes.set(body, idLine.length);
  return { bytes, bodyStart: idLine.length, bodyEnd: bytes.length };
}

/** The body of a channel's last event. */
export function encodeEndBody(data: EndData): FrameBody {
  return encodeBody({ event: CONTROL.end, data: JSON.stringify(data) });
}

/** Says again which channels have ended, where their own last event is not sent (PROTOCOL.md, 7.3); without ids, as nothing is passed. */
export function encodeEnded(channels: readonly string[]): Uint8Array {
  return Buffer.concat(channels.map((channel) => encodeEndBody({ channel }).bytes));
}

/** The block that moves a client's Last-Event-ID and carries nothing else. */
export function encodeCursor(cursor: string): Uint8Array {
  return encodeEvent({ event: CONTROL.cursor, id: cursor, data: '{}' });
}

/** The first block of every stream; without an id it leaves the client's own where it is. */
export function encodeOpen(cursor: string | undefined, data: OpenData, retryMs: number): Uint8Array {
  const fields = { event: CONTROL.open, data: JSON.stringify(data), retry: retryMs };
  return encodeEvent(cursor === undefined ? fields : { ...fields, id: cursor });
}

/** The line that moves a client's Last-Event-ID. */
export function encodeIdLine(cursor: string): Uint8Array {
  return Buffer.from(`id: ${cursor}\n`);
}

/** A block that moves a client's Last-Event-ID and dispatches nothing. */
export function encodeIdBlock(cursor: string): Uint8Array {
  return Buffer.from(`id: ${cursor}\n\n`);
}

/** The first block of a stream without control events: it dispatches nothing. */
export function encodeStart(cursor: string, retryMs: number): Uint8Array {
  return Buffer.from(`id: ${cursor}\nretry: ${retryMs}\n\n`);
}

/** The last block of a stream without control events that ends before its channels do: when to come back. */
export function encodeRetry(retryMs: number): Uint8Array {
  return Buffer.from(`retry: ${Math.round(retryMs)}\n\n`);
}

export function encodeLive(): Uint8Array {
  return LIVE;
}

const LIVE = encodeEvent({ event: CONTROL.live, data: '{}' });

/** Keeps an idle connection open; nothing of the client's state changes. */
export const HEARTBEAT = encodeComment();

/** One block per channel that lost something; the last carries the cursor that all are resumed at. */
export function encodeGaps(gaps: readonly GapData[], cursor: string): Uint8Array {
  const blocks = gaps.map((gap, at) => {
    const fields = { event: CONTROL.gap, data: JSON.stringify(gap) };
    return encodeEvent(at === gaps.length - 1 ? { ...fields, id: cursor } : fields);
  });
  return Buffer.concat(blocks);
}

/** How many events were passed over for newer ones of their keys; without an id, as they are not lost but replaced. */
export function encodeConflated(data: ConflatedData): Uint8Array {
  return encodeEvent({ event: CONTROL.conflated, data: JSON.stringify(data) });
}

/** The last event of a channel, kept in its history like any other. */
export function encodeEnd(data: EndData, cursor: string): EncodedFrame {
  return encodeFrame({ event: CONTROL.end, data: JSON.stringify(data) }, cursor);
}

/** Goodbye with a reason; `retryMs` is when to come back. */
export function encodeError(data: ErrorData, retryMs: number): Uint8Array {
  return encodeEvent({ event: CONTROL.error, data: JSON.stringify(data), retry: Math.round(retryMs) });
}
