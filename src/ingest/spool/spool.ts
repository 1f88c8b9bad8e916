import { CheckpointTracker } from './checkpoint-tracker.js';
import type { Position } from './checkpoint-tracker.js';
import { Notifier } from '../notifier.js';
import { SequenceLog } from './sequence-log.js';
import type { ReceivedEvent } from '../sources/source.js';

/** An event that waits for its sinks. */
export interface SpooledEvent extends ReceivedEvent {
  /** Its place in this run of the pipeline; the first event has 1. */
  readonly sequence: number;
  /** What it is counted as, in bytes: its text as UTF-8 and a constant for the rest. */
  readonly bytes: number;
}

/** What a full spool does about a sink that is behind: wait for it, or let it lose its oldest events. */
export type OnFull = 'block' | 'drop';

export interface SpoolLimits {
  /** Events held for the slowest sink (default 10,000); then `onFull` decides. */
  readonly eventsMax?: number;
  /** Bytes held for the slowest sink (default 64 MiB); one larger event is let in alone. */
  readonly bytesMax?: number;
}

export interface SpoolOptions extends SpoolLimits {
  readonly sinks: readonly { readonly name: string; readonly onFull: OnFull }[];
  /** The position before the first event. */
  readonly start: Position;
  /** Whether a checkpoint says so (default false); else it is only the time of the start. */
  readonly isCheckpoint?: boolean;
  /** Told of the keys of events that the run before left in the spool, in their order, before it is opened. */
  readonly onFoundKey?: (keyMark: string) => void;
  /** Told of events that a sink loses because it is behind. */
  readonly onDrop?: (sink: string, events: number) => void;
  /** Told whenever {@link Spool.position} may have moved. */
  readonly onSettled?: () => void;
}

/** How much a reader may take at once; it is always given at least one event. */
export interface TakeLimits {
  readonly eventsMax: number;
  readonly bytesMax: number;
}

/** One sink's cursor in the spool. */
export interface SpoolReader {
  readonly pendingEvents: number;
  readonly pendingBytes: number;
  /** Nothing will be appended any more. */
  readonly isClosed: boolean;
  /** Half of what the spool holds. */
  readonly half: { readonly events: number; readonly bytes: number };
  /** The next event, which stays. */
  peek(): Promise<SpooledEvent | undefined>;
  /** The next events in order. They stay in the spool until {@link acknowledge}. */
  take(limits: TakeLimits): Promise<readonly SpooledEvent[]>;
  /** Everything taken is safe. */
  acknowledge(): void;
  /** Resolves when something was appended, the spool was closed, or `signal` aborts. */
  changed(signal: AbortSignal): Promise<void>;
}

/** Events between one source and its sinks: kept until every sink has acknowledged them, within a bound. */
export interface Spool extends AsyncDisposable {
  /** Events that some sink has not acknowledged. */
  readonly events: number;
  readonly bytes: number;
  /** When the oldest event came that some sink does not have; undefined where there is none. */
  readonly oldestAt: number | undefined;
  /** Where the source goes on: behind the newest of the checkpoint and of what the run before left in the spool. */
  readonly start: Position;
  /** Nothing was in it from a run before. */
  readonly isFresh: boolean;
  /** Up to here every sink has acknowledged everything. */
  readonly position: Position;
  /** Keeps the event for every sink; false where there is no room for it: {@link waitForRoom}. */
  tryAppend(event: ReceivedEvent, resumeId: string, keyMark?: string): boolean;
  /** Resolves when there may be room again, or when `signal` aborts. */
  waitForRoom(signal: AbortSignal): Promise<void>;
  /** The source moved on without an event for the sinks. */
  advance(position: Position): void;
  /** No more events: readers finish what is there. */
  close(): void;
  /** The cursor of the sink `name`, which must be one of the options'. */
  reader(name: string): SpoolReader;
}

/** Limits where none are given. */
export const SPOOL_EVENTS_MAX = 10_000;
export const SPOOL_BYTES_MAX = 64 * 1024 * 1024;
/** About what an event costs beside its text. */
const EVENT_OVERHEAD_BYTES = 128;

/** What `event` counts as in a spool. */
export function spooledBytesOf({ data, type, id }: ReceivedEvent): number {
  return Buffer.byteLength(data) + type.length + id.length + EVENT_OVERHEAD_BYTES;
}

interface Cursor extends SpoolReader {
  readonly onFull: OnFull;
  /** Moves past event `sequence` unless it was taken; true where it is lost by that. */
  skip(sequence: number): boolean;
}

