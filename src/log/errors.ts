/** Every way in which a log on disk cannot be used; the codes are stable. */
export type LogErrorCode =
  /** Something in it was changed after it was durable: a disk fault, or a hand. */
  | 'log-corrupt'
  /** Its files are no log, or of a newer Tidegate. */
  | 'log-foreign';

/** Thrown by the log on disk, beside the file system's own errors; `code` is stable. */
export class LogError extends Error {
  override readonly name = 'LogError';
  readonly code: LogErrorCode;

  constructor(code: LogErrorCode, message: string) {
    super(message);
    this.code = code;
  }
}
