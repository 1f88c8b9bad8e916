import { join } from 'node:path';
import type { SegmentLog } from '../../log/index.js';
import type { Logger } from '../../runtime/index.js';
import type { Position } from './checkpoint-tracker.js';
import { messageOf } from '../errors.js';
import { Notifier } from '../notifier.js';
import { SequenceLog } from './sequence-log.js';
import type { ReceivedEvent } from '../sources/source.js';
import { spooledBytesOf, SPOOL_BYTES_MAX, SPOOL_EVENTS_MAX } from './spool.js';
import type { Spool, SpoolReader } from './spool.js';
import { CursorFile } from './cursor-file.js';
import { DiskReader } from './disk-reader.js';
import { LogWriter } from './log-writer.js';
import type { DiskSpoolOptions } from './open-disk-spool.js';
import { markAfter } from './stored-event.js';
import type { Mark, StoredEvent } from './stored-event.js';

/** What the spool needs of its log. */
export type SpoolLog = Pick<SegmentLog, 'append' | 'read' | 'trim' | 'first' | 'bytes'> & AsyncDisposable;

/** What was found on the disk. */
export interface Recovered {
  readonly log: SpoolLog;
  readonly lock: AsyncDisposable;
  /** Where the source goes on. */
  readonly start: Position;
  readonly isFresh: boolean;
  /** The newest event that is there. */
  readonly newest: Mark;
  /** Where each sink goes on. */
  readonly sinks: ReadonlyMap<string, Mark>;
  /** Where the files end, but the newest. */
  readonly segmentEnds: readonly Mark[];
}

/** Events between one source and its sinks, on disk: what is there when the process dies is there afterwards. */
export class DiskSpool implements Spool {
  readonly start: Position;
  readonly isFresh: boolean;
  readonly #options: DiskSpoolOptions;
  readonly #logger: Logger;
  readonly #log: SpoolLog;
  readonly #lock: AsyncDisposable;
  readonly #eventsMax: number;
  readonly #bytesMax: number;
  readonly #window: SequenceLog<StoredEvent>;
  readonly #writer: LogWriter;
  readonly #readers: ReadonlyMap<string, DiskReader>;
  readonly #cursors: CursorFile;
  readonly #appended = new Notifier();
  readonly #room = new Notifier();
  /** The newest event that was there at the start. */
  readonly #foundThrough: number;
  #newest: Mark;
  #windowBytes = 0;
  #segmentEnds: Mark[];
  /** The source moved on, without an event, behind event `after`. */
  #trailing: { readonly after: number; readonly position: Position } | undefined;
  #settledThrough: number;
  #trimming: Promise<void> = Promise.resolve();
  #isClosed = false;

