import { chunkOf } from './chunk.js';

/** A run of bytes of a flush. */
export interface FlushPart {
  readonly bytes: Uint8Array;
  /** The segment that these are all the bytes of, and that takes no more: whatever is made of them stays true. */
  readonly segment?: object | undefined;
}

/**
 * The bytes of one flush in the forms in which they go out. Each form is made when the first subscriber needs it, and
 * all that need it share its memory.
 */
export class FlushBytes {
  readonly parts: readonly FlushPart[];
  readonly byteCount: number;
  /** Whether readers that come later are likely to be sent these bytes again. */
  readonly isBackfill: boolean;
  #plain: Uint8Array | undefined;
  #chunk: Uint8Array | undefined;

  constructor(parts: readonly FlushPart[], isBackfill = false) {
    this.parts = parts;
    this.byteCount = parts.reduce((sum, { bytes }) => sum + bytes.length, 0);
    this.isBackfill = isBackfill;
  }

  static of(bytes: Uint8Array): FlushBytes {
    return new FlushBytes([{ bytes }]);
  }

  /** As they are. */
  get plain(): Uint8Array {
    const [only, another] = this.parts;
    if (only !== undefined && another === undefined) return only.bytes;
    this.#plain ??= Buffer.concat(this.parts.map(({ bytes }) => bytes));
    return this.#plain;
  }

  /** As one chunk of an HTTP/1.1 body. */
  get chunk(): Uint8Array {
    this.#chunk ??= chunkOf(this.parts.map(({ bytes }) => bytes));
    return this.#chunk;
  }
}
