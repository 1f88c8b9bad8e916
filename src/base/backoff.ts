export interface BackoffOptions {
  /** Upper bound of the first delay (default 1,000). */
  readonly baseMs?: number;
  /** Upper bound of every delay (default 30,000). */
  readonly maxMs?: number;
  /** A number in [0, 1), for tests. */
  readonly random?: (() => number) | undefined;
}

export interface Backoff {
  /** The next delay, in milliseconds: a random part of a bound that doubles ("full jitter"). */
  nextMs(): number;
  /** Begins again at `baseMs`. */
  reset(): void;
  /** How many delays were drawn since the last reset. */
  readonly attempts: number;
}

/** Exponential backoff with full jitter: clients that failed together do not come back together. */
export function createBackoff({ baseMs = 1000, maxMs = 30_000, random = Math.random }: BackoffOptions = {}): Backoff {
  let attempts = 0;
  return {
    nextMs() {
      const bound = Math.min(maxMs, baseMs * 2 ** Math.min(attempts, 30));
      attempts += 1;
      return Math.round(random() * bound);
    },
    reset() {
      attempts = 0;
    },
    get attempts() {
      return attempts;
    },
  };
}
