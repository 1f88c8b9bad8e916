/** Parts of the room that one publisher may take at most: one of so many. */
const PUBLISHERS_SERVED = 4;

export interface BodyShareLimits {
  /** What all bodies that are arriving may hold together. */
  readonly bodiesBytes: number;
  /** What one body may hold. */
  readonly bodyBytes: number;
}

/**
 * What all bodies that are being read may hold together. One publisher gets a quarter of it, but always room for one body
 * of the largest size: its slow bodies cannot keep out those of others.
 */
export class BodyShare {
  readonly #bytesMax: number;
  readonly #publisherBytesMax: number;
  /** Of publishers whose bodies are arriving. */
  readonly #held = new Map<string, number>();
  #bytes = 0;

  constructor({ bodiesBytes, bodyBytes }: BodyShareLimits) {
    this.#bytesMax = bodiesBytes;
    this.#publisherBytesMax = Math.max(Math.floor(bodiesBytes / PUBLISHERS_SERVED), bodyBytes);
  }

  /** False if there is no room for `bytes` more of `publisher`; then nothing is taken. */
  take(publisher: string, bytes: number): boolean {
    const held = (this.#held.get(publisher) ?? 0) + bytes;
    if (this.#bytes + bytes > this.#bytesMax || held > this.#publisherBytesMax) return false;
    this.#held.set(publisher, held);
    this.#bytes += bytes;
    return true;
  }

  giveBack(publisher: string, bytes: number): void {
    const left = (this.#held.get(publisher) ?? 0) - bytes;
    if (left > 0) this.#held.set(publisher, left);
    else this.#held.delete(publisher);
    this.#bytes -= bytes;
  }
}
