import type { VerbName } from './setting.js';
import { formatSize } from './size.js';
import { defaultOf, settingOf } from './table.js';
import type { Key } from './table.js';

const UNITS_MS: readonly (readonly [unitMs: number, name: string])[] = [
  [3_600_000, 'h'],
  [60_000, 'm'],
  [1000, 's'],
];

/** The default of `key` as a person writes it (`5m`, `16 MiB`, `none`); empty where there is none. */
export function formatDefault(key: Key, verb?: VerbName): string {
  const setting = settingOf(key);
  if (setting.defaultDoc !== undefined) return setting.defaultDoc;
  const value = verb === undefined ? setting.default : defaultOf(key, verb);
  if (value === undefined || value === false || (Array.isArray(value) && value.length === 0)) return '';
  if (typeof value !== 'number') return typeof value === 'string' ? value : JSON.stringify(value);
  if (setting.unit === 'ms') return formatDuration(value);
  return setting.unit === 'bytes' ? formatSize(value) : String(value);
}

/** `5m`, `1h`, `250ms`: the largest unit that says it exactly. */
export function formatDuration(ms: number): string {
  if (ms === 0) return '0';
  const unit = UNITS_MS.find(([unitMs]) => ms % unitMs === 0);
  return unit === undefined ? `${ms}ms` : `${ms / unit[0]}${unit[1]}`;
}
