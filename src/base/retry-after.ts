/** Milliseconds of a `Retry-After`, which is a number of seconds or an HTTP date; undefined for anything else. */
export function parseRetryAfter(value: string, nowMs: number): number | undefined {
  if (/^[0-9]{1,9}$/.test(value)) return Number(value) * 1000;
  const date = /^[A-Z][a-z]+, /.test(value) ? Date.parse(value) : Number.NaN;
  return Number.isNaN(date) ? undefined : Math.max(date - nowMs, 0);
}
