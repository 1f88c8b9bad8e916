import { SequenceLog } from './sequence-log.js';

/** How far a source has been dealt with. */
export interface Position {
  /** The id to resume from; empty where the source gave none. */
  readonly lastEventId: string;
  /** Milliseconds since 1970; when the last thing before this position was received. */
  readonly receivedAt: number;
  /** The hash of the last key that was remembered before it, where repeats are dropped. */
  readonly keyMark?: string | undefined;
}

/**
 * Says how far the checkpoint may move: over the longest run of events, from the oldest on, that every sink
 * has acknowledged. No I/O and no clock.
 */
export class CheckpointTracker {
  readonly #positions = new SequenceLog<Position>();
  readonly #acknowledged: Map<string, number>;
  #settled: Position;

  /** @param sinks the names of all sinks. @param start the position before the first event. */
  constructor(sinks: Iterable<string>, start: Position) {
    this.#acknowledged = new Map(Array.from(sinks, (name) => [name, 0]));
    this.#settled = start;
  }

  /** The position up to which every sink has everything. */
  get position(): Position {
    return this.#settled;
  }

  /** The sequence number of the last event that every sink has. */
  get settledThrough(): number {
    return this.#positions.first - 1;
  }

  /** An event was received; returns its sequence number, the first being 1. */
  append(position: Position): number {
    return this.#positions.append(position);
  }

  /** The source moved on by something that no sink gets: it is settled as soon as all before it is. */
  advance(position: Position): void {
    if (this.#positions.size === 0) this.#settled = position;
    else this.#positions.replaceLast(position);
  }

  /** `sink` has, or has lost and said so, every event up to and including `through`. */
  acknowledge(sink: string, through: number): void {
    this.#acknowledged.set(sink, Math.max(through, this.acknowledgedBy(sink)));
    const settledThrough = Math.min(...this.#acknowledged.values());
    while (this.#positions.first <= settledThrough) {
      const position = this.#positions.removeFirst();
      if (position === undefined) return;
      this.#settled = position;
    }
  }

  /** The sequence number of the last event that `sink` acknowledged; 0 before the first. */
  acknowledgedBy(sink: string): number {
    return this.#acknowledged.get(sink) ?? 0;
  }
}
