import type { Backoff, Clock } from '../../base/index.js';
import { createBackoff } from '../../base/index.js';
import type { Logger } from '../../runtime/index.js';
import { messageOf } from '../errors.js';
import { retry } from '../retry.js';
import type { DeadLetter, DeadLetters } from './dead-letters.js';

export interface KeepOptions {
  readonly deadLetters: DeadLetters;
  readonly clock: Clock;
  readonly signal: AbortSignal;
  readonly logger: Logger;
  /** Between attempts (default that of {@link createBackoff}). */
  readonly backoff?: Backoff;
}

/** Resolves when `letters` are durable: their events count as acknowledged only then, so there is no last attempt. @throws `signal` aborted. */
export async function keepDeadLetters(letters: readonly DeadLetter[], options: KeepOptions): Promise<void> {
  const { deadLetters, clock, signal, logger, backoff = createBackoff() } = options;
  await retry(() => deadLetters.write(letters), {
    backoff,
    clock,
    signal,
    onRetry: (error, delayMs) =>
      logger.error({ error: messageOf(error), events: letters.length, delayMs }, 'Cannot keep dead letters'),
  });
}
