import { sleep } from '../base/index.js';
import type { Backoff, Clock } from '../base/index.js';

export interface RetryOptions {
  readonly backoff: Backoff;
  readonly clock: Clock;
  readonly signal: AbortSignal;
  /** Whether the same may succeed later (default: always); else the failure is thrown. */
  readonly isRetryable?: (error: unknown) => boolean;
  /** Milliseconds to wait at least after this failure (default 0). */
  readonly floorMs?: (error: unknown) => number;
  /** Told of each failure that is going to be retried. */
  readonly onRetry?: (error: unknown, delayMs: number, attempt: number) => void;
}

/**
 * Does `task` until it succeeds, with a delay from `backoff` after each failure; there is no last attempt.
 * @throws what `task` threw, where that is not retryable or `signal` has aborted.
 */
export async function retry<T>(task: () => Promise<T>, options: RetryOptions): Promise<T> {
  const { backoff, clock, signal, isRetryable, floorMs, onRetry } = options;
  backoff.reset();
  for (;;) {
    try {
      return await task();
    } catch (error) {
      if (signal.aborted || isRetryable?.(error) === false) throw error;
      const delayMs = Math.max(backoff.nextMs(), floorMs?.(error) ?? 0);
      onRetry?.(error, delayMs, backoff.attempts);
      await sleep(delayMs, signal, clock);
      if (signal.aborted) throw error;
    }
  }
}
