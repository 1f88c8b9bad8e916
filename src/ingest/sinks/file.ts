import { join, resolve } from 'node:path';
import { systemClock } from '../../base/index.js';
import type { Clock } from '../../base/index.js';
import { createFolder } from '../../runtime/index.js';
import type { Logger } from '../../runtime/index.js';
import { IngestError, messageOf } from '../errors.js';
import { lockFile } from '../file-lock.js';
import type { FileLock } from '../file-lock.js';
import { formatRecord } from '../format.js';
import type { Format } from '../format.js';
import type { SpooledEvent } from '../spool/spool.js';
import { ArchiveFolder } from './archive-folder.js';
import type { ActivePart } from './archive-folder.js';
import { extensionOf } from './archive-name.js';
import type { BatchLimits, Sink, SinkContext, WriteResult } from './sink.js';

export interface FileSinkOptions {
  /** Made where it is missing. */
  readonly folder: string;
  /** Unique in its pipeline (default `file`). */
  readonly name?: string;
  /** How its files begin (default `events`): letters, digits, `.`, `_` and `-`. */
  readonly prefix?: string;
  /** Default `ndjson`. With `data` nothing ends a record, so one torn by a crash cannot be cut off. */
  readonly format?: Format;
  /** A file is sealed before it grows beyond this many bytes (default 64 MiB). */
  readonly rotateBytes?: number;
  /** A file is sealed this many milliseconds after it was begun (default 3,600,000). */
  readonly rotateMs?: number;
  /** Sealed files are compressed (default false). */
  readonly gzip?: boolean;
  /** Default: 1,000 events, 1 MiB, 200 ms: a batch costs one flush of the disk. */
  readonly batch?: Partial<BatchLimits>;
  readonly clock?: Clock;
}

const ROTATE_BYTES = 64 * 1024 * 1024;
const ROTATE_MS = 3_600_000;
const BATCH: BatchLimits = { eventsMax: 1000, bytesMax: 1024 * 1024, waitMs: 200 };

/**
 * Archives events in files of a folder. The growing file is `<prefix>-<UTC time>.ndjson.part`, plain text that
 * can be read at any time; sealed it is `.ndjson` or `.ndjson.gz`. A batch is acknowledged when it is on
 * the disk; after a crash a torn line is cut off and the same part goes on.
 * @throws IngestError `invalid-option`; its `open` throws `archive-locked` where another process writes there,
 * `archive-unwritable` where nobody can.
 */
export function createFileSink(options: FileSinkOptions): Sink {
  return new FileSink(options);
}

interface Rotation {
  readonly rotateBytes: number;
  readonly rotateMs: number;
}

/** Whether `part` must be sealed before the next bytes are written. */
function isRotationDue(
  part: ActivePart,
  next: { readonly bytes: number; readonly nowMs: number },
  rotation: Rotation,
): boolean {
  if (part.bytes === 0) return false;
  return part.bytes + next.bytes > rotation.rotateBytes || next.nowMs - part.startedAt >= rotation.rotateMs;
}

class FileSink implements Sink {
  readonly name: string;
  readonly batch: BatchLimits;
  readonly #folder: string;
  readonly #lockPath: string;
  readonly #format: Format;
  readonly #rotation: Rotation;
  readonly #archive: ArchiveFolder;
  readonly #clock: Clock;
  #logger: Logger | undefined;
  #lock: FileLock | undefined;
  #part: ActivePart | undefined;
  #cancelTimer: (() => void) | undefined;
  /** What is under way; writes, rotations and the end come one after the other. */
  #last: Promise<unknown> = Promise.resolve();