  constructor(options: DiskSpoolOptions, recovered: Recovered) {
    const { log, newest, sinks } = recovered;
    const { folder, pipeline, saveIntervalMs: intervalMs, clock, logger, segmentBytes } = options;
    this.#options = options;
    this.#logger = logger;
    this.#log = log;
    this.#lock = recovered.lock;
    this.start = recovered.start;
    this.isFresh = recovered.isFresh;
    this.#eventsMax = options.eventsMax ?? SPOOL_EVENTS_MAX;
    this.#bytesMax = options.bytesMax ?? SPOOL_BYTES_MAX;
    this.#newest = newest;
    this.#foundThrough = newest.through;
    this.#segmentEnds = [...recovered.segmentEnds];
    this.#window = new SequenceLog(newest.through + 1);
    this.#writer = new LogWriter({
      log,
      window: this.#window,
      writeBytes: Math.ceil(segmentBytes / 2),
      written: newest,
      clock,
      logger,
      onWritten: () => this.#room.notify(),
      onSegmentEnd: (mark) => this.#segmentEnds.push(mark),
    });
    this.#readers = new Map(
      options.sinks.map(({ name, onFull }) => {
        const mark = sinks.get(name) ?? newest;
        return [name, new DiskReader(this.#shared(), { onFull, start: mark })] as const;
      }),
    );
    this.#cursors = new CursorFile({
      path: join(folder, 'cursors.json'),
      pipeline,
      intervalMs,
      clock,
      logger,
      cursors: () => this.#durableCursors(),
    });
    this.#settledThrough = this.#settled.through;
    this.#trim(this.#settledThrough);
  }

  get events(): number {
    return this.#newest.through - this.#settled.through;
  }

  get bytes(): number {
    return this.#newest.bytes - this.#settled.bytes;
  }

  /** Of the event before it: the oldest itself may be on the disk only. */
  get oldestAt(): number | undefined {
    return this.events === 0 ? undefined : this.#settled.position.receivedAt;
  }

  get position(): Position {
    const { through, position } = this.#settled;
    if (through === this.#trailing?.after) return this.#trailing.position;
    const { start, isCheckpoint = false } = this.#options;
    // Where another machine went on with the pipeline, the checkpoint is ahead of what was found here: it must not go back.
    const isOlder = through <= this.#foundThrough && position.receivedAt <= start.receivedAt;
    return isCheckpoint && isOlder ? start : position;
  }

  tryAppend(event: ReceivedEvent, resumeId: string, keyMark = ''): boolean {
    const bytes = spooledBytesOf(event);
    if (!this.#hasMemoryFor(bytes) || !this.#hasDiskFor(bytes)) return false;
    const stored: StoredEvent = { ...event, resumeId, keyMark, sequence: this.#newest.through + 1, bytes };
    this.#window.append(stored);
    this.#windowBytes += bytes;
    this.#newest = markAfter(this.#newest, stored);
    this.#writer.wake();
    this.#appended.notify();
    return true;
  }

  waitForRoom(signal: AbortSignal): Promise<void> {
    return this.#room.wait(signal);
  }

  advance(position: Position): void {
    this.#trailing = { after: this.#newest.through, position };
    this.#options.onSettled?.();
  }

  close(): void {
    this.#isClosed = true;
    this.#appended.notify();
  }

  reader(name: string): SpoolReader {
    const reader = this.#readers.get(name);
    if (reader === undefined) throw new RangeError(`Cannot read the spool: no sink is named ${JSON.stringify(name)}`);
    return reader;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#writer.close();
    await this.#trimming;
    await this.#cursors.close();
    await this.#log[Symbol.asyncDispose]();
    await this.#lock[Symbol.asyncDispose]();
  }

  /** Of all sinks, the one that is furthest behind. */
  get #settled(): Mark {
    let settled: Mark | undefined;
    for (const { acknowledged } of this.#readers.values())
      if (settled === undefined || acknowledged.through < settled.through) settled = acknowledged;
    return settled ?? this.#newest;
  }

  #shared(): ConstructorParameters<typeof DiskReader>[0] {
    return {
      log: this.#log,
      window: this.#window,
      half: { events: Math.max(1, this.#eventsMax >> 1), bytes: Math.max(1, Math.floor(this.#bytesMax / 2)) },
      newest: () => this.#newest,
      isClosed: () => this.#isClosed,
      changed: (signal) => this.#appended.wait(signal),
      onAcknowledge: () => this.#settle(),
    };
  }

  /** Never beyond what is durable: after a crash those numbers are given out again, to other events. */
  #durableCursors(): Readonly<Record<string, number>> {
    const entries = Array.from(this.#readers, ([name, { acknowledged }]) => {
      return [name, Math.min(acknowledged.through, this.#writer.written.through)] as const;
    });
    return Object.fromEntries(entries);
  }

  #settle(): void {
    this.#cursors.markDirty();
    const { through } = this.#settled;
    // Even where nothing left: a sink that drops may be all that is behind now.
    this.#room.notify();
    if (through <= this.#settledThrough) return;
    this.#settledThrough = through;
    this.#evict((oldest) => oldest <= through);
    this.#trim(through);
    this.#options.onSettled?.();
  }

  #trim(through: number): void {
    if ((this.#segmentEnds[0]?.through ?? Infinity) > through) return;
    this.#segmentEnds = this.#segmentEnds.filter((mark) => mark.through > through);
    this.#trimming = this.#trimming.then(() => this.#removeFiles(through));
  }

  async #removeFiles(through: number): Promise<void> {
    try {
      await this.#log.trim(through);
    } catch (error) {
      // The next one takes these files too.
      this.#logger.warn({ error: messageOf(error) }, 'Cannot remove files of the spool');
    }
    this.#room.notify();
  }

  /** Lets the oldest durable events of the window go while `isNeedless` says so; true where it stopped saying so. */
  #evict(isNeedless: (oldest: number) => boolean): boolean {
    while (this.#window.size > 0 && isNeedless(this.#window.first)) {
      if (this.#window.first > this.#writer.written.through) return false;
      this.#windowBytes -= this.#window.removeFirst()?.bytes ?? 0;
    }
    return true;
  }

  #hasMemoryFor(bytes: number): boolean {
    return this.#evict(() => this.#window.size >= this.#eventsMax || this.#windowBytes + bytes > this.#bytesMax);
  }

  #hasDiskFor(bytes: number): boolean {
    const unwritten = this.#newest.bytes - this.#writer.written.bytes;
    if (this.#log.bytes + unwritten + bytes <= this.#options.diskBytesMax || this.events === 0) return true;
    const [oldest] = this.#segmentEnds;
    // No file can go, or one is going.
    if (oldest === undefined || oldest.through <= this.#settledThrough) return false;
    const behind = [...this.#readers].filter(([, reader]) => reader.acknowledged.through < oldest.through);
    if (behind.some(([, reader]) => reader.onFull === 'block')) return false;
    for (const [name, reader] of behind) {
      const lost = reader.skip(oldest);
      if (lost > 0) this.#options.onDrop?.(name, lost);
    }
    this.#settle();
    return false;
  }
}
