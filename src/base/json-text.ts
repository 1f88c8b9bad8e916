import { valueIn } from './json-pointer.js';
import type { Pointer } from './json-pointer.js';

/** JSON that was read once: its text, and the value that JSON.parse made of it. */
export interface ReadJson {
  readonly text: string;
  readonly value: unknown;
}

/** Reads JSON; undefined where the text is none. */
export function readJson(text: string): ReadJson | undefined {
  try {
    return { text, value: JSON.parse(text) as unknown };
  } catch {
    return undefined;
  }
}

/**
 * The value that `pointer` finds, as JSON text by which values can be told apart; undefined where nothing is found.
 * Numbers keep the digits that were written, as JSON.parse would round them: `1`, `1.0` and `1e0` are three texts. White
 * space is left out, and strings are escaped in one way.
 */
export function jsonTextIn({ text, value: root }: ReadJson, pointer: Pointer): string | undefined {
  const value = valueIn(root, pointer);
  if (value === undefined) return undefined;
  // Only numbers need their source, and what may hold some.
  const isRounded = typeof value === 'number' || (typeof value === 'object' && value !== null);
  return isRounded ? compact(sourceAt(text, pointer)) : JSON.stringify(value);
}

/** As {@link jsonTextIn}, but a string as it is, so that it reads like what a person would write. */
export function plainTextIn(json: ReadJson, pointer: Pointer): string | undefined {
  const value = valueIn(json.value, pointer);
  return typeof value === 'string' ? value : jsonTextIn(json, pointer);
}

/** What `pointer` finds in `text`, as a name: undefined where that is no JSON, and where nothing, null or an empty string is found. */
export function nameTextAt(text: string, pointer: Pointer): string | undefined {
  const json = readJson(text);
  if (json === undefined || jsonTextIn(json, pointer) === 'null') return undefined;
  return plainTextIn(json, pointer) || undefined;
}

/** The text of a value that is there, in JSON that is valid. */
function sourceAt(json: string, pointer: Pointer): string {
  let at = afterSpace(json, 0);
  for (const name of pointer) at = json[at] === '{' ? memberAt(json, at, name) : elementAt(json, at, Number(name));
  return json.slice(at, afterValue(json, at));
}

/** Where the value of a member begins; of members with the same name the last counts, as in JSON.parse. */
function memberAt(json: string, objectAt: number, name: string): number {
  let found = objectAt;
  let at = afterSpace(json, objectAt + 1);
  while (json[at] === '"') {
    const keyEnd = afterString(json, at);
    const valueAt = afterSpace(json, json.indexOf(':', keyEnd) + 1);
    if (readString(json.slice(at, keyEnd)) === name) found = valueAt;
    at = afterSpace(json, afterValue(json, valueAt));
    if (json[at] === ',') at = afterSpace(json, at + 1);
  }
  return found;
}

function elementAt(json: string, listAt: number, index: number): number {
  let at = afterSpace(json, listAt + 1);
  for (let passed = 0; passed < index; passed += 1) {
    const end = afterSpace(json, afterValue(json, at));
    at = afterSpace(json, end + 1);
  }
  return at;
}

const NOT_SPACE = /[^ \t\r\n]/g;
/** What opens, closes or hides something in a list or an object. */
const BRACKET_OR_QUOTE = /["[\]{}]/g;
const SCALAR_END = /[,\]} \t\r\n]/g;

function afterSpace(json: string, from: number): number {
  return search(json, NOT_SPACE, from);
}

function afterValue(json: string, from: number): number {
  const first = json[from];
  if (first === '"') return afterString(json, from);
  if (first !== '{' && first !== '[') return search(json, SCALAR_END, from);
  let depth = 0;
  let at = from;
  do {
    at = search(json, BRACKET_OR_QUOTE, at);
    const found = json[at];
    if (found === '"') at = afterString(json, at);
    else {
      depth += found === '{' || found === '[' ? 1 : -1;
      at += 1;
    }
  } while (depth > 0 && at < json.length);
  return at;
}

function afterString(json: string, at: number): number {
  for (let quote = json.indexOf('"', at + 1); quote !== -1; quote = json.indexOf('"', quote + 1)) {
    let backslashes = 0;
    while (json[quote - 1 - backslashes] === '\\') backslashes += 1;
    if (backslashes % 2 === 0) return quote + 1;
  }
  return json.length;
}

/** Where `pattern`, which must be global, matches next; the end where it does not. */
function search(text: string, pattern: RegExp, from: number): number {
  pattern.lastIndex = from;
  return pattern.test(text) ? pattern.lastIndex - 1 : text.length;
}

function readString(json: string): string {
  return json.includes('\\') ? (JSON.parse(json) as string) : json.slice(1, -1);
}

/** Leaves out white space between tokens, and writes strings as JSON.stringify does. */
function compact(json: string): string {
  const parts: string[] = [];
  for (let at = 0; at < json.length;) {
    const isString = json[at] === '"';
    const end = isString ? afterString(json, at) : nextQuote(json, at);
    const part = json.slice(at, end);
    parts.push(isString ? JSON.stringify(readString(part)) : part.replaceAll(/[ \t\r\n]+/g, ''));
    at = end;
  }
  return parts.join('');
}

function nextQuote(json: string, from: number): number {
  const quote = json.indexOf('"', from);
  return quote === -1 ? json.length : quote;
}
