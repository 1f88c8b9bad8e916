/** Seconds that the window covers. */
export const RATE_SECONDS = 60;

const MEAN_SECONDS = 5;

/** Counts events by the second, over the last {@link RATE_SECONDS} whole seconds. */
export interface RateWindow {
  /** Counts `events` at `nowMs`; times must not run backwards by more than the window. */
  record(nowMs: number, events?: number): void;
  /** Events in each of the last 60 whole seconds, oldest first; the second that still runs is left out. */
  series(nowMs: number): readonly number[];
  /** Events per second, a mean over the last 5 whole seconds, or over fewer right after the first event. */
  perSecond(nowMs: number): number;
  clear(): void;
}

export function createRateWindow(): RateWindow {
  // One bucket more than is shown, for the second that still runs.
  const counts = new Float64Array(RATE_SECONDS + 1);
  const seconds = new Float64Array(RATE_SECONDS + 1).fill(-1);
  let firstSecond = Number.POSITIVE_INFINITY;

  const countIn = (second: number): number => {
    const slot = second % counts.length;
    return seconds[slot] === second ? (counts[slot] ?? 0) : 0;
  };

  return {
    record(nowMs, events = 1) {
      const second = Math.floor(nowMs / 1000);
      const slot = second % counts.length;
      counts[slot] = countIn(second) + events;
      seconds[slot] = second;
      firstSecond = Math.min(firstSecond, second);
    },
    series(nowMs) {
      const running = Math.floor(nowMs / 1000);
      return Array.from({ length: RATE_SECONDS }, (_, index) => countIn(running - RATE_SECONDS + index));
    },
    perSecond(nowMs) {
      const running = Math.floor(nowMs / 1000);
      const span = Math.min(MEAN_SECONDS, running - firstSecond);
      if (!(span > 0)) return 0;
      let sum = 0;
      for (let back = 1; back <= span; back += 1) sum += countIn(running - back);
      return sum / span;
    },
    clear() {
      seconds.fill(-1);
      firstSecond = Number.POSITIVE_INFINITY;
    },
  };
}