/** Events between one source and its sinks, in memory, bounded in events and bytes. */
export class MemorySpool implements Spool {
  readonly start: Position;
  readonly isFresh = true;
  readonly #eventsMax: number;
  readonly #bytesMax: number;
  readonly #events = new SequenceLog<SpooledEvent>();
  readonly #tracker: CheckpointTracker;
  readonly #readers: ReadonlyMap<string, Cursor>;
  readonly #appended = new Notifier();
  readonly #room = new Notifier();
  readonly #onDrop: (sink: string, events: number) => void;
  readonly #onSettled: () => void;
  #bytes = 0;
  #bytesAppended = 0;
  #isClosed = false;

  constructor({ eventsMax = SPOOL_EVENTS_MAX, bytesMax = SPOOL_BYTES_MAX, sinks, start, ...told }: SpoolOptions) {
    this.start = start;
    this.#eventsMax = eventsMax;
    this.#bytesMax = bytesMax;
    this.#onDrop = told.onDrop ?? (() => {});
    this.#onSettled = told.onSettled ?? (() => {});
    this.#tracker = new CheckpointTracker(
      sinks.map((sink) => sink.name),
      start,
    );
    this.#readers = new Map(sinks.map(({ name, onFull }) => [name, this.#createReader(name, onFull)]));
  }

  get events(): number {
    return this.#events.size;
  }

  get bytes(): number {
    return this.#bytes;
  }

  get oldestAt(): number | undefined {
    return this.#events.at(this.#events.first)?.receivedAt;
  }

  get position(): Position {
    return this.#tracker.position;
  }

  tryAppend(event: ReceivedEvent, resumeId: string, keyMark?: string): boolean {
    const bytes = spooledBytesOf(event);
    if (!this.#makeRoom(bytes)) return false;
    const sequence = this.#tracker.append({ lastEventId: resumeId, receivedAt: event.receivedAt, keyMark });
    this.#events.append({ ...event, sequence, bytes });
    this.#bytes += bytes;
    this.#bytesAppended += bytes;
    this.#appended.notify();
    return true;
  }

  waitForRoom(signal: AbortSignal): Promise<void> {
    return this.#room.wait(signal);
  }

  advance(position: Position): void {
    this.#tracker.advance(position);
    this.#onSettled();
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

  async [Symbol.asyncDispose](): Promise<void> {}

  #makeRoom(bytes: number): boolean {
    while (this.#events.size > 0 && (this.#events.size >= this.#eventsMax || this.#bytes + bytes > this.#bytesMax)) {
      const oldest = this.#events.first;
      const behind = [...this.#readers].filter(([name]) => this.#tracker.acknowledgedBy(name) < oldest);
      if (behind.some(([, reader]) => reader.onFull === 'block')) return false;
      for (const [name, reader] of behind) {
        if (reader.skip(oldest)) this.#onDrop(name, 1);
        // What the sink has in hand it still writes, but nobody waits for it any more.
        this.#acknowledge(name, oldest);
      }
    }
    return true;
  }

  #acknowledge(name: string, through: number): void {
    this.#tracker.acknowledge(name, through);
    let released = 0;
    while (this.#events.first <= this.#tracker.settledThrough) {
      this.#bytes -= this.#events.removeFirst()?.bytes ?? 0;
      released += 1;
    }
    // Even where nothing left: a sink that drops may be all that is behind now.
    this.#room.notify();
    if (released > 0) this.#onSettled();
  }

  #createReader(name: string, onFull: OnFull): Cursor {
    const events = this.#events;
    const bytesAppended = (): number => this.#bytesAppended;
    const isClosed = (): boolean => this.#isClosed;
    let next = 1;
    let bytesPassed = 0;
    const pass = (event: SpooledEvent): void => {
      next = event.sequence + 1;
      bytesPassed += event.bytes;
    };
    return {
      onFull,
      get pendingEvents() {
        return events.next - next;
      },
      get pendingBytes() {
        return bytesAppended() - bytesPassed;
      },
      get isClosed() {
        return isClosed();
      },
      half: { events: Math.max(1, this.#eventsMax >> 1), bytes: Math.max(1, Math.floor(this.#bytesMax / 2)) },
      peek: () => Promise.resolve(events.at(next)),
      take({ eventsMax, bytesMax }) {
        const taken: SpooledEvent[] = [];
        const bytesBefore = bytesPassed;
        for (let event = events.at(next); event !== undefined; event = events.at(next)) {
          const isTooMuch = taken.length >= eventsMax || bytesPassed - bytesBefore + event.bytes > bytesMax;
          if (isTooMuch && taken.length > 0) break;
          pass(event);
          taken.push(event);
        }
        return Promise.resolve(taken);
      },
      acknowledge: () => this.#acknowledge(name, next - 1),
      changed: (signal) => this.#appended.wait(signal),
      skip(sequence) {
        const event = events.at(sequence);
        if (event === undefined || next > sequence) return false;
        pass(event);
        return true;
      },
    };
  }
}
