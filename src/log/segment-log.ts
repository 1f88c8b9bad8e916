import { open, rm } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';
import { createFolder, syncFolder } from '../runtime/index.js';
import { LogError } from './errors.js';
import { decodeRecords, encodeRecords, recordBytesOf } from './record.js';
import type { LogRecord } from './record.js';
import { createSegment, listSegments, MAGIC, readAt, readSegment, segmentPath, writeAll } from './segment-file.js';

export type { LogRecord } from './record.js';

export interface SegmentLogOptions {
  /** Made where it is missing. Only one process may use it. */
  readonly folder: string;
  /** A new file is begun once the newest has this many bytes (default 8 MiB). Space is given back by whole files. */
  readonly segmentBytes?: number;
}

/** Sees what is in a log while it is opened, in order. */
export interface LogVisitor {
  record(record: LogRecord): void;
  /** A file ends with this number. */
  segmentEnd(last: number): void;
}

/** Where to read on; given back by {@link SegmentLog.read}, so that no file is searched twice. */
export interface LogPlace {
  readonly sequence: number;
  readonly segment: number;
  readonly offset: number;
}

interface Segment {
  /** The number of its first record. */
  readonly first: number;
  /** The number after its last record. */
  next: number;
  /** Of the file, all of them durable. */
  bytes: number;
}

const SEGMENT_BYTES = 8 * 1024 * 1024;
const READ_BYTES = 256 * 1024;

/**
 * Opens the log in `folder`, or begins one. What a crash tore at its very end is cut off: it was never durable.
 * @throws LogError `log-corrupt`: what was durable is not there any more. `log-foreign`: the files are no log.
 */
export async function openSegmentLog(options: SegmentLogOptions, visitor?: LogVisitor): Promise<SegmentLog> {
  const { folder, segmentBytes = SEGMENT_BYTES } = options;
  await createFolder(folder);
  const firsts = await listSegments(folder);
  const segments: Segment[] = [];
  let bytesCut = 0;
  for (const [index, first] of firsts.entries()) {
    const isNewest = index === firsts.length - 1;
    const path = segmentPath(folder, first);
    const before = segments.at(-1);
    if (before !== undefined && before.next !== first)
      throw new LogError('log-corrupt', `Cannot use ${path}: record ${before.next} should be its first`);
    const body = (await readSegment(path)) ?? Buffer.alloc(0);
    const { records, bytes, rest } = decodeRecords(body, first);
    if (rest !== 'nothing' && !isNewest)
      throw new LogError('log-corrupt', `Cannot use ${path}: record ${first + records.length} is damaged`);
    for (const record of records) visitor?.record(record);
    if (!isNewest) visitor?.segmentEnd(first + records.length - 1);
    segments.push({ first, next: first + records.length, bytes: MAGIC.length + bytes });
    bytesCut += body.length - bytes;
  }
  const log = new SegmentLog({ folder, segmentBytes, segments, bytesCut });
  await log.begin();
  return log;
}

interface SegmentLogParts {
  readonly folder: string;
  readonly segmentBytes: number;
  readonly segments: Segment[];
  readonly bytesCut: number;
}

/**
 * Records on disk under rising numbers without holes, in files of a bounded size: appended at one end, given up at
 * the other. One writer; readers only see what is durable. Calls of `append` and `trim` come one after the other.
 */
export class SegmentLog implements AsyncDisposable {
  /** Bytes that a crash tore and opening cut off. */
  readonly bytesCut: number;
  readonly #folder: string;
  readonly #segmentBytes: number;
  readonly #segments: Segment[];
  #handle: FileHandle | undefined;
  #bytes: number;

  constructor({ folder, segmentBytes, segments, bytesCut }: SegmentLogParts) {
    this.#folder = folder;
    this.#segmentBytes = segmentBytes;
    this.#segments = segments;
    this.bytesCut = bytesCut;
    this.#bytes = segments.reduce((sum, { bytes }) => sum + bytes, 0);
  }

  /** The number of the oldest record, or of the next one where there is none. */
  get first(): number {
    return this.#segments[0]?.first ?? 1;
  }

  /** The number that the next record gets. */
  get next(): number {
    return this.#segments.at(-1)?.next ?? 1;
  }

  /** Of all files. */
  get bytes(): number {
    return this.#bytes;
  }

