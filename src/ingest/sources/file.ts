import { open } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';
import { extname } from 'node:path';
import { sleep, systemClock } from '../../base/index.js';
import type { Clock } from '../../base/index.js';
import { IngestError } from '../errors.js';
import type { GapRecord, Source, SourceItem, SourceReadOptions, SourceStats } from './source.js';
import { decodeWhole } from './content-coding.js';
import { EventReader, toRefusal } from './event-reader.js';
import { FileHead, hasHead } from './file-head.js';
import type { StreamFormat } from './stream-format.js';

export interface FileSourceOptions {
  /** A name that ends in `.gz`, `.br` or, where Node can read it, `.zst` says how the file is compressed. */
  readonly path: string;
  readonly format: StreamFormat;
  /** Whether the file still grows: then its end is waited at (default false). */
  readonly isGrowing?: boolean;
  /** Milliseconds between two looks at the end of a file that grows (default 500). */
  readonly pollMs?: number;
  /** Bytes that one event may take (default 16 MiB); a larger one ends the pipeline. */
  readonly maxEventBytes?: number;
  readonly clock?: Clock;
}

const POLL_MS = 500;
const CHUNK_BYTES = 64 * 1024;
const CODINGS: Readonly<Record<string, string>> = { '.gz': 'gzip', '.br': 'br', '.zst': 'zstd' };

/**
 * The events of a file, from its first to its last. The position is their number, so a restart reads the file from its
 * beginning again and passes over those that it had. A file that grows and is replaced by another of the same name, as
 * logs are, is read to its end first, until something is in the other. One that was truncated, as others are, or does
 * not begin as it did (by its first 1024 bytes), is begun again, which is a gap.
 * @throws IngestError `invalid-option`: a compressed file that grows, or a compression that this Node cannot read.
 * Reading throws `source-refused` where the file cannot be read, is torn or damaged, has an event that is too large, or
 * holds fewer events than were read of it.
 */
export function createFileSource(options: FileSourceOptions): Source {
  return new FileSource(options);
}

class FileSource implements Source {
  readonly #options: FileSourceOptions;
  readonly #coding: string;
  readonly #clock: Clock;
  #isOpen = false;
  #events = 0;
  #bytes = 0;
  /** Bytes that were read of the open file. */
  #offset = 0;
  #head = new FileHead();
  #end: 'end' | 'truncated' = 'end';

