import { nameTextAt, readJson } from '../../base/index.js';
import type { Pointer } from '../../base/index.js';
import { ProtocolError } from '../../protocol/index.js';
import type { EventParser, EventParserOptions } from '../../protocol/index.js';

/** Where a line of JSON says what an SSE event says in fields of its own; undefined where it does not. */
export interface LineFields {
  /** The event's id; while a line has none, the last one stays in force. */
  readonly id: Pointer | undefined;
  /** The event type; `message` where a line has none. */
  readonly type: Pointer | undefined;
}

const EVENT_BYTES_MAX = 16 * 1024 * 1024;
const LF = 10;
const NO_BYTES = new Uint8Array(0);

/** Reads lines as events: NDJSON, or any other text. Empty lines are heartbeats. */
export function createLineParser(options: EventParserOptions, fields: LineFields): EventParser {
  return new LineParser(options, fields);
}

class LineParser implements EventParser {
  readonly #options: EventParserOptions;
  readonly #fields: LineFields;
  readonly #bytesMax: number;
  readonly #decoder = new TextDecoder('utf-8', { ignoreBOM: true });
  /** The line that has no end yet. */
  #partial: Uint8Array[] = [];
  #partialBytes = 0;
  #isFirst = true;
  #isClosed = false;
  lastEventId: string;

  constructor(options: EventParserOptions, fields: LineFields) {
    this.#options = options;
    this.#fields = fields;
    this.#bytesMax = options.maxEventBytes ?? EVENT_BYTES_MAX;
    this.lastEventId = options.lastEventId ?? '';
  }

  push(bytes: Uint8Array): void {
    if (this.#isClosed) throw new ProtocolError('parser-closed', 'Cannot read on: the parser is closed');
    const end = bytes.lastIndexOf(LF) + 1;
    if (end > 0) {
      const [head, ...rest] = [...this.#partial, bytes.subarray(0, end)];
      const lines = rest.length === 0 ? (head ?? NO_BYTES) : Buffer.concat([head ?? NO_BYTES, ...rest]);
      this.#partial = [];
      this.#partialBytes = 0;
      this.#readLines(this.#decoder.decode(lines));
    }
    if (end === bytes.length) return;
    this.#partialBytes += bytes.length - end;
    if (this.#partialBytes > this.#bytesMax) this.#fail();
    // A copy: what is left of a chunk must not keep all of it.
    this.#partial.push(bytes.slice(end));
  }

  /** The last line needs no end; one that was cut off is told by its being no JSON. */
  end(): void {
    const rest = this.#decoder.decode(Buffer.concat(this.#partial));
    this.#partial = [];
    if (!this.#isClosed && rest.trim() !== '' && readJson(rest) !== undefined) this.#readLines(rest);
    this.#isClosed = true;
  }

  #readLines(text: string): void {
    const start = this.#isFirst && text.startsWith('\ufeff') ? 1 : 0;
    this.#isFirst = false;
    for (let at = start; at < text.length;) {
      const found = text.indexOf('\n', at);
      const end = found < 0 ? text.length : found;
      const line = text.slice(at, text[end - 1] === '\r' ? end - 1 : end);
      if (line.length * 3 > this.#bytesMax && Buffer.byteLength(line) > this.#bytesMax) this.#fail();
      if (line.trim() !== '') this.#dispatch(line);
      at = end + 1;
    }
  }

  #dispatch(data: string): void {
    const { id, type } = this.#fields;
    if (id !== undefined) this.lastEventId = nameTextAt(data, id) ?? this.lastEventId;
    const named = type === undefined ? undefined : nameTextAt(data, type);
    this.#options.onEvent({ type: named ?? 'message', data, lastEventId: this.lastEventId });
  }

  #fail(): never {
    this.#isClosed = true;
    this.#partial = [];
    throw new ProtocolError('event-too-large', `Cannot read an event of more than ${this.#bytesMax} bytes`);
  }
}
