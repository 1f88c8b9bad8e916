const SIZE_LINE = /^([0-9a-f]{1,8})\r\n/i;
const LINE_END = '\r\n';
/** The longest line that a size may take: eight digits and the line end. */
const SIZE_LINE_BYTES_MAX = 10;

/** Reads an HTTP/1.1 body in chunks (RFC 9112, 7.1), strictly, however its bytes are cut; knows no extensions. */
export class ChunkedBody {
  /** The size of every chunk but the last. */
  readonly sizes: number[] = [];
  /** Whether the last chunk has come: without it the body was cut. */
  isComplete = false;
  readonly #data: Buffer[] = [];
  #rest: Buffer = Buffer.alloc(0);

  /** All bytes that the chunks read so far have carried. */
  get data(): Buffer {
    return Buffer.concat(this.#data);
  }

  /** Bytes that are no whole chunk yet. */
  get restBytes(): number {
    return this.#rest.length;
  }

  push(bytes: Uint8Array): this {
    this.#rest = Buffer.concat([this.#rest, bytes]);
    while (this.#readChunk());
    return this;
  }

  /** False where there is no whole chunk. */
  #readChunk(): boolean {
    if (this.#rest.length === 0) return false;
    if (this.isComplete) throw new Error(`Cannot read ${this.#rest.length} bytes behind the last chunk`);
    const start = this.#rest.toString('latin1', 0, SIZE_LINE_BYTES_MAX);
    const [line, digits] = SIZE_LINE.exec(start) ?? [];
    if (line === undefined || digits === undefined) {
      if (!/^[0-9a-f]{0,8}\r?$/i.test(start)) throw new Error(`Cannot read ${JSON.stringify(start)}: it is no size`);
      return false;
    }
    const size = Number.parseInt(digits, 16);
    const end = line.length + size;
    if (this.#rest.length < end + LINE_END.length) return false;
    if (this.#rest.toString('latin1', end, end + LINE_END.length) !== LINE_END)
      throw new Error(`Cannot read a chunk of ${size} bytes: no line end follows it`);
    if (size === 0) this.isComplete = true;
    else {
      this.sizes.push(size);
      this.#data.push(this.#rest.subarray(line.length, end));
    }
    this.#rest = this.#rest.subarray(end + LINE_END.length);
    return true;
  }
}