  constructor(options: FileSourceOptions) {
    this.#options = options;
    this.#coding = CODINGS[extname(options.path)] ?? '';
    this.#clock = options.clock ?? systemClock;
    if (this.#coding !== '' && options.isGrowing === true)
      throw new IngestError('invalid-option', `Cannot follow ${JSON.stringify(options.path)}: it is compressed`);
    if (decodeWhole(NOTHING, this.#coding) === undefined)
      throw new IngestError(
        'invalid-option',
        `Cannot read ${JSON.stringify(options.path)}: this Node knows no ${this.#coding}`,
      );
  }

  stats(): SourceStats {
    return { isConnected: this.#isOpen, events: this.#events, bytes: this.#bytes, reconnects: {} };
  }

  async *read(options: SourceReadOptions): AsyncGenerator<readonly SourceItem[], void> {
    let position = readPosition(options.lastEventId);
    let isNext = false;
    try {
      while (!options.signal.aborted) {
        await using file = await this.#open();
        this.#isOpen = true;
        const { ino } = await file.stat();
        const reason = await findLoss(file, position);
        if (reason !== undefined) yield [{ kind: 'gap', gap: toGap(position, ino, reason) }];
        // Whoever goes on from here is told of nothing twice, and passes over nothing that is new.
        if (reason !== undefined || isNext) yield [{ kind: 'position', resumeId: `${ino}-0` }];
        if (reason !== undefined) position = BEGINNING;
        const reader = this.#createReader(ino, position.events);
        const end = yield* this.#readFile(file, reader, options.signal);
        if (end === 'end' && reader.events < position.events) throw this.#tooShort(position.events);
        if (end !== 'truncated' && this.#options.isGrowing !== true) return;
        isNext = end === 'end';
        position = isNext ? BEGINNING : { file: String(ino), events: reader.events, bytes: Infinity, head: '' };
      }
    } finally {
      this.#isOpen = false;
    }
  }

  async #open(): Promise<FileHandle> {
    try {
      return await open(this.#options.path, 'r');
    } catch (error) {
      throw toRefusal(error);
    }
  }

  #createReader(ino: number, skip: number): EventReader {
    const { format, maxEventBytes, isGrowing } = this.#options;
    const resumeIdAt = (events: number): string =>
      `${ino}-${events}${isGrowing === true ? `-${this.#offset}` : ''}@${this.#head.mark}`;
    return new EventReader({ format, maxEventBytes, clock: this.#clock, skip, resumeIdAt });
  }

  /** Returns why there is no more. @throws IngestError `source-refused`. */
  async *#readFile(
    file: FileHandle,
    reader: EventReader,
    signal: AbortSignal,
  ): AsyncGenerator<readonly SourceItem[], FileEnd> {
    this.#offset = 0;
    this.#head = new FileHead();
    this.#end = 'end';
    const chunks = (decodeWhole(this.#chunks(file, signal), this.#coding) ?? NOTHING)[Symbol.asyncIterator]();
    try {
      for (;;) {
        const items = await this.#nextOf(chunks, reader);
        if (signal.aborted) return 'stopped';
        // What a truncated file ended with is no whole event.
        if (items === undefined) break;
        if (items.length > 0) yield items;
      }
      const rest = this.#end === 'end' ? reader.end() : [];
      this.#events += rest.length;
      if (rest.length > 0) yield rest;
      return this.#end;
    } finally {
      await chunks.return?.();
    }
  }

  /** The events of the next bytes; undefined where there are no more. */
  async #nextOf(chunks: AsyncIterator<Uint8Array>, reader: EventReader): Promise<readonly SourceItem[] | undefined> {
    try {
      const { done, value } = await chunks.next();
      if (done === true) return undefined;
      this.#bytes += value.length;
      const items = reader.push(value);
      this.#events += items.length;
      return items;
    } catch (error) {
      throw toRefusal(error);
    }
  }

  /** The file to its end; where it grows, until another has taken its name. */
  async *#chunks(file: FileHandle, signal: AbortSignal): AsyncGenerator<Uint8Array, void> {
    const { isGrowing = false, pollMs = POLL_MS } = this.#options;
    let wasReplaced = false;
    while (!signal.aborted) {
      const { bytesRead, buffer } = await file.read(Buffer.allocUnsafe(CHUNK_BYTES), 0, CHUNK_BYTES);
      this.#offset += bytesRead;
      this.#head.see(buffer.subarray(0, bytesRead));
      if (bytesRead > 0) {
        yield buffer.subarray(0, bytesRead);
        continue;
      }
      // Once more after it was replaced: the last lines may have come in between.
      if (!isGrowing || wasReplaced) return;
      wasReplaced = await this.#wasReplaced(file);
      if (!wasReplaced) await sleep(pollMs, signal, this.#clock);
      if ((await file.stat()).size < this.#offset || !(await hasHead(file, this.#head.mark))) {
        this.#end = 'truncated';
        return;
      }
    }
  }

  /**
   * Whether the path leads to another file by now, and something is in that; not while it leads nowhere. Until then who
   * writes may still write to the first one: logrotate makes the next file before it tells.
   */
  async #wasReplaced(file: FileHandle): Promise<boolean> {
    const { ino } = await file.stat();
    try {
      await using current = await open(this.#options.path, 'r');
      const next = await current.stat();
      return next.ino !== ino && next.size > 0;
    } catch {
      return false;
    }
  }

  #tooShort(events: number): IngestError {
    const path = JSON.stringify(this.#options.path);
    return new IngestError(
      'source-refused',
      `Cannot go on in ${path} after ${events} events: it does not hold as many; the checkpoint is of another file, or this one was cut or is read in another format`,
    );
  }
}

const NOTHING: AsyncIterable<Uint8Array> = { async *[Symbol.asyncIterator]() {} };

/** Why a file was read no further. */
type FileEnd = 'end' | 'truncated' | 'stopped';

interface FilePosition {
  /** The number that the file system gives the file; empty where nothing was read. */
  readonly file: string;
  readonly events: number;
  /** How long the file was at least, where it grows; else 0. */
  readonly bytes: number;
  /** As {@link FileHead.mark} says it; an older Tidegate does not. */
  readonly head: string;
}

const BEGINNING: FilePosition = { file: '', events: 0, bytes: 0, head: '' };

function readPosition(id: string): FilePosition {
  const [, file = '', events = '0', bytes = '0', head = ''] =
    /^(\d+)-(\d+)(?:-(\d+))?(?:@([\d.a-f]+))?$/.exec(id) ?? [];
  return { file, events: Number(events), bytes: Number(bytes), head };
}

/** Why what was read up to `position` is not in `file`; undefined where it is, or nothing was read. */
async function findLoss(file: FileHandle, position: FilePosition): Promise<'replaced' | 'truncated' | undefined> {
  const { ino, size } = await file.stat();
  if (position.file !== '' && position.file !== String(ino)) return 'replaced';
  return size < position.bytes || !(await hasHead(file, position.head)) ? 'truncated' : undefined;
}

function toGap({ file, events }: FilePosition, ino: number, reason: 'replaced' | 'truncated'): GapRecord {
  return { kind: 'upstream', from: `${file}-${events}`, to: `${ino}-0`, reason };
}
