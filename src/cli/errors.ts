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

/** Codes of other modules for what they refuse before they begin; an answer of a hub has a status beside it. */
const REFUSED_AT_THE_DOOR: ReadonlySet<unknown> = new Set([
  'invalid-channel',
  'invalid-header',
  'invalid-option',
  'invalid-url',
]);

/** The exit code that goes with anything thrown. */
export function exitCodeOf(error: unknown): ExitCode {
  if (error instanceof CliError) return error.exitCode;
  if (!(error instanceof Error) || !('code' in error)) return EXIT.failure;
  const isAnswer = 'status' in error && error.status !== undefined;
  return !isAnswer && REFUSED_AT_THE_DOOR.has(error.code) ? EXIT.usage : EXIT.failure;
}
