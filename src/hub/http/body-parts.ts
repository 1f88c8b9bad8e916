/** Parts below this are copied together: a body of single bytes would cost a hundred times its size in small objects. */
const SMALL_BYTES = 4096;
const BLOCK_BYTES = 16 * 1024;

/** The bytes of a body as they arrive, in at most one object for each 4 KiB. */
export class BodyParts {
  readonly #parts: Uint8Array[] = [];
  #block: Buffer | undefined;
  #used = 0;
  #bytes = 0;

  get bytes(): number {
    return this.#bytes;
  }

  add(part: Uint8Array): void {
    this.#bytes += part.length;
    // Most bodies are one part: nothing is copied.
    if (part.length >= SMALL_BYTES || this.#bytes === part.length) {
      this.#closeBlock();
      this.#parts.push(part);
      return;
    }
    if (this.#block === undefined || this.#used + part.length > BLOCK_BYTES) {
      this.#closeBlock();
      this.#block = Buffer.allocUnsafeSlow(BLOCK_BYTES);
    }
    this.#block.set(part, this.#used);
    this.#used += part.length;
  }

  /** All bytes; nothing can be added after. */
  whole(): Uint8Array {
    this.#closeBlock();
    const [first] = this.#parts;
    return this.#parts.length === 1 && first !== undefined ? first : Buffer.concat(this.#parts);
  }

  #closeBlock(): void {
    if (this.#block !== undefined) this.#parts.push(this.#block.subarray(0, this.#used));
    this.#block = undefined;
    this.#used = 0;
  }
}
