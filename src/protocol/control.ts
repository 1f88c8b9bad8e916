/** Event types that begin so are Tidegate's own: control, never data (PROTOCOL.md, 4). */
const CONTROL_PREFIX = 'tidegate.';

/** The control events of a stream. */
export const CONTROL = {
  open: 'tidegate.open',
  cursor: 'tidegate.cursor',
  gap: 'tidegate.gap',
  conflated: 'tidegate.conflated',
  live: 'tidegate.live',
  end: 'tidegate.end',
  error: 'tidegate.error',
} as const;

export function isControlType(type: string): boolean {
  return type.startsWith(CONTROL_PREFIX);
}

/** Why events between a client's cursor and what it gets next are lost to it. */
export type GapReason =
  /** History dropped them: count, bytes or age. */
  | 'evicted'
  /** The cursor is from another life of the store. */
  | 'epoch'
  /** The subscriber did not read fast enough. */
  | 'too-slow'
  /** The id is no cursor and no event kept has it. */
  | 'unknown-id';

/** Data of `tidegate.open`; the event's id is the cursor that the stream starts from. */
export interface OpenData {
  readonly channels: readonly string[];
  /** Milliseconds between heartbeats on an idle stream. */
  readonly heartbeatMs: number;
}

/** Data of `tidegate.gap`. */
export interface GapData {
  readonly reason: GapReason;
  readonly channel: string;
  /** What the client asked to resume from. */
  readonly requested: string;
  /** The cursor that the next event follows. */
  readonly resumedAt: string;
}

/** Data of `tidegate.conflated`. */
export interface ConflatedData {
  /** Those of the subscription that keep only the newest event of each key. */
  readonly channels: readonly string[];
  /** Events passed over since the last one of these, for newer events of their keys. */
  readonly skipped: number;
}

/** Data of `tidegate.end`. */
export interface EndData {
  readonly channel: string;
}

/** Data of `tidegate.error`: a refusal that a native EventSource can hear. */
export interface ErrorData {
  readonly code: string;
  readonly message: string;
  readonly retryable: boolean;
}
