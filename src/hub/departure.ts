import type { Clock } from '../base/index.js';

interface DepartureOptions {
  readonly clock: Clock;
  readonly drainMs: number;
  /** Milliseconds for which the hub may still answer after its last subscriber has gone. */
  readonly afterMs: number;
}

/** Milliseconds that subscribers sent away last, and publishes under way, get to end after the window. */
const DEPARTURE_GRACE_MS = 1000;

/** The end of a hub: whether it has begun, when it is over, and what is still under way. */
export class Departure {
  readonly #options: DepartureOptions;
  readonly #stops = new Set<() => void>();
  #beganMs: number | undefined;
  #underWay = 0;
  /** Other processes take the clients of this one: they need not wait until it is gone. */
  hasOthers = false;

  constructor(options: DepartureOptions) {
    this.#options = options;
  }

  get hasBegun(): boolean {
    return this.#beganMs !== undefined;
  }

  /** Publishes that have yet to be answered. */
  get underWay(): number {
    return this.#underWay;
  }

  /** When those who have not gone are cut off. */
  get deadlineMs(): number {
    const { clock, drainMs } = this.#options;
    return (this.#beganMs ?? clock.now()) + drainMs + DEPARTURE_GRACE_MS;
  }

  /** Milliseconds for which who comes back would still be refused here. */
  get leftMs(): number {
    const { clock, afterMs } = this.#options;
    if (!this.hasBegun || this.hasOthers) return 0;
    return Math.max(0, this.deadlineMs + afterMs - clock.now());
  }

  begin(): void {
    if (this.hasBegun) return;
    this.#beganMs = this.#options.clock.now();
    for (const stop of this.#stops) stop();
    this.#stops.clear();
  }

  /** Calls `stop` when the end begins, or at once where it has; the returned function takes that back. */
  onBegin(stop: () => void): () => void {
    if (this.hasBegun) stop();
    else this.#stops.add(stop);
    return () => void this.#stops.delete(stop);
  }

  /** The hub waits for `task`, for a while, before it is gone. */
  async hold<Result>(task: () => Promise<Result>): Promise<Result> {
    this.#underWay += 1;
    try {
      return await task();
    } finally {
      this.#underWay -= 1;
    }
  }
}
