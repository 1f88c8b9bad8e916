/** What can be wrong with a command line, its configuration or its input; the codes are stable. */
export type CliErrorCode =
  | 'bad-value'
  | 'contradiction'
  | 'file-exists'
  | 'failed'
  | 'missing-argument'
  | 'missing-value'
  | 'too-many-arguments'
  | 'unknown-flag'
  | 'unknown-key'
  | 'unknown-verb'
  | 'unreadable-file';

/** Exit codes: 0 done, 1 it failed, 2 it was asked for wrongly and nothing was begun. */
export const EXIT = { ok: 0, failure: 1, usage: 2 } as const;
export type ExitCode = (typeof EXIT)[keyof typeof EXIT];

const FAILURES: ReadonlySet<CliErrorCode> = new Set(['failed', 'file-exists', 'unreadable-file']);

/** One sentence for the person at the terminal, and the exit code that goes with it. */
export class CliError extends Error {
  override readonly name = 'CliError';
  readonly code: CliErrorCode;
  readonly exitCode: ExitCode;

  constructor(code: CliErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
    this.exitCode = FAILURES.has(code) ? EXIT.failure : EXIT.usage;
  }
}
