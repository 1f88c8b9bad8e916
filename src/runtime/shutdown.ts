/** Exit codes of a process that a signal ended: 128 and the signal's number. */
const EXIT_CODES = { SIGINT: 130, SIGTERM: 143 } as const;
type StopSignal = keyof typeof EXIT_CODES;
const STOP_SIGNALS: readonly StopSignal[] = ['SIGINT', 'SIGTERM'];

/** The part of `process` that is used, so that tests can stand in for it. */
export interface SignalSource {
  on(event: StopSignal, listener: (signal: StopSignal) => void): unknown;
  off(event: StopSignal, listener: (signal: StopSignal) => void): unknown;
}

export interface ShutdownOptions {
  /** Default: `process`. */
  readonly source?: SignalSource;
  /** Default: `process.exit`. */
  readonly exit?: (code: number) => void;
}

export interface Shutdown extends Disposable {
  /** Aborts at the first SIGINT or SIGTERM. */
  readonly signal: AbortSignal;
}

/**
 * Listens for SIGINT and SIGTERM until disposed: the first aborts `signal`, so that everything can
 * finish; the second means "now" and exits at once with 130 or 143.
 */
export function listenForShutdown({
  source = process,
  exit = (code) => process.exit(code),
}: ShutdownOptions = {}): Shutdown {
  const controller = new AbortController();
  const onSignal = (name: StopSignal): void => {
    if (controller.signal.aborted) exit(EXIT_CODES[name]);
    else controller.abort(name);
  };
  for (const name of STOP_SIGNALS) source.on(name, onSignal);
  return {
    signal: controller.signal,
    [Symbol.dispose]() {
      for (const name of STOP_SIGNALS) source.off(name, onSignal);
    },
  };
}
