import { hashText } from './hash-text.js';
import { NOTHING_LOST } from './history.js';
import type { Lost } from './history.js';

/** Names whose losses are kept at least; twice as many at most, in 42 bytes each. */
export const FORGOTTEN_NAMES_MAX = 100_000;

/**
 * What channels that are forgotten had lost (PROTOCOL.md, 5.8). Of the last {@link FORGOTTEN_NAMES_MAX} names each newest
 * loss is kept; of all names before them, the newest of any. So a loss is never passed over, and a name that is known
 * is told of no loss but its own.
 */
export class ForgottenLosses {
  readonly #namesMax: number;
  #young = new LossTable();
  /** Full; given up as a whole when the young one is. */
  #old = new LossTable();
  /** The newest loss of the names that are not kept. */
  #beyond: Lost = NOTHING_LOST;

  constructor(namesMax = FORGOTTEN_NAMES_MAX) {
    this.#namesMax = namesMax;
  }

  remember(name: string, lost: Lost): void {
    // A channel that lost nothing of its own began with what it is going to begin with again.
    if (lost.offset <= this.#beyond.offset) return;
    this.#young.set(hashText(name), lost);
    if (this.#young.size < this.#namesMax) return;
    if (this.#old.newest.offset > this.#beyond.offset) this.#beyond = this.#old.newest;
    this.#old = this.#young;
    this.#young = new LossTable();
  }

  /** What a channel of that name may have lost. */
  of(name: string): Lost {
    if (this.#young.size === 0 && this.#old.size === 0) return this.#beyond;
    const hash = hashText(name);
    return this.#young.get(hash) ?? this.#old.get(hash) ?? this.#beyond;
  }
}

const CAPACITY = 16;

/** Losses by the hashes of names, in flat memory. Of two names with one hash the newer loss counts, for both. */
class LossTable {
  #hashes = new Float64Array(CAPACITY);
  #offsets = new Float64Array(CAPACITY);
  #times = new Float64Array(CAPACITY);
  /** Where an entry lies, plus one; at the first place behind its hash that was free. */
  #places = new Int32Array(CAPACITY * 2);
  size = 0;
  newest: Lost = NOTHING_LOST;

  get(hash: number): Lost | undefined {
    const entry = (this.#places[this.#slotOf(hash)] ?? 0) - 1;
    return entry < 0 ? undefined : { offset: this.#offsets[entry] ?? 0, timeMs: this.#times[entry] ?? 0 };
  }

  set(hash: number, lost: Lost): void {
    if (this.size === this.#hashes.length) this.#grow();
    const slot = this.#slotOf(hash);
    let entry = (this.#places[slot] ?? 0) - 1;
    if (entry < 0) {
      entry = this.size;
      this.size += 1;
      this.#places[slot] = entry + 1;
      this.#hashes[entry] = hash;
    }
    if (lost.offset < (this.#offsets[entry] ?? 0)) return;
    this.#offsets[entry] = lost.offset;
    this.#times[entry] = lost.timeMs;
    if (lost.offset > this.newest.offset) this.newest = lost;
  }

  #slotOf(hash: number): number {
    const mask = this.#places.length - 1;
    for (let slot = hash & mask; ; slot = (slot + 1) & mask) {
      const entry = (this.#places[slot] ?? 0) - 1;
      if (entry < 0 || this.#hashes[entry] === hash) return slot;
    }
  }

  #grow(): void {
    const capacity = this.#hashes.length * 2;
    this.#hashes = enlarged(this.#hashes, capacity);
    this.#offsets = enlarged(this.#offsets, capacity);
    this.#times = enlarged(this.#times, capacity);
    this.#places = new Int32Array(capacity * 2);
    for (let entry = 0; entry < this.size; entry += 1) this.#places[this.#slotOf(this.#hashes[entry] ?? 0)] = entry + 1;
  }
}

function enlarged(numbers: Float64Array, length: number): Float64Array<ArrayBuffer> {
  const larger = new Float64Array(length);
  larger.set(numbers);
  return larger;
}
