import { hash } from 'node:crypto';
import { createEventKeyReader } from './event-key.js';
import type { EventKeyReader } from './event-key.js';
import type { EventView } from './event-view.js';

export interface DedupeOptions {
  /** What tells events apart: `id`, or a JSON pointer into the data such as `/meta/id`. */
  readonly key: string;
  /**
   * How many keys are remembered over a restart (default 10,000); each takes 11 bytes in the checkpoint. An event
   * that comes again after more others than this is not known any more.
   */
  readonly keysMax?: number;
}

/** The default of {@link DedupeOptions.keysMax}. */
const DEDUPE_KEYS = 10_000;
/** Characters of a hash of 64 bits: of 10,000 keys, one in 10^15 events is taken for another. */
export const HASH_CHARACTERS = 11;

/**
 * Knows the last events again. An event without the key is never taken for another. Remembers hashes, in the order in
 * which the events came first, and each under a number that rises by one.
 */
export class Dedupe {
  readonly #keyOf: EventKeyReader;
  readonly #keysMax: number;
  /** Keys of events that wait for their sinks, which the checkpoint does not have yet. */
  readonly #unsettledMax: number;
  readonly #hashes = new Map<string, number>();
  /** Kept: a new iterator would pass over all that was deleted, each time. */
  readonly #oldest = this.#hashes.keys();
  #count = 0;
  #mark = '';

  /**
   * @param unsettledMax how many events may wait for sinks. @param known the keys of a checkpoint.
   * @throws IngestError `invalid-option`: the key is no JSON pointer.
   */
  constructor({ key, keysMax = DEDUPE_KEYS }: DedupeOptions, unsettledMax: number, known = '') {
    this.#keyOf = createEventKeyReader(key);
    this.#keysMax = keysMax;
    this.#unsettledMax = unsettledMax;
    for (let at = 0; at + HASH_CHARACTERS <= known.length; at += HASH_CHARACTERS)
      this.#remember(known.slice(at, at + HASH_CHARACTERS));
  }

  /** The hash of the last event that was remembered; empty before the first. */
  get mark(): string {
    return this.#mark;
  }

  /** Whether the event came before; one that did not is remembered. */
  isRepeat(view: EventView): boolean {
    const key = this.#keyOf(view);
    if (key === undefined) return false;
    const digest = hash('sha256', key, 'base64url').slice(0, HASH_CHARACTERS);
    if (this.#hashes.has(digest)) return true;
    this.#remember(digest);
    return false;
  }

  /** Remembers an event of a run before, whose {@link mark} is known. */
  recall(mark: string): void {
    if (mark.length === HASH_CHARACTERS && !this.#hashes.has(mark)) this.#remember(mark);
  }

  /** The keys of the last events up to the one with `mark`, for the checkpoint: none where that is forgotten. */
  keysThrough(mark: string): string {
    const settled: string[] = [];
    const last = this.#hashes.get(mark) ?? 0;
    for (const [digest, number] of this.#hashes) {
      if (number > last) break;
      if (number > last - this.#keysMax) settled.push(digest);
    }
    return settled.join('');
  }

  #remember(digest: string): void {
    this.#count += 1;
    this.#mark = digest;
    this.#hashes.set(digest, this.#count);
    if (this.#hashes.size <= this.#keysMax + this.#unsettledMax) return;
    const { value } = this.#oldest.next();
    if (value !== undefined) this.#hashes.delete(value);
  }
}
