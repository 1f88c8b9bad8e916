import { HubError } from './errors.js';

/** Milliseconds that a publisher may tell clients to wait: less would be a storm, more a client that is lost. */
const RETRY_MS_MIN = 100;
const RETRY_MS_MAX = 3_600_000;

/** What becomes of a wait outside of the bounds. */
type BeyondBounds = 'refused' | 'clamped';

/**
 * The wait that a publisher asks for, in ms: null and 0 ask for none, on every route; undefined: none. Anything that is no
 * whole number, and with `refused` what lies outside of the bounds, is `'invalid'`.
 */
export function readRetry(value: unknown, beyond: BeyondBounds): number | 'invalid' | undefined {
  if (value === undefined || value === null || value === 0) return undefined;
  if (typeof value !== 'number' || !Number.isInteger(value)) return 'invalid';
  const clamped = Math.min(RETRY_MS_MAX, Math.max(RETRY_MS_MIN, value));
  return clamped === value || beyond === 'clamped' ? clamped : 'invalid';
}

/** The refusal of a wait that is `'invalid'`. */
export function invalidRetry(): HubError {
  return new HubError(
    'invalid-retry',
    `Cannot publish: "retry" must be a whole number of milliseconds from ${RETRY_MS_MIN} to ${RETRY_MS_MAX}, or 0 for none`,
  );
}
