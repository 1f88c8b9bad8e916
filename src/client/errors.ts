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
  declare readonly code: string;
  declare readonly status?: number;
  declare readonly retryable: boolean;
  declare readonly retryAfterMs?: number;

  constructor({ message, cause, ...fields }: ClientErrorOptions) {
    super(message, cause === undefined ? undefined : { cause });
    Object.assign(this, fields);
  }
}
