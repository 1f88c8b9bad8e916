import type { Clock } from '../../src/base/index.js';

interface Timer {
  readonly at: number;
  readonly task: () => void;
}

/** Time that moves only when told to. */
export class ManualClock implements Clock {
  #now: number;
  readonly #timers = new Set<Timer>();
  #onTimer: (() => void)[] = [];

  constructor(now = Date.UTC(2026, 10, 20)) {
    this.#now = now;
  }

  now(): number {
    return this.#now;
  }

  after(delayMs: number, task: () => void): () => void {
    const timer = { at: this.#now + Math.max(delayMs, 0), task };
    this.#timers.add(timer);
    const wakes = this.#onTimer;
    this.#onTimer = [];
    for (const wake of wakes) wake();
    return () => this.#timers.delete(timer);
  }

  get timers(): number {
    return this.#timers.size;
  }

  /** Resolves when at least `count` timers are set. */
  async waitForTimers(count = 1): Promise<void> {
    while (this.#timers.size < count) await new Promise<void>((resolve) => this.#onTimer.push(resolve));
  }

  /** Moves on by `ms` and runs, in their order, the timers that are due on the way. */
  advance(ms: number): void {
    const end = this.#now + ms;
    for (;;) {
      const due = [...this.#timers].filter((timer) => timer.at <= end).toSorted((a, b) => a.at - b.at)[0];
      if (due === undefined) break;
      this.#timers.delete(due);
      this.#now = Math.max(this.#now, due.at);
      due.task();
    }
    this.#now = end;
  }
}

/** Time that jumps: each delay passes at once, and is written down. */
export class JumpingClock implements Clock {
  readonly delays: number[] = [];
  #now = Date.UTC(2026, 10, 20);

  now(): number {
    return this.#now;
  }

  after(delayMs: number, task: () => void): () => void {
    this.delays.push(delayMs);
    const immediate = setImmediate(() => {
      this.#now += delayMs;
      task();
    });
    return () => clearImmediate(immediate);
  }
}
