import { ProtocolError } from './errors.js';

/** One event as the HTML standard dispatches it. */
export interface ParsedEvent {
  /** The event type; `message` where the stream named none. */
  readonly type: string;
  readonly data: string;
  /** The last id the stream set, which may be an earlier event's; empty where it set none. */
  readonly lastEventId: string;
}

export interface EventParserOptions {
  readonly onEvent: (event: ParsedEvent) => void;
  readonly onComment?: (comment: string) => void;
  /** Milliseconds; unbounded, as on the wire: clamp it before a timer sees it. */
  readonly onRetry?: (retryMs: number) => void;
  /** Bytes that one event may take on the wire (default 16 MiB); see {@link EventParser.push}. */
  readonly maxEventBytes?: number;
  /** The last event id of the connection before this one (default empty). */
  readonly lastEventId?: string;
}

export interface EventParser {
  /**
   * Reads the next bytes, cut anywhere, and calls back for each event they complete.
   * @throws ProtocolError `event-too-large`: what was buffered is freed and the parser is closed.
   * @throws ProtocolError `parser-closed`: after `end()` or an error.
   */
  push(bytes: Uint8Array): void;
  /** The stream is over: a block that no blank line ended is dropped. */
  end(): void;
  /** The id to resume from: the one in force at the last blank line. */
  readonly lastEventId: string;
}

const DEFAULT_EVENT_BYTES_MAX = 16 * 1024 * 1024;
const PARTIAL_BYTES_KEPT = 64 * 1024;
const NO_BYTES = new Uint8Array(0);
const BOM = Uint8Array.of(0xef, 0xbb, 0xbf);
const ONE_SHOT = { stream: false };
const STREAMING = { stream: true };
const LF = 10;
const CR = 13;
const SPACE = 32;
const COLON = 58;

/** Reads an event stream by the HTML standard, section "Parsing an event stream". */
export function createEventParser(options: EventParserOptions): EventParser {
  return new BlockParser(options);
}

/**
 * Bytes are cut at their last line end, so that whole lines are decoded in one go (much faster
 * than a streaming decoder) and no character is ever split; the rest waits, undecoded.
 */
class BlockParser implements EventParser {
  readonly #options: EventParserOptions;
  readonly #onEvent: EventParserOptions['onEvent'];
  readonly #bytesMax: number;
  readonly #decoder = new TextDecoder('utf-8', { ignoreBOM: true });
  #isClosed = false;
  /** How many bytes of a leading BOM were seen; -1 once the stream's first bytes are behind us. */
  #bomBytes = 0;
  /** The line that has no end yet. */
  #partial: Uint8Array = NO_BYTES;
  #partialBytes = 0;
  #endedOnCr = false;
  /** Whether the last lines were: Node decodes such text faster in one shot, any other as a stream. */
  #isAscii = true;
  /** Bytes of the open block's complete lines. */
  #blockBytes = 0;
  #type = '';
  #data: string | undefined;
  #id: string;
  #lastEventId: string;

  constructor(options: EventParserOptions) {
    this.#options = options;
    this.#onEvent = options.onEvent;
    this.#bytesMax = options.maxEventBytes ?? DEFAULT_EVENT_BYTES_MAX;
    this.#id = options.lastEventId ?? '';
    this.#lastEventId = this.#id;
  }

  get lastEventId(): string {
    return this.#lastEventId;
  }

  push(bytes: Uint8Array): void {
    if (this.#isClosed) throw new ProtocolError('parser-closed', 'Cannot read on: the parser is closed');
    const rest = this.#bomBytes < 0 ? bytes : this.#withoutBom(bytes);
    const cut = afterLastLineEnd(rest);
    if (cut > 0) this.#readLines(rest.subarray(0, cut));
    if (cut < rest.length) this.#keepPartialLine(rest.subarray(cut));
  }

  end(): void {
    this.#close();
  }

  #close(): void {
    this.#isClosed = true;
    this.#partial = NO_BYTES;
    this.#partialBytes = 0;
    this.#data = undefined;
  }

