/** Nanoseconds since 1970, the same in every process of one machine to well under a millisecond. */
export function unixNanoseconds(): number {
  return Math.round((performance.timeOrigin + performance.now()) * 1e6);
}
