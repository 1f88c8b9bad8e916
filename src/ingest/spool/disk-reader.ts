import type { LogPlace, SegmentLog } from '../../log/index.js';
import { IngestError, messageOf } from '../errors.js';
import { SequenceLog } from './sequence-log.js';
import type { OnFull, SpooledEvent, SpoolReader, TakeLimits } from './spool.js';
import { markAfter, toStoredEvent } from './stored-event.js';
import type { Mark, StoredEvent } from './stored-event.js';

/** What the readers of one spool share. */
export interface DiskReaderShared {
  readonly log: Pick<SegmentLog, 'read' | 'first'>;
  /** The newest events, in memory. */
  readonly window: SequenceLog<StoredEvent>;
  readonly half: SpoolReader['half'];
  /** The newest event, written or not. */
  newest(): Mark;
  isClosed(): boolean;
  changed(signal: AbortSignal): Promise<void>;
  onAcknowledge(): void;
}

/** One sink's cursor: in the window while the sink keeps up, in the files once it is behind. */
export class DiskReader implements SpoolReader {
  readonly onFull: OnFull;
  readonly #shared: DiskReaderShared;
  #taken: Mark;
  #acknowledged: Mark;
  /** Read from a file, not taken yet. */
  #ahead = new SequenceLog<StoredEvent>();
  #place: LogPlace | undefined;

  constructor(shared: DiskReaderShared, { onFull, start }: { readonly onFull: OnFull; readonly start: Mark }) {
    this.#shared = shared;
    this.onFull = onFull;
    this.#taken = start;
    this.#acknowledged = start;
  }

  get pendingEvents(): number {
    return this.#shared.newest().through - this.#taken.through;
  }

  get pendingBytes(): number {
    return this.#shared.newest().bytes - this.#taken.bytes;
  }

  get isClosed(): boolean {
    return this.#shared.isClosed();
  }

  get half(): SpoolReader['half'] {
    return this.#shared.half;
  }

  /** Everything up to here is safe, or lost and said so. */
  get acknowledged(): Mark {
    return this.#acknowledged;
  }

  peek(): Promise<SpooledEvent | undefined> {
    return this.#at(this.#taken.through + 1);
  }

  async take({ eventsMax, bytesMax }: TakeLimits): Promise<readonly SpooledEvent[]> {
    const begin = this.#taken;
    const events: StoredEvent[] = [];
    let end = begin;
    while (events.length < eventsMax) {
      const event = this.#here(end.through + 1) ?? (await this.#at(end.through + 1));
      // What was given up while the disk was read is given up: it has been counted as lost.
      if (this.#taken !== begin) return this.take({ eventsMax, bytesMax });
      if (event === undefined) break;
      const next = markAfter(end, event);
      if (events.length > 0 && next.bytes - begin.bytes > bytesMax) break;
      events.push(event);
      end = next;
    }
    this.#taken = end;
    return events;
  }

  acknowledge(): void {
    this.#acknowledged = this.#taken;
    this.#shared.onAcknowledge();
  }

  changed(signal: AbortSignal): Promise<void> {
    return this.#shared.changed(signal);
  }

  /** Moves past everything up to `mark`; returns how many events the sink never got. */
  skip(mark: Mark): number {
    const lost = Math.max(0, mark.through - this.#taken.through);
    if (lost > 0) this.#taken = mark;
    // What the sink has in hand it still writes, but nobody waits for it any more.
    if (mark.through > this.#acknowledged.through) this.#acknowledged = mark;
    return lost;
  }

  #here(sequence: number): StoredEvent | undefined {
    return this.#shared.window.at(sequence) ?? this.#ahead.at(sequence);
  }

  async #at(sequence: number): Promise<StoredEvent | undefined> {
    if (sequence > this.#shared.newest().through) return undefined;
    return this.#here(sequence) ?? this.#load(sequence);
  }

  async #load(sequence: number): Promise<StoredEvent | undefined> {
    const from = this.#place?.sequence === sequence ? this.#place : sequence;
    try {
      const { records, place } = await this.#shared.log.read(from);
      const ahead = new SequenceLog<StoredEvent>(sequence);
      for (const record of records) ahead.append(toStoredEvent(record));
      this.#ahead = ahead;
      this.#place = place;
      return ahead.at(sequence);
    } catch (error) {
      // Its file went away because the event was given up meanwhile.
      if (sequence < this.#shared.log.first) return undefined;
      if (error instanceof IngestError) throw error;
      throw new IngestError('spool-unreadable', `Cannot read the spool: ${messageOf(error)}`, { cause: error });
    }
  }
}