  constructor({ folder, prefix = 'events', format = 'ndjson', gzip = false, ...options }: FileSinkOptions) {
    if (!/^[A-Za-z0-9._-]{1,100}$/.test(prefix) || prefix.startsWith('.'))
      throw new IngestError('invalid-option', `Cannot name an archive ${JSON.stringify(prefix.slice(0, 100))}`);
    this.name = options.name ?? 'file';
    this.#lockPath = join(resolve(folder), `.${prefix}.lock`);
    this.batch = { ...BATCH, ...options.batch };
    this.#folder = resolve(folder);
    this.#format = format;
    this.#rotation = { rotateBytes: options.rotateBytes ?? ROTATE_BYTES, rotateMs: options.rotateMs ?? ROTATE_MS };
    this.#clock = options.clock ?? systemClock;
    const extension = extensionOf(format);
    this.#archive = new ArchiveFolder({
      folder: this.#folder,
      name: prefix,
      extension,
      gzip,
      hasLines: format !== 'data',
    });
  }

  async open({ logger }: SinkContext): Promise<void> {
    this.#logger = logger;
    try {
      await createFolder(this.#folder);
      const path = this.#lockPath;
      this.#lock = await lockFile({ path, refusal: 'Cannot write to the archive', code: 'archive-locked' });
      this.#part = await this.#archive.recover();
    } catch (error) {
      await this.#unlock();
      if (error instanceof IngestError) throw error;
      const message = `Cannot write to archive ${this.#folder}: ${messageOf(error)}`;
      throw new IngestError('archive-unwritable', message, { cause: error });
    }
    this.#startTimer();
  }

  write(batch: readonly SpooledEvent[]): Promise<WriteResult> {
    return this.#inTurn(async () => {
      const bytes = Buffer.from(batch.map((event) => formatRecord(event, this.#format)).join(''));
      if (this.#isDue(bytes.length)) await this.#seal();
      await this.#append(bytes);
      return { refused: 0 };
    });
  }

  close(reason: 'ended' | 'stopped'): Promise<void> {
    return this.#inTurn(async () => {
      try {
        const isEmpty = this.#part === undefined || this.#part.bytes === 0;
        if (reason === 'ended' && !isEmpty) await this.#seal();
      } finally {
        this.#cancelTimer?.();
        await this.#part?.handle.close();
        this.#part = undefined;
        await this.#unlock();
      }
    });
  }

  #inTurn<T>(task: () => Promise<T>): Promise<T> {
    const turn = this.#last.then(task);
    this.#last = turn.catch(() => {});
    return turn;
  }

  #isDue(bytes: number): boolean {
    return this.#part !== undefined && isRotationDue(this.#part, { bytes, nowMs: this.#clock.now() }, this.#rotation);
  }

  /** Writes at the durable end, so that a batch tried again lies over what its first try left. */
  async #append(bytes: Buffer): Promise<void> {
    await this.#leaveWhatIsGone();
    this.#part ??= await this.#archive.create(this.#clock.now());
    const { handle, bytes: start } = this.#part;
    try {
      for (let written = 0; written < bytes.length;) {
        const { bytesWritten } = await handle.write(bytes, written, bytes.length - written, start + written);
        written += bytesWritten;
      }
      await handle.datasync();
    } catch (error) {
      await handle.truncate(start).catch(() => {});
      throw new Error(`${messageOf(error)} in ${this.#folder}`, { cause: error });
    }
    this.#part = { ...this.#part, bytes: start + bytes.length };
    if (start === 0) this.#startTimer();
  }

  /** What is written to a file without a name is lost with the process. A folder that is gone is awaited: it may be a disk that is not mounted. */
  async #leaveWhatIsGone(): Promise<void> {
    const part = this.#part;
    if (part === undefined || (await this.#archive.isThere(part))) return;
    this.#part = undefined;
    await part.handle.close();
    this.#logger?.error(
      { stem: part.stem, bytes: part.bytes },
      'The archive file was taken away; going on in a new one',
    );
  }

  async #seal(): Promise<void> {
    const part = this.#part;
    if (part === undefined) return;
    this.#cancelTimer?.();
    this.#part = undefined;
    try {
      const path = await this.#archive.seal(part);
      this.#logger?.info({ path, bytes: part.bytes }, 'Archive file sealed');
    } catch (error) {
      // The part is still there: it is sealed at the next start, and events go on into a new one.
      this.#logger?.error({ stem: part.stem, error: messageOf(error) }, 'Cannot seal the archive file');
    }
  }

  /** Seals an old part even where no event comes. */
  #startTimer(): void {
    this.#cancelTimer?.();
    if (this.#part === undefined || this.#part.bytes === 0) return;
    const dueMs = this.#part.startedAt + this.#rotation.rotateMs - this.#clock.now();
    this.#cancelTimer = this.#clock.after(dueMs, () => {
      void this.#inTurn(async () => {
        if (this.#isDue(0)) await this.#seal();
        else this.#startTimer();
      });
    });
  }

  async #unlock(): Promise<void> {
    await this.#lock?.release();
    this.#lock = undefined;
  }
}
