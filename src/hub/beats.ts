/** One that is looked at again and again, for as long as it is in the wheel. */
export interface Beaten {
  /** The tick of its next look; only the wheel writes it. */
  dueTick: number;
  /** The tick by which it wants to be looked at; it may be looked at earlier. */
  readonly wantedTick: number;
  /** Looks after itself. */
  beat(tick: number): void;
}

/** Ticks in one heartbeat interval. */
export const TICKS_PER_HEARTBEAT = 16;

/**
 * Ticks without a write after which a heartbeat is due. A look comes up to one tick late, because the timer has a phase
 * of its own, and the last tick of the interval is left for the looks of one tick to be worked through.
 */
export const SILENT_TICKS_MAX = TICKS_PER_HEARTBEAT - 2;

/** Slots of the wheel: more than any look lies ahead, so that what is put back never meets the slot under way. */
const SLOTS = 2 * TICKS_PER_HEARTBEAT;

/** How long looks may keep the loop at a time; measured at every few of them. */
const PART_MS = 10;
const LOOKS_PER_MEASURE = 32;

interface BeatsOptions {
  readonly heartbeatMs: number;
  /** Looks at one that nothing else is written to are this far apart at most (default: a heartbeat interval). */
  readonly lookMsMax?: number;
  /** Milliseconds of a clock that never jumps. */
  readonly nowMs: () => number;
  /** Runs a task in a later turn of the loop. */
  readonly defer?: (task: () => void) => void;
}

/**
 * All subscribers, on a wheel of slots by the tick at which each is looked at next. A write only notes the tick
 * ({@link tick}); at its look a subscriber that was written to in the meantime moves on to when silence would be too
 * long. So each is looked at about once in a heartbeat interval, however often it is written to, and needs no timer.
 */
export class Beats<Item extends Beaten> {
  /** The present tick: what writes note. */
  tick = 0;
  readonly tickMs: number;
  readonly #slots: readonly Set<Item>[] = Array.from({ length: SLOTS }, () => new Set());
  readonly #nowMs: () => number;
  readonly #defer: (task: () => void) => void;
  readonly #startedMs: number;
  readonly #lookTicksMax: number;
  /** Slots up to this tick's have been looked through. */
  #lookedTick = 0;
  #isLooking = false;
  #size = 0;

  constructor({ heartbeatMs, lookMsMax = heartbeatMs, nowMs, defer = setImmediate }: BeatsOptions) {
    this.tickMs = heartbeatMs / TICKS_PER_HEARTBEAT;
    this.#lookTicksMax = Math.min(Math.max(1, Math.floor(lookMsMax / this.tickMs)), SILENT_TICKS_MAX);
    this.#nowMs = nowMs;
    this.#defer = defer;
    this.#startedMs = nowMs();
  }

  get size(): number {
    return this.#size;
  }

  *[Symbol.iterator](): Generator<Item, void, undefined> {
    for (const slot of this.#slots) yield* slot;
  }

  add(item: Item): void {
    this.#put(item);
    this.#size += 1;
  }

  delete(item: Item): void {
    if (this.#slotOf(item.dueTick).delete(item)) this.#size -= 1;
  }

  /** Called at least once a tick: looks at all that are due. Many are done in parts, with turns of the loop in between. */
  turn(): void {
    this.tick = Math.floor((this.#nowMs() - this.#startedMs) / this.tickMs);
    // After a long stop of the process every slot is due, and none twice.
    this.#lookedTick = Math.max(this.#lookedTick, this.tick - SLOTS);
    if (!this.#isLooking) this.#lookOn(this.#nextDue());
  }

  #lookOn(due: Iterator<Item, void>): void {
    this.#isLooking = !this.#lookAtSome(due);
    if (this.#isLooking) this.#defer(() => this.#lookOn(due));
  }

  /** Whether none is left. */
  #lookAtSome(due: Iterator<Item, void>): boolean {
    const startedMs = performance.now();
    do {
      for (let looks = 0; looks < LOOKS_PER_MEASURE; looks += 1) {
        const next = due.next();
        if (next.done === true) return true;
        this.#look(next.value);
      }
    } while (performance.now() - startedMs < PART_MS);
    return false;
  }

  #look(item: Item): void {
    item.beat(this.tick);
    // A look may end in its leaving.
    if (this.#slotOf(item.dueTick).delete(item)) this.#put(item);
  }

  *#nextDue(): Generator<Item, void, undefined> {
    while (this.#lookedTick < this.tick) {
      const slot = this.#slotOf(this.#lookedTick + 1);
      // No more than are there now: one put back into the same slot would go round for ever.
      let left = slot.size;
      for (const item of slot) {
        if (left === 0) break;
        left -= 1;
        yield item;
      }
      this.#lookedTick += 1;
    }
  }

  #put(item: Item): void {
    item.dueTick = Math.min(Math.max(item.wantedTick, this.tick + 1), this.tick + this.#lookTicksMax);
    this.#slotOf(item.dueTick).add(item);
  }

  #slotOf(tick: number): Set<Item> {
    const slot = this.#slots[tick % SLOTS];
    if (slot === undefined) throw new RangeError(`Cannot find the slot of tick ${tick}`);
    return slot;
  }
}
