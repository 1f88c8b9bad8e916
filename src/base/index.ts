export { createBackoff } from './backoff.js';
export type { Backoff, BackoffOptions } from './backoff.js';
export { sleep, systemClock } from './clock.js';
export type { Clock } from './clock.js';
export { parseDuration } from './duration.js';
export { parsePointer, valueAt, valueIn } from './json-pointer.js';
export type { Pointer } from './json-pointer.js';
export { createSeededRandom } from './random.js';
export { parseRetryAfter } from './retry-after.js';
