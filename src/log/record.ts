import { crc32 } from 'node:zlib';

/** Bytes before a record's payload: its length and its CRC-32, both big-endian. */
const HEADER_BYTES = 8;

/** A payload with the sequence number under which it was appended. */
export interface LogRecord {
  readonly sequence: number;
  readonly payload: Buffer;
}

/** The bytes of records with rising sequence numbers from `first` on. */
export function encodeRecords(payloads: readonly Uint8Array[], first: number): Buffer {
  const bytes = payloads.reduce((sum, payload) => sum + HEADER_BYTES + payload.length, 0);
  const buffer = Buffer.allocUnsafe(bytes);
  let at = 0;
  for (const [index, payload] of payloads.entries()) {
    buffer.writeUInt32BE(payload.length, at);
    buffer.writeUInt32BE(checksum(payload, first + index), at + 4);
    buffer.set(payload, at + HEADER_BYTES);
    at += HEADER_BYTES + payload.length;
  }
  return buffer;
}

export interface DecodedRecords {
  readonly records: readonly LogRecord[];
  /** Bytes that these records take. */
  readonly bytes: number;
  /** What comes next, where it is no whole record: too short so far, or other bytes than were appended. */
  readonly rest: 'nothing' | 'incomplete' | 'invalid';
}

/** The whole records at the beginning of `buffer`, the first of which has the number `first`. */
export function decodeRecords(buffer: Buffer, first: number): DecodedRecords {
  const records: LogRecord[] = [];
  let at = 0;
  for (;;) {
    if (at === buffer.length) return { records, bytes: at, rest: 'nothing' };
    if (buffer.length - at < HEADER_BYTES) return { records, bytes: at, rest: 'incomplete' };
    const end = at + HEADER_BYTES + buffer.readUInt32BE(at);
    if (end > buffer.length) return { records, bytes: at, rest: 'incomplete' };
    const sequence = first + records.length;
    const payload = buffer.subarray(at + HEADER_BYTES, end);
    if (checksum(payload, sequence) !== buffer.readUInt32BE(at + 4)) return { records, bytes: at, rest: 'invalid' };
    records.push({ sequence, payload });
    at = end;
  }
}

/** Bytes of the whole record that `buffer` begins with, however much of it is there; undefined where that cannot be seen. */
export function recordBytesOf(buffer: Buffer): number | undefined {
  return buffer.length < HEADER_BYTES ? undefined : HEADER_BYTES + buffer.readUInt32BE(0);
}

/** Over the sequence number too: a record at another place than its own, left there by an older file, is no record. */
function checksum(payload: Uint8Array, sequence: number): number {
  const number = Buffer.allocUnsafe(8);
  number.writeBigUInt64BE(BigInt(sequence));
  return crc32(payload, crc32(number));
}
