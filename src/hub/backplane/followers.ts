/** How many connections of one worker follow each channel. */
export class Followers {
  readonly #counts = new Map<string, number>();

  has(channel: string): boolean {
    return this.#counts.has(channel);
  }

  /** Whether it is the first. */
  add(channel: string): boolean {
    const count = this.#counts.get(channel) ?? 0;
    this.#counts.set(channel, count + 1);
    return count === 0;
  }

  /** Whether it was the last. */
  remove(channel: string): boolean {
    const left = (this.#counts.get(channel) ?? 0) - 1;
    if (left > 0) this.#counts.set(channel, left);
    else this.#counts.delete(channel);
    return left <= 0;
  }
}