  #fail(): never {
    this.#close();
    throw new ProtocolError('event-too-large', `Cannot read an event of more than ${this.#bytesMax} bytes`);
  }

  #withoutBom(bytes: Uint8Array): Uint8Array {
    for (let read = 0; read < bytes.length; read += 1) {
      if (bytes[read] !== BOM[this.#bomBytes]) {
        const heldBefore = this.#bomBytes - read;
        this.#bomBytes = -1;
        if (heldBefore > 0) this.#keepPartialLine(BOM.subarray(0, heldBefore));
        return bytes;
      }
      this.#bomBytes += 1;
      if (this.#bomBytes === BOM.length) {
        this.#bomBytes = -1;
        return bytes.subarray(read + 1);
      }
    }
    return NO_BYTES;
  }

  #keepPartialLine(bytes: Uint8Array): void {
    if (this.#blockBytes + this.#partialBytes + bytes.length > this.#bytesMax) this.#fail();
    this.#appendPartial(bytes);
  }

  /** Copies into one growing buffer: bytes that arrive one by one must not cost an object each. */
  #appendPartial(bytes: Uint8Array): void {
    const needed = this.#partialBytes + bytes.length;
    if (needed > this.#partial.length) {
      const grown = new Uint8Array(Math.max(needed, this.#partial.length * 2));
      grown.set(this.#partial.subarray(0, this.#partialBytes));
      this.#partial = grown;
    }
    this.#partial.set(bytes, this.#partialBytes);
    this.#partialBytes = needed;
  }

  #readLines(bytes: Uint8Array): void {
    const lines = this.#partialBytes === 0 ? bytes : this.#joinPartialLine(bytes);
    const text = this.#decode(lines);
    // Only where some block might be too large is every line of it weighed.
    const isWeighed = this.#blockBytes + lines.length > this.#bytesMax;
    const openBlockAt = isWeighed ? this.#scanWeighed(text) : this.#scan(text);
    if (isWeighed) return;
    if (openBlockAt === 0) this.#blockBytes += lines.length;
    else this.#blockBytes = text.length === lines.length ? text.length - openBlockAt : utf8Bytes(text, openBlockAt);
  }

  /** Whole lines leave no half character behind, so both ways of decoding give the same. */
  #decode(lines: Uint8Array): string {
    const text = this.#decoder.decode(lines, this.#isAscii ? ONE_SHOT : STREAMING);
    this.#isAscii = text.length === lines.length;
    return text;
  }

  #joinPartialLine(bytes: Uint8Array): Uint8Array {
    this.#appendPartial(bytes);
    const joined = this.#partial.subarray(0, this.#partialBytes);
    if (this.#partial.length > PARTIAL_BYTES_KEPT) this.#partial = NO_BYTES;
    this.#partialBytes = 0;
    return joined;
  }

  /** Reads complete lines; returns where the block that is still open begins in `text`. */
  #scan(text: string): number {
    const at = this.#endedOnCr && text.charCodeAt(0) === LF ? 1 : 0;
    this.#endedOnCr = text.charCodeAt(text.length - 1) === CR;
    // In a loop of their own: V8 would search for CR to the end of the text at every line.
    return text.includes('\r') ? this.#scanAnyLines(text, at) : this.#scanLfLines(text, at);
  }

  #scanLfLines(text: string, from: number): number {
    let openBlockAt = 0;
    for (let at = from; at < text.length;) {
      const end = text.indexOf('\n', at);
      if (this.#readLine(text, at, end)) openBlockAt = end + 1;
      at = end + 1;
    }
    return openBlockAt;
  }

  #scanAnyLines(text: string, from: number): number {
    let openBlockAt = 0;
    for (let at = from; at < text.length;) {
      const end = lineEnd(text, at);
      const next = afterLineEnd(text, end);
      if (this.#readLine(text, at, end)) openBlockAt = next;
      at = next;
    }
    return openBlockAt;
  }

  #scanWeighed(text: string): number {
    let at = 0;
    while (at < text.length) {
      const next = afterLineEnd(text, lineEnd(text, at));
      const lineBytes = utf8Bytes(text, at, next);
      if (this.#blockBytes + lineBytes > this.#bytesMax) this.#fail();
      const openBlockAt = this.#scan(text.slice(at, next));
      this.#blockBytes = openBlockAt === 0 ? this.#blockBytes + lineBytes : 0;
      at = next;
    }
    return 0;
  }

  /** Reads one line without its end; true where no block is open after it. */
  #readLine(text: string, start: number, end: number): boolean {
    if (start === end) {
      this.#dispatch();
      return true;
    }
    switch (text.charCodeAt(start)) {
      case COLON:
        this.#options.onComment?.(text.slice(text.charCodeAt(start + 1) === SPACE ? start + 2 : start + 1, end));
        // Heartbeats between blocks, which some servers end with one line end only, belong to none.
        return this.#data === undefined && this.#type === '' && this.#id === this.#lastEventId;
      case 100: // d
        if (isData(text, start)) this.#readData(valueBehind(text, start + 4, end));
        break;
      case 101: // e
        if (text.startsWith('event', start)) this.#type = valueBehind(text, start + 5, end) ?? this.#type;
        break;
      case 105: // i
        if (text.startsWith('id', start)) this.#readId(valueBehind(text, start + 2, end));
        break;
      case 114: // r
        if (text.startsWith('retry', start)) this.#readRetry(valueBehind(text, start + 5, end));
        break;
    }
    return false;
  }

  #readData(value: string | undefined): void {
    if (value === undefined) return;
    this.#data = this.#data === undefined ? value : `${this.#data}\n${value}`;
  }

  #readId(value: string | undefined): void {
    if (value !== undefined && !value.includes('\0')) this.#id = value;
  }

  #readRetry(value: string | undefined): void {
    if (value !== undefined && /^[0-9]+$/.test(value)) this.#options.onRetry?.(Number(value));
  }

  #dispatch(): void {
    this.#lastEventId = this.#id;
    const data = this.#data;
    const type = this.#type;
    this.#data = undefined;
    this.#type = '';
    if (data === undefined) return;
    this.#onEvent({ type: type === '' ? 'message' : type, data, lastEventId: this.#lastEventId });
  }
}

