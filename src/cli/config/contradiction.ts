import { CliError } from '../errors.js';
import { describeOrigin } from './origin.js';
import type { Origin } from './origin.js';
import type { Key, Settings } from './table.js';

/** Where each setting that is not a default comes from. */
export type Origins = ReadonlyMap<Key, Origin>;

/** Which of `keys` have a value. */
export function given(settings: Settings, keys: readonly Key[]): readonly Key[] {
  return keys.filter((key) => {
    const value = settings[key];
    return Array.isArray(value) ? value.length > 0 : value !== undefined;
  });
}

/** Why two settings for one thing cannot hold. */
export function both(origins: Origins, [first, second]: readonly Key[]): CliError | undefined {
  if (first === undefined || second === undefined) return undefined;
  return contradiction(
    `Cannot use ${first}${where(origins, first)} together with ${second}${where(origins, second)}: only one of the two can hold`,
  );
}

export function contradiction(message: string): CliError {
  return new CliError('contradiction', message);
}

/** Where a value was written, in brackets; nothing for a default. */
export function where(origins: Origins, key: Key): string {
  const origin = origins.get(key);
  return origin === undefined ? '' : ` (${describeOrigin(origin)})`;
}
