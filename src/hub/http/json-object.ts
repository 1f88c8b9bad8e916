import { HubError } from '../errors.js';
import { JSON_DEPTH_MAX } from '../json-depth.js';

/** The value of a member. `json` is what was written, `text` what a string says. */
export type JsonMember =
  | { readonly kind: 'text'; readonly json: string; readonly text: string }
  /** `hasLoneSurrogate`: an escape somewhere in it, such as `\ud800`, is half of a character. */
  | { readonly kind: 'other'; readonly json: string; readonly hasLoneSurrogate: boolean };

export interface JsonObject {
  /** The members that were asked for; of those with the same name the last, as in JSON.parse. */
  readonly members: Readonly<Record<string, JsonMember>>;
  /** The first member that was not asked for. */
  readonly unknown: string | undefined;
}

/**
 * Checks a JSON object and finds the members called `names`, in one pass that is linear in the text: JSON.parse takes up to
 * 200 times as long for text that is made to cost it (arrays in arrays, many empty objects, many different names).
 * @throws HubError `invalid-json`: no JSON object (RFC 8259), or a member is nested more than {@link JSON_DEPTH_MAX} deep.
 */
export function readJsonObject(text: string, names: ReadonlySet<string>): JsonObject {
  const reader: Reader = { json: text, at: 0, depth: 0, hasLoneSurrogate: false };
  skipSpace(reader);
  if (!takes(reader, OPEN_BRACE)) throw fault('it is no JSON object');
  const object = readMembers(reader, names);
  skipSpace(reader);
  if (reader.at < text.length) throw unexpected(reader);
  return object;
}

/** Whether `text` is a JSON object, nested no deeper than {@link readJsonObject} takes it. */
export function isJsonObject(text: string): boolean {
  try {
    readJsonObject(text, NO_NAMES);
    return true;
  } catch (error) {
    if (error instanceof HubError) return false;
    throw error;
  }
}

/** A valid JSON value on one line: line breaks stand between tokens only, and go with the white space behind them. */
export function onOneLine(json: string): string {
  if (!json.includes('\n') && !json.includes('\r')) return json;
  const bytes = Buffer.from(json);
  let length = 0;
  let isAfterBreak = false;
  for (const byte of bytes) {
    isAfterBreak = byte === LF || byte === CR || (isAfterBreak && (byte === SPACE || byte === TAB));
    if (!isAfterBreak) bytes[length++] = byte;
  }
  return bytes.toString('utf8', 0, length);
}

const NO_NAMES: ReadonlySet<string> = new Set();

const TAB = 0x09;
const LF = 0x0a;
const CR = 0x0d;
const SPACE = 0x20;
const QUOTE = 0x22;
const COMMA = 0x2c;
const COLON = 0x3a;
const OPEN_BRACKET = 0x5b;
const BACKSLASH = 0x5c;
const CLOSE_BRACKET = 0x5d;
const LOWER_U = 0x75;
const OPEN_BRACE = 0x7b;
const CLOSE_BRACE = 0x7d;

