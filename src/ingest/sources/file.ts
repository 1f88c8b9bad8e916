import { open } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';
import { extname } from 'node:path';
import { sleep, systemClock } from '../../base/index.js';
import type { Clock } from '../../base/index.js';
import { IngestError, messageOf } from '../errors.js';
import type { GapRecord, Source, SourceItem, SourceReadOptions, SourceStats } from '../source.js';
import { decodeBody } from './content-coding.js';
import { EventReader } from './event-reader.js';
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
 * logs are, is read to its end first.
 * @throws IngestError `invalid-option`: a compressed file that grows, or a compression that this Node cannot read.
 * Reading throws `source-refused` where the file cannot be read, or holds fewer events than were read of it.
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

  constructor(options: FileSourceOptions) {
    this.#options = options;
    this.#coding = CODINGS[extname(options.path)] ?? '';
    this.#clock = options.clock ?? systemClock;
    if (this.#coding !== '' && options.isGrowing === true)
      throw new IngestError('invalid-option', `Cannot follow ${JSON.stringify(options.path)}: it is compressed`);
    if (decodeBody(NOTHING, this.#coding) === undefined)
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
    try {
      while (!options.signal.aborted) {
        await using file = await this.#open();
        this.#isOpen = true;
        const { ino } = await file.stat();
        // Another file than the one that was read: nothing of it was.
        const isOther = position.file !== '' && position.file !== String(ino);
        if (isOther) yield [{ kind: 'gap', gap: toGap(position, ino) }];
        const reader = this.#createReader(ino, isOther ? 0 : position.events);
        yield* this.#readFile(file, reader, options.signal);
        if (reader.events < position.events && !isOther && !options.signal.aborted)
          throw this.#tooShort(position.events);
        if (this.#options.isGrowing !== true) return;
        position = { file: '', events: 0 };
      }
    } finally {
      this.#isOpen = false;
    }
  }

  async #open(): Promise<FileHandle> {
    try {
      return await open(this.#options.path, 'r');
    } catch (error) {
      throw new IngestError('source-refused', `Cannot read the source: ${messageOf(error)}`, { cause: error });
    }
  }

  #createReader(ino: number, skip: number): EventReader {
    const { format, maxEventBytes } = this.#options;
    const resumeIdAt = (events: number): string => `${ino}-${events}`;
    return new EventReader({ format, maxEventBytes, clock: this.#clock, skip, resumeIdAt });
  }

  async *#readFile(
    file: FileHandle,
    reader: EventReader,
    signal: AbortSignal,
  ): AsyncGenerator<readonly SourceItem[], void> {
    const chunks = decodeBody(this.#chunks(file, signal), this.#coding) ?? NOTHING;
    for await (const chunk of chunks) {
      if (signal.aborted) return;
      this.#bytes += chunk.length;
      const items = reader.push(chunk);
      this.#events += items.length;
      if (items.length > 0) yield items;
    }
    if (signal.aborted) return;
    const rest = reader.end();
    this.#events += rest.length;
    if (rest.length > 0) yield rest;
  }

  /** The file to its end; where it grows, until another has taken its name. */
  async *#chunks(file: FileHandle, signal: AbortSignal): AsyncGenerator<Uint8Array, void> {
    const { isGrowing = false, pollMs = POLL_MS } = this.#options;
    let wasReplaced = false;
    while (!signal.aborted) {
      const { bytesRead, buffer } = await file.read(Buffer.allocUnsafe(CHUNK_BYTES), 0, CHUNK_BYTES);
      if (bytesRead > 0) {
        yield buffer.subarray(0, bytesRead);
        continue;
      }
      // Once more after it was replaced: the last lines may have come in between.
      if (!isGrowing || wasReplaced) return;
      wasReplaced = await this.#wasReplaced(file);
      if (!wasReplaced) await sleep(pollMs, signal, this.#clock);
    }
  }

  /** Whether the path leads to another file by now; not while it leads nowhere. */
  async #wasReplaced(file: FileHandle): Promise<boolean> {
    const { ino } = await file.stat();
    try {
      await using current = await open(this.#options.path, 'r');
      return (await current.stat()).ino !== ino;
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

interface FilePosition {
  /** The number that the file system gives the file; empty where nothing was read. */
  readonly file: string;
  readonly events: number;
}

function readPosition(id: string): FilePosition {
  const [, file = '', events = '0'] = /^(\d+)-(\d+)$/.exec(id) ?? [];
  return { file, events: Number(events) };
}

function toGap({ file, events }: FilePosition, ino: number): GapRecord {
  return { kind: 'upstream', from: `${file}-${events}`, to: `${ino}-0`, reason: 'replaced' };
}
