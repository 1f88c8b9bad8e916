import { HASH_CHARACTERS } from '../intake/dedupe.js';
import type { ReceivedEvent } from '../sources/source.js';

/** An event as it is kept, with the id to resume from behind it. */
export interface KeptEvent extends ReceivedEvent {
  readonly resumeId: string;
  /** The hash of the last key that was remembered when it came; empty where repeats are not dropped. */
  readonly keyMark: string;
}

const VERSION = 1;
/** The head is followed by a key mark. */
const VERSION_MARKED = 2;
/** Version, time of receipt, and the lengths of id, type and resume id. */
const HEAD_BYTES = 1 + 8 + 3 * 4;
/** In the place of the resume id's length: it is the event's own id. */
const SAME_AS_ID = 0xffffffff;

/** The bytes of `event` in a log. */
export function encodeEventRecord({ id, type, data, receivedAt, resumeId, keyMark }: KeptEvent): Buffer {
  const isSame = resumeId === id;
  const texts = isSame ? [id, type, data] : [id, type, resumeId, data];
  const lengths = texts.map((text) => Buffer.byteLength(text));
  const buffer = Buffer.allocUnsafe(lengths.reduce((sum, length) => sum + length, HEAD_BYTES + keyMark.length));
  buffer.writeUInt8(keyMark === '' ? VERSION : VERSION_MARKED, 0);
  buffer.writeDoubleBE(receivedAt, 1);
  buffer.writeUInt32BE(lengths[0] ?? 0, 9);
  buffer.writeUInt32BE(lengths[1] ?? 0, 13);
  buffer.writeUInt32BE(isSame ? SAME_AS_ID : (lengths[2] ?? 0), 17);
  let at = HEAD_BYTES;
  for (const text of [keyMark, ...texts]) at += buffer.write(text, at);
  return buffer;
}

/** The event that {@link encodeEventRecord} made `record` of; undefined where it was another Tidegate's. */
export function decodeEventRecord(record: Buffer): KeptEvent | undefined {
  const version = record[0];
  if (record.length < HEAD_BYTES || (version !== VERSION && version !== VERSION_MARKED)) return undefined;
  const resumeBytes = record.readUInt32BE(17);
  let at = HEAD_BYTES;
  const take = (bytes: number): string => record.toString('utf8', at, (at += bytes));
  const keyMark = take(version === VERSION_MARKED ? HASH_CHARACTERS : 0);
  const id = take(record.readUInt32BE(9));
  const type = take(record.readUInt32BE(13));
  const resumeId = resumeBytes === SAME_AS_ID ? id : take(resumeBytes);
  return { id, type, resumeId, keyMark, data: record.toString('utf8', at), receivedAt: record.readDoubleBE(1) };
}
