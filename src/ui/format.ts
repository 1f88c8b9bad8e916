const whole = new Intl.NumberFormat('en', { maximumFractionDigits: 0 });
const fine = new Intl.NumberFormat('en', { maximumFractionDigits: 1 });
const clockTime = new Intl.DateTimeFormat('en', {
  hour: '2-digit',
  minute: '2-digit',
  second: '2-digit',
  hourCycle: 'h23',
});

/** A count with its thousands apart. */
export function formatCount(count: number): string {
  return whole.format(count);
}

/** Events per second: a decimal only where it says something. */
export function formatRate(perSecond: number): string {
  return perSecond < 10 ? fine.format(perSecond) : whole.format(perSecond);
}

/** Bytes in the unit that keeps the number short. */
export function formatBytes(bytes: number): string {
  if (bytes < 1000) return `${whole.format(bytes)} B`;
  if (bytes < 1_000_000) return `${fine.format(bytes / 1000)} kB`;
  return bytes < 1_000_000_000 ? `${fine.format(bytes / 1_000_000)} MB` : `${fine.format(bytes / 1_000_000_000)} GB`;
}

/** The time of day, to the second. */
export function formatTime(atMs: number): string {
  return clockTime.format(atMs);
}

/** `one event`, `2 events`. */
export function formatPlural(count: number, noun: string): string {
  return `${formatCount(count)} ${noun}${count === 1 ? '' : 's'}`;
}
