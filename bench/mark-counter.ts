/** Counts a mark in bytes that come in pieces, also where it is cut. */
export class MarkCounter {
  readonly #mark: Buffer;
  /** The end of what came, too short to hold a mark. */
  #tail = Buffer.alloc(0);

  constructor(mark: string) {
    this.#mark = Buffer.from(mark);
  }

  count(chunk: Buffer): number {
    const overlap = this.#mark.length - 1;
    const seam = Buffer.concat([this.#tail, chunk.subarray(0, overlap)]);
    const marks = this.#countIn(seam) + this.#countIn(chunk);
    const rest = chunk.length < overlap ? seam : chunk;
    this.#tail = Buffer.from(rest.subarray(-overlap));
    return marks;
  }

  #countIn(bytes: Buffer): number {
    let marks = 0;
    for (let at = bytes.indexOf(this.#mark); at !== -1; at = bytes.indexOf(this.#mark, at + this.#mark.length))
      marks += 1;
    return marks;
  }
}
