import type { LogDestination } from './logger.js';

const LEVEL_COLOURS: Readonly<Record<string, number>> = { debug: 90, info: 36, warn: 33, error: 31 };
const DIM = 2;
const VISIBLE = /^[\p{L}\p{M}\p{N}\p{P}\p{S}]+$/u;
/** What JSON leaves as it is although a terminal obeys it: C1 controls and direction marks. */
const INVISIBLE = /[\u007F-\u009F\u200E\u200F\u202A-\u202E\u2066-\u2069]/g;

/** Turns each JSON line into `12:04:31 warn  sentence  key=value …`, for people at a terminal. */
export function createPrettyDestination(destination: LogDestination, isColoured: boolean): LogDestination {
  const paint = (code: number, part: string): string =>
    isColoured && part !== '' ? `\u001B[${code}m${part}\u001B[0m` : part;
  return {
    write(line) {
      const { time, level, message, ...fields } = JSON.parse(line) as Readonly<Record<string, unknown>>;
      const name = text(level);
      const clock = paint(DIM, text(time).slice(11, 19));
      const label = paint(LEVEL_COLOURS[name] ?? 0, name.padEnd(5));
      const pairs = paint(DIM, formatFields(fields));
      return destination.write(`${[clock, label, text(message), pairs].filter((part) => part !== '').join(' ')}\n`);
    },
  };
}

function formatFields(fields: Readonly<Record<string, unknown>>): string {
  return Object.entries(fields)
    .map(([key, value]) => `${key}=${formatValue(value)}`)
    .join(' ');
}

/** Strings with anything but visible characters go in quotes, escaped: foreign text must not drive a terminal. */
function formatValue(value: unknown): string {
  if (typeof value === 'string' && VISIBLE.test(value)) return value;
  return JSON.stringify(value).replace(INVISIBLE, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`);
}

function text(value: unknown): string {
  return typeof value === 'string' ? value : '';
}
