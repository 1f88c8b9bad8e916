import { jsonTextIn, readJson } from '../base/index.js';
import type { Pointer } from '../base/index.js';
import { isShallowJson } from './json-depth.js';

/** The parts of an event that say which key it is the newest of. */
export interface KeyedFields {
  readonly event?: string;
  readonly data: string;
}

/**
 * The key of an event: the value that `pointer` finds in its data, or its event type where there is no
 * pointer, the data is not JSON, is nested too deep to be read, or nothing is found. A value is never taken for a type that
 * reads the same, and a number counts as it was written (PROTOCOL.md, 4.8).
 */
export function conflationKey(fields: KeyedFields, pointer: Pointer | undefined): string {
  const json = pointer && isShallowJson(fields.data) ? readJson(fields.data) : undefined;
  const value = pointer && json && jsonTextIn(json, pointer);
  return value === undefined ? `type:${fields.event ?? 'message'}` : `value:${value}`;
}
