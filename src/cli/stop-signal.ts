import { systemClock } from '../base/index.js';
import type { Clock } from '../base/index.js';
import { listenForShutdown } from '../runtime/index.js';
import type { Shutdown, ShutdownOptions } from '../runtime/index.js';

/**
 * A Ctrl-C under npm comes twice, from the terminal and from npm, which passes it on: within so long it is one.
 * Taken for a second one, it would end the process before it has drained.
 */
const ECHO_MS = 500;

export interface StopOptions extends ShutdownOptions {
  readonly clock?: Clock;
}

/** {@link listenForShutdown}, for a process that may run under npm. */
export function listenForStop({ clock = systemClock, ...options }: StopOptions = {}): Shutdown {
  const { exit = (code) => process.exit(code) } = options;
  let stoppedAt = 0;
  const shutdown = listenForShutdown({
    ...options,
    exit(code) {
      if (clock.now() - stoppedAt >= ECHO_MS) exit(code);
    },
  });
  shutdown.signal.addEventListener('abort', () => (stoppedAt = clock.now()), { once: true });
  return shutdown;
}