  /** For opening alone: gets the newest file ready to be written to. */
  async begin(): Promise<void> {
    const newest = this.#segments.at(-1);
    if (newest === undefined || newest.bytes === MAGIC.length) {
      // Nothing is in it, perhaps not even its beginning.
      const first = newest?.first ?? 1;
      this.#segments.pop();
      this.#bytes -= newest?.bytes ?? 0;
      await this.#startSegment(first);
      return;
    }
    this.#handle = await open(segmentPath(this.#folder, newest.first), 'r+');
    await this.#handle.truncate(newest.bytes);
    await this.#handle.datasync();
  }

  /**
   * Resolves when `payloads` are durable. Where it rejects none of them is there.
   * @returns the number of the last record of a file that is full, where this began another.
   */
  async append(payloads: readonly Uint8Array[]): Promise<number | undefined> {
    const ended = await this.#rollIfFull();
    const { handle, segment } = this.#newest();
    const bytes = encodeRecords(payloads, segment.next);
    try {
      await writeAll(handle, bytes, segment.bytes);
      await handle.datasync();
    } catch (error) {
      await handle.truncate(segment.bytes).catch(() => {});
      throw error;
    }
    segment.bytes += bytes.length;
    this.#bytes += bytes.length;
    segment.next += payloads.length;
    return ended;
  }

  async #rollIfFull(): Promise<number | undefined> {
    const { handle, segment } = this.#newest();
    if (segment.bytes < this.#segmentBytes) return undefined;
    // Where the new file cannot be made, the old one is still there for the next attempt.
    await this.#startSegment(segment.next);
    await handle.close();
    return segment.next - 1;
  }

  /**
   * The records from number `from` on, some 256 KiB of them and one at least; none at the end. `from` may also be the
   * place that the last call gave back.
   * @throws LogError `log-corrupt`. RangeError: these records were given up.
   */
  async read(
    from: number | LogPlace,
  ): Promise<{ readonly records: readonly LogRecord[]; readonly place: LogPlace | undefined }> {
    const sequence = typeof from === 'number' ? from : from.sequence;
    const segment = this.#segments.find(({ next }) => sequence < next);
    if (segment === undefined) return { records: [], place: undefined };
    if (sequence < segment.first) throw new RangeError(`Cannot read record ${sequence}: it was given up`);
    const isPlace = typeof from !== 'number' && from.segment === segment.first;
    let place: LogPlace = isPlace ? from : { sequence: segment.first, segment: segment.first, offset: MAGIC.length };
    await using handle = await open(segmentPath(this.#folder, segment.first), 'r');
    for (;;) {
      const { records, bytes } = await this.#readChunk(handle, place, segment);
      place = { segment: segment.first, sequence: place.sequence + records.length, offset: place.offset + bytes };
      const wanted = records.filter((record) => record.sequence >= sequence);
      if (wanted.length > 0) return { records: wanted, place };
    }
  }

  async #readChunk(
    handle: FileHandle,
    { sequence, offset }: LogPlace,
    segment: Segment,
  ): Promise<{ readonly records: readonly LogRecord[]; readonly bytes: number }> {
    const left = segment.bytes - offset;
    let buffer = await readAt(handle, offset, Math.min(READ_BYTES, left));
    const whole = recordBytesOf(buffer) ?? 0;
    if (whole > buffer.length && whole <= left) buffer = await readAt(handle, offset, whole);
    const decoded = decodeRecords(buffer, sequence);
    if (decoded.rest === 'invalid' || decoded.records.length === 0) {
      const path = segmentPath(this.#folder, segment.first);
      throw new LogError('log-corrupt', `Cannot read ${path}: record ${sequence + decoded.records.length} is damaged`);
    }
    return decoded;
  }

  /** Gives up every file whose last number is at most `through`, but never the newest. */
  async trim(through: number): Promise<void> {
    for (;;) {
      const [oldest, second] = this.#segments;
      if (oldest === undefined || second === undefined || oldest.next - 1 > through) return;
      // Oldest first: after a crash in between there is no hole.
      await rm(segmentPath(this.#folder, oldest.first), { force: true });
      this.#segments.shift();
      this.#bytes -= oldest.bytes;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#handle?.close();
    this.#handle = undefined;
  }

  async #startSegment(first: number): Promise<void> {
    this.#handle = await createSegment(segmentPath(this.#folder, first));
    await syncFolder(this.#folder);
    this.#segments.push({ first, next: first, bytes: MAGIC.length });
    this.#bytes += MAGIC.length;
  }

  #newest(): { readonly handle: FileHandle; readonly segment: Segment } {
    const segment = this.#segments.at(-1);
    if (segment === undefined || this.#handle === undefined) throw new Error('Cannot use a log that is closed');
    return { segment, handle: this.#handle };
  }
}
