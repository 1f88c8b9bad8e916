/** How many connections of one worker follow each channel, or name. */
export class Followers<Key> {
  readonly #counts = new Map<Key, number>();

  has(channel: Key): boolean {
    return this.#counts.has(channel);
  }

  /** Whether it is the first. */
  add(channel: Key): boolean {
    const count = this.#counts.get(channel) ?? 0;
    this.#counts.set(channel, count + 1);
    return count === 0;
  }

  /** Whether it was the last. */
  remove(channel: Key): boolean {
    const left = (this.#counts.get(channel) ?? 0) - 1;
    if (left > 0) this.#counts.set(channel, left);
    else this.#counts.delete(channel);
    return left <= 0;
  }
}
