import type { SpooledEvent } from '../../spool/spool.js';
import { FINGERPRINT_CHARACTERS, fingerprintOf } from './fingerprint.js';
import { eventCountOf } from './object-journal.js';
import type { JournalEntry, PlannedObject } from './object-journal.js';

/**
 * After a start: which of the events that come again are in objects already, and where the object that was
 * under way begins and ends. Decides by what events are, in their order; the first event that is another
 * than the one expected ends it, and everything from there on is new. No I/O and no clock.
 */
export class Replay {
  /** Fingerprints of what the done objects hold, one after the other. */
  readonly #done: string;
  readonly #pending: PlannedObject | undefined;
  /** The place in {@link #done} of the event that must come next; undefined before the first came. */
  #at: number | undefined;
  #isOver = false;

  constructor(entries: readonly JournalEntry[]) {
    this.#done = entries.flatMap(({ object, isDone }) => (isDone ? [object.fingerprints] : [])).join('');
    this.#pending = entries.find(({ isDone }) => !isDone)?.object;
  }

  /** How many events a batch that begins with `first` should have; undefined where it does not matter. */
  batchLength(first: SpooledEvent): { readonly kind: 'written' | 'planned'; readonly events: number } | undefined {
    if (this.#isOver) return undefined;
    const at = this.#at ?? this.#locate(first);
    if (at < this.#doneCount) return { kind: 'written', events: this.#doneCount - at };
    return this.#pending === undefined ? undefined : { kind: 'planned', events: eventCountOf(this.#pending) };
  }

  /** How many events at the beginning of `events` are in objects that are done. */
  skip(events: readonly SpooledEvent[]): number {
    const [first] = events;
    if (this.#isOver || first === undefined) return 0;
    this.#at ??= this.#locate(first);
    let skipped = 0;
    for (const event of events) {
      if (this.#at >= this.#doneCount) break;
      if (fingerprintOf(event) !== fingerprintAt(this.#done, this.#at)) {
        this.#at = this.#doneCount;
        break;
      }
      this.#at += 1;
      skipped += 1;
    }
    return skipped;
  }

  /** The planned object, where `events` begin with exactly its events. Asked once: after it nothing comes again. */
  takePlanned(events: readonly SpooledEvent[]): PlannedObject | undefined {
    const planned = this.#isOver ? undefined : this.#pending;
    this.#isOver = true;
    if (planned === undefined || events.length < eventCountOf(planned)) return undefined;
    const names = events.slice(0, eventCountOf(planned)).map(fingerprintOf);
    return names.every((name, index) => name === fingerprintAt(planned.fingerprints, index)) ? planned : undefined;
  }

  get #doneCount(): number {
    return this.#done.length / FINGERPRINT_CHARACTERS;
  }

  #locate(first: SpooledEvent): number {
    const name = fingerprintOf(first);
    if (name === undefined) return this.#doneCount;
    for (let from = 0; ;) {
      const found = this.#done.indexOf(name, from);
      if (found === -1) return this.#doneCount;
      if (found % FINGERPRINT_CHARACTERS === 0) return found / FINGERPRINT_CHARACTERS;
      from = found + 1;
    }
  }
}

function fingerprintAt(fingerprints: string, index: number): string {
  return fingerprints.slice(index * FINGERPRINT_CHARACTERS, (index + 1) * FINGERPRINT_CHARACTERS);
}
