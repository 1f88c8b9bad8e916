import { join } from 'node:path';
import type { Clock } from '../../base/index.js';
import { openSegmentLog } from '../../log/index.js';
import type { SegmentLog } from '../../log/index.js';
import { createFolder } from '../../runtime/index.js';
import type { Logger } from '../../runtime/index.js';
import type { Position } from './checkpoint-tracker.js';
import { IngestError, messageOf } from '../errors.js';
import { lockFile } from '../file-lock.js';
import type { Spool, SpoolOptions } from './spool.js';
import { loadCursors } from './cursor-file.js';
import type { Cursors } from './cursor-file.js';
import { DiskSpool } from './disk-spool.js';
import type { Recovered } from './disk-spool.js';
import { markAfter, toStoredEvent } from './stored-event.js';
import type { Mark } from './stored-event.js';

/** `eventsMax` and `bytesMax` bound what of the spool is in memory too, and a batch is half of that at most. */
export interface DiskSpoolOptions extends SpoolOptions {
  /** Made where it is missing. Only one process may use it. */
  readonly folder: string;
  /** Bytes of its files; then `onFull` decides. One larger event is let in alone. */
  readonly diskBytesMax: number;
  /** Space is given back, and events are dropped, by files of about this size. */
  readonly segmentBytes: number;
  readonly pipeline: string;
  /** Milliseconds between two saves of where the sinks are, at least. */
  readonly saveIntervalMs: number;
  readonly clock: Clock;
  readonly logger: Logger;
}

/**
 * Opens the spool in `folder` with what is in it: each sink goes on where it was, and the source behind the newest event.
 * @throws IngestError `spool-locked`, `spool-unreadable`, `spool-unwritable`.
 */
export async function openDiskSpool(options: DiskSpoolOptions): Promise<Spool> {
  const { folder } = options;
  let lock: AsyncDisposable | undefined;
  try {
    await createFolder(folder);
    lock = await lockFile({ path: join(folder, '.lock'), refusal: 'Cannot use the spool', code: 'spool-locked' });
    return new DiskSpool(options, await recover(options, lock));
  } catch (error) {
    await lock?.[Symbol.asyncDispose]();
    if (error instanceof IngestError) throw error;
    const code = error instanceof Error && error.name === 'LogError' ? 'spool-unreadable' : 'spool-unwritable';
    throw new IngestError(code, `Cannot use the spool in ${folder}: ${messageOf(error)}`, { cause: error });
  }
}

async function recover(options: DiskSpoolOptions, lock: AsyncDisposable): Promise<Recovered> {
  const { folder, pipeline, start, isCheckpoint = false, logger, sinks, segmentBytes, onFoundKey } = options;
  const saved = await loadCursors({ path: join(folder, 'cursors.json'), pipeline });
  const found = new Finder(saved, isCheckpoint ? start : { ...start, receivedAt: Number.NEGATIVE_INFINITY });
  const log = await openSegmentLog(
    { folder, segmentBytes },
    {
      record: (record) => {
        const event = toStoredEvent(record);
        found.see(event);
        if (event.keyMark !== '') onFoundKey?.(event.keyMark);
      },
      segmentEnd: () => found.endSegment(),
    },
  );
  const { bytesCut } = log;
  if (bytesCut > 0) logger.warn({ bytes: bytesCut }, 'A crash tore the end of the spool; it was cut off');
  const newest = found.newest ?? emptyMark(log, start);
  const oldest = { ...emptyMark(log, start), through: log.first - 1 };
  const marks = new Map(Object.keys(saved).map((name) => [name, found.markOf(name, { oldest, newest })]));
  // A sink that was not there before gets what another still has to get.
  const furthestBehind = [...marks.values()].reduce(
    (one, other) => (other.through < one.through ? other : one),
    newest,
  );
  const forNew = marks.size === 0 ? oldest : furthestBehind;
  return {
    log,
    lock,
    newest,
    start: found.start ?? start,
    isFresh: found.newest === undefined,
    sinks: new Map(sinks.map(({ name }) => [name, marks.get(name) ?? forNew])),
    segmentEnds: found.segmentEnds,
  };
}

/** Nothing is in the log. */
function emptyMark(log: SegmentLog, position: Position): Mark {
  return { through: log.next - 1, bytes: 0, position };
}

/** Sees the events that are there, in order, and keeps what is asked of them. */
class Finder {
  readonly segmentEnds: Mark[] = [];
  newest: Mark | undefined;
  /** Behind the newest event, where the checkpoint is not further. */
  start: Position | undefined;
  readonly #cursors: Cursors;
  /** Of the events that cursors are on. */
  readonly #marks = new Map<number, Mark | undefined>();
  readonly #checkpoint: Position;

  constructor(saved: Cursors, checkpoint: Position) {
    this.#checkpoint = checkpoint;
    this.#cursors = saved;
    for (const through of Object.values(saved)) this.#marks.set(through, undefined);
  }

  see(event: ReturnType<typeof toStoredEvent>): void {
    const before = this.newest ?? { through: event.sequence - 1, bytes: 0, position: this.#checkpoint };
    const mark = markAfter(before, event);
    const { receivedAt } = this.#checkpoint;
    this.start = mark.position.receivedAt >= receivedAt ? mark.position : undefined;
    this.newest = mark;
    if (this.#marks.has(event.sequence)) this.#marks.set(event.sequence, this.newest);
  }

  /** Where the sink `name` was; what is not there any more it has, and what is not there yet it has not. */
  markOf(name: string, { oldest, newest }: { readonly oldest: Mark; readonly newest: Mark }): Mark {
    const through = this.#cursors[name] ?? 0;
    return through >= newest.through ? newest : (this.#marks.get(through) ?? oldest);
  }

  endSegment(): void {
    if (this.newest !== undefined) this.segmentEnds.push(this.newest);
  }
}
