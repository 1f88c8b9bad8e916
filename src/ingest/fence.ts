/**
 * Says whether this process may still write for a pipeline. A process that was stopped for longer than its claim
 * lasts finds out here, before it writes, that somebody else goes on in its place.
 */
export interface Fence {
  /** Asked before each write and each save. */
  readonly isHeld: boolean;
  /** Aborts once it is not: nothing is drained then, since nothing may be written. */
  readonly lost: AbortSignal;
}
