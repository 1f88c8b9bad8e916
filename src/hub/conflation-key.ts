/** A JSON pointer cut into its names. */
export type Pointer = readonly string[];

/** The parts of an event that say which key it is the newest of. */
export interface KeyedFields {
  readonly event?: string;
  readonly data: string;
}

/** Reads a JSON pointer; undefined where it is none (RFC 6901, 3). */
export function parsePointer(text: string): Pointer | undefined {
  if (text === '') return [];
  if (!text.startsWith('/') || /~(?![01])/.test(text)) return undefined;
  const names = text.slice(1).split('/');
  // `~1` first: `~01` is the name `~1`, not a slash (RFC 6901, 4).
  return names.map((name) => name.replaceAll('~1', '/').replaceAll('~0', '~'));
}

/**
 * The key of an event: the value that `pointer` finds in its data, or its event type where there is no
 * pointer, the data is not JSON or nothing is found. A value is never taken for a type that reads the same.
 */
export function conflationKey(fields: KeyedFields, pointer: Pointer | undefined): string {
  const value = pointer && valueAt(fields.data, pointer);
  return value === undefined ? `type:${fields.event ?? 'message'}` : `value:${JSON.stringify(value)}`;
}

function valueAt(data: string, pointer: Pointer): unknown {
  let value: unknown;
  try {
    value = JSON.parse(data);
  } catch {
    return undefined;
  }
  for (const name of pointer) value = memberOf(value, name);
  return value;
}

function memberOf(value: unknown, name: string): unknown {
  if (typeof value !== 'object' || value === null) return undefined;
  if (Array.isArray(value) && !/^(?:0|[1-9]\d*)$/.test(name)) return undefined;
  return Object.getOwnPropertyDescriptor(value, name)?.value;
}