/** What is neither text nor nested. */
const SCALAR = /-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?|true|false|null/y;
// oxlint-disable-next-line no-control-regex -- control characters are what is looked for
const PLAIN = /[^"\\\u0000-\u001f]*/y;
const HEX = /[0-9A-Fa-f]{4}/y;
const LOW_SURROGATE = /\\u[Dd][C-Fc-f][0-9A-Fa-f]{2}/y;
const SHORT_ESCAPES = '"\\/bfnrt';

/** Characters of a string that are looked at one by one; for more of them the pattern is faster. */
const SHORT_STRING = 16;

/** Characters of a string below which the pattern is faster than JSON.parse. */
const SHORT_TEXT = 64;

/** How far a text is read. Functions and not a class: private methods take a quarter longer. */
interface Reader {
  readonly json: string;
  at: number;
  /** Arrays and objects that are open, below the outermost object. */
  depth: number;
  hasLoneSurrogate: boolean;
}

function readMembers(reader: Reader, names: ReadonlySet<string>): JsonObject {
  const members: Record<string, JsonMember> = {};
  let unknown: string | undefined;
  skipSpace(reader);
  if (takes(reader, CLOSE_BRACE)) return { members, unknown };
  do {
    skipSpace(reader);
    const name = readName(reader, names);
    takeColon(reader);
    if (names.has(name)) {
      members[name] = readMember(reader);
    } else {
      unknown ??= name;
      skipValue(reader);
    }
    skipSpace(reader);
  } while (takes(reader, COMMA));
  if (!takes(reader, CLOSE_BRACE)) throw unexpected(reader);
  return { members, unknown };
}

function readName(reader: Reader, names: ReadonlySet<string>): string {
  const { json, at } = reader;
  if (json.charCodeAt(at) !== QUOTE) throw unexpected(reader);
  const written = json.slice(at + 1, json.indexOf('"', at + 1));
  if (names.has(written)) {
    reader.at += written.length + 2;
    return written;
  }
  skipString(reader);
  const name = json.slice(at + 1, reader.at - 1);
  return name.includes('\\') ? textOf(json.slice(at, reader.at), at) : name;
}

function readMember(reader: Reader): JsonMember {
  const { json, at } = reader;
  if (json.charCodeAt(at) === QUOTE) {
    reader.at = afterString(json, at);
    const written = json.slice(at, reader.at);
    return { kind: 'text', json: written, text: textOf(written, at) };
  }
  reader.hasLoneSurrogate = false;
  skipValue(reader);
  return { kind: 'other', json: json.slice(at, reader.at), hasLoneSurrogate: reader.hasLoneSurrogate };
}

/** What a string says that stands at `at`. JSON.parse tells whether it is one, in a time that depends on its length alone. */
function textOf(written: string, at: number): string {
  const end = written.length - 1;
  if (end < SHORT_TEXT && end > 0 && afterPlain(written, 1) === end) return written.slice(1, end);
  try {
    return JSON.parse(written) as string;
  } catch {
    throw fault(`the string at character ${at + 1} is not valid`);
  }
}

function skipValue(reader: Reader): void {
  const unit = reader.json.charCodeAt(reader.at);
  if (unit === QUOTE) return skipString(reader);
  if (unit !== OPEN_BRACE && unit !== OPEN_BRACKET) return skipScalar(reader);
  if (reader.depth === JSON_DEPTH_MAX) throw fault(`it is nested more than ${JSON_DEPTH_MAX} deep`);
  reader.depth += 1;
  reader.at += 1;
  skipSpace(reader);
  if (unit === OPEN_BRACE) skipMembers(reader);
  else skipElements(reader);
  reader.depth -= 1;
}

function skipMembers(reader: Reader): void {
  if (takes(reader, CLOSE_BRACE)) return;
  do {
    skipSpace(reader);
    if (reader.json.charCodeAt(reader.at) !== QUOTE) throw unexpected(reader);
    skipString(reader);
    takeColon(reader);
    skipValue(reader);
    skipSpace(reader);
  } while (takes(reader, COMMA));
  if (!takes(reader, CLOSE_BRACE)) throw unexpected(reader);
}

function skipElements(reader: Reader): void {
  if (takes(reader, CLOSE_BRACKET)) return;
  do {
    skipSpace(reader);
    skipValue(reader);
    skipSpace(reader);
  } while (takes(reader, COMMA));
  if (!takes(reader, CLOSE_BRACKET)) throw unexpected(reader);
}

function skipString(reader: Reader): void {
  const { json } = reader;
  let at = reader.at + 1;
  const shortEnd = at + SHORT_STRING;
  for (;;) {
    if (at >= shortEnd) at = afterPlain(json, at);
    if (at >= json.length) throw unexpected(reader, at);
    const unit = json.charCodeAt(at);
    if (unit === QUOTE) break;
    if (unit === BACKSLASH) at = afterEscape(reader, at);
    else if (unit < SPACE) throw unexpected(reader, at);
    else at += 1;
  }
  reader.at = at + 1;
}

function afterEscape(reader: Reader, at: number): number {
  const { json } = reader;
  if (json.charCodeAt(at + 1) !== LOWER_U) {
    if (at + 1 === json.length || !SHORT_ESCAPES.includes(json.charAt(at + 1))) throw unexpected(reader, at);
    return at + 2;
  }
  HEX.lastIndex = at + 2;
  if (!HEX.test(json)) throw unexpected(reader, at);
  const unit = Number.parseInt(json.slice(at + 2, at + 6), 16);
  if (unit < 0xd800 || unit > 0xdfff) return at + 6;
  LOW_SURROGATE.lastIndex = at + 6;
  if (unit < 0xdc00 && LOW_SURROGATE.test(json)) return at + 12;
  reader.hasLoneSurrogate = true;
  return at + 6;
}

function skipScalar(reader: Reader): void {
  SCALAR.lastIndex = reader.at;
  if (!SCALAR.test(reader.json)) throw unexpected(reader);
  reader.at = SCALAR.lastIndex;
}

function takeColon(reader: Reader): void {
  skipSpace(reader);
  if (!takes(reader, COLON)) throw unexpected(reader);
  skipSpace(reader);
}

function skipSpace(reader: Reader): void {
  const { json } = reader;
  let { at } = reader;
  for (; at < json.length; at += 1) {
    const unit = json.charCodeAt(at);
    if (unit > SPACE || (unit !== SPACE && unit !== LF && unit !== CR && unit !== TAB)) break;
  }
  reader.at = at;
}

function takes(reader: Reader, unit: number): boolean {
  if (reader.json.charCodeAt(reader.at) !== unit) return false;
  reader.at += 1;
  return true;
}

/** Where the string that begins at `at` ends, if it is one: behind the first quote that no backslash escapes. */
function afterString(json: string, at: number): number {
  for (let quote = json.indexOf('"', at + 1); quote !== -1; quote = json.indexOf('"', quote + 1)) {
    let backslashes = 0;
    while (json.charCodeAt(quote - 1 - backslashes) === BACKSLASH) backslashes += 1;
    if (backslashes % 2 === 0) return quote + 1;
  }
  return json.length;
}

function afterPlain(json: string, at: number): number {
  PLAIN.lastIndex = at;
  PLAIN.test(json);
  return PLAIN.lastIndex;
}

function unexpected({ json, at: read }: Reader, at = read): HubError {
  return fault(at >= json.length ? 'it is cut short' : `character ${at + 1} is not expected there`);
}

/** Without anything of the text, which may hold a secret. */
function fault(reason: string): HubError {
  return new HubError('invalid-json', `Cannot read the JSON: ${reason}`);
}
