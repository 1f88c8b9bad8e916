/** A JSON pointer cut into its names. */
export type Pointer = readonly string[];

/** Reads a JSON pointer; undefined where it is none (RFC 6901, 3). */
export function parsePointer(text: string): Pointer | undefined {
  if (text === '') return [];
  if (!text.startsWith('/') || /~(?![01])/.test(text)) return undefined;
  const names = text.slice(1).split('/');
  // `~1` first: `~01` is the name `~1`, not a slash (RFC 6901, 4).
  return names.map((name) => name.replaceAll('~1', '/').replaceAll('~0', '~'));
}

/** The value that `pointer` finds in a value read from JSON; undefined where nothing is found. */
export function valueIn(json: unknown, pointer: Pointer): unknown {
  let value = json;
  for (const name of pointer) value = memberOf(value, name);
  return value;
}

function memberOf(value: unknown, name: string): unknown {
  if (typeof value !== 'object' || value === null) return undefined;
  if (Array.isArray(value) && !/^(?:0|[1-9]\d*)$/.test(name)) return undefined;
  return Object.getOwnPropertyDescriptor(value, name)?.value;
}
