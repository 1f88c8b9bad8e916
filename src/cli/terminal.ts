import type { Environment } from './config/index.js';
import type { Output } from './io.js';

const CODES = { bold: 1, dim: 2, red: 31, green: 32, yellow: 33, blue: 34, magenta: 35, cyan: 36 } as const;

export type Paint = (style: keyof typeof CODES, text: string) => string;

/** Colours for `output`: on a terminal, unless `NO_COLOR` is set; `FORCE_COLOR` asks for them anywhere. */
export function painter(output: Output, env: Environment): Paint {
  if (!isColoured(output, env)) return (_style, text) => text;
  return (style, text) => (text === '' ? '' : `\u001B[${CODES[style]}m${text}\u001B[0m`);
}

export function isColoured(output: Output, env: Environment): boolean {
  if ((env['NO_COLOR'] ?? '') !== '') return false;
  if (!['', '0', undefined].includes(env['FORCE_COLOR'])) return true;
  return output.isTTY === true && env['TERM'] !== 'dumb';
}

/**
 * `text` with what a terminal would obey made visible: events are written by strangers, and an
 * escape sequence in one must not clear the screen or retitle the window. Tabs stay.
 */
export function printable(text: string): string {
  return text.replace(COMMANDS, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`);
}

// oxlint-disable-next-line no-control-regex -- these are the characters to replace
const COMMANDS = /[\u0000-\u0008\u000A-\u001F\u007F-\u009F\u200E\u200F\u202A-\u202E\u2066-\u2069]/g;