/** `text.startsWith('data', at)` for a text that has its `d` there: nearly every line, so it is worth the letters. */
function isData(text: string, at: number): boolean {
  return text.charCodeAt(at + 1) === 97 && text.charCodeAt(at + 2) === 116 && text.charCodeAt(at + 3) === 97;
}

/** The value of a field whose name ends at `colon`; undefined where the name goes on. */
function valueBehind(text: string, colon: number, end: number): string | undefined {
  if (colon === end) return '';
  if (colon > end || text.charCodeAt(colon) !== COLON) return undefined;
  return text.slice(text.charCodeAt(colon + 1) === SPACE ? colon + 2 : colon + 1, end);
}

function afterLastLineEnd(bytes: Uint8Array): number {
  for (let at = bytes.length - 1; at >= 0; at -= 1) {
    const byte = bytes[at];
    if (byte === LF || byte === CR) return at + 1;
  }
  return 0;
}

/** Where the line that begins at `from` ends; every text that is read ends with a line end. */
function lineEnd(text: string, from: number): number {
  let at = from;
  for (let unit = text.charCodeAt(at); unit !== LF && unit !== CR; unit = text.charCodeAt(at)) at += 1;
  return at;
}

function afterLineEnd(text: string, end: number): number {
  return text.charCodeAt(end) === CR && text.charCodeAt(end + 1) === LF ? end + 2 : end + 1;
}

function utf8Bytes(text: string, from: number, to = text.length): number {
  let bytes = 0;
  for (let at = from; at < to; at += 1) {
    const unit = text.charCodeAt(at);
    if (unit < 0x80) bytes += 1;
    else if (unit < 0x800) bytes += 2;
    // Each half of a surrogate pair stands for two of its four bytes.
    else bytes += unit >= 0xd800 && unit <= 0xdfff ? 2 : 3;
  }
  return bytes;
}
