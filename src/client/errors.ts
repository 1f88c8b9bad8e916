export interface ClientErrorOptions {
  /** Stable; the hub's own `code` where it answered with one. */
  readonly code: string;
  readonly message: string;
  /** The HTTP status, where there was an answer. */
  readonly status?: number;
  /** Whether the same request may succeed later. */
  readonly retryable: boolean;
  /** Milliseconds the hub asked to wait before that. */
  readonly retryAfterMs?: number;
  readonly cause?: unknown;
}

/** A request that a hub refused or that never reached it. */
export class ClientError extends Error {
  override readonly name = 'ClientError';
  readonly code: string;
  readonly status?: number;
  readonly retryable: boolean;
  readonly retryAfterMs?: number;

  constructor({ code, message, status, retryable, retryAfterMs, cause }: ClientErrorOptions) {
    super(message, cause === undefined ? undefined : { cause });
    this.code = code;
    this.retryable = retryable;
    if (status !== undefined) this.status = status;
    if (retryAfterMs !== undefined) this.retryAfterMs = retryAfterMs;
  }
}
