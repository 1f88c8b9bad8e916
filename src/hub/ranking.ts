/** Items by a rank above 0, the highest at hand. Ranks should not leave large holes: finding the next one below goes through them. */
export class Ranking<Item> {
  readonly #ranks = new Map<number, Set<Item>>();
  #highest = 0;

  /** The items of the highest rank. */
  first(): Iterable<Item> {
    return this.#ranks.get(this.#highest) ?? [];
  }

  /** 0 is no rank: from there an item comes, and there it goes. */
  move(item: Item, from: number, to: number): void {
    if (from === to) return;
    this.#remove(item, from);
    if (to > 0) {
      const others = this.#ranks.get(to);
      if (others === undefined) this.#ranks.set(to, new Set([item]));
      else others.add(item);
      this.#highest = Math.max(this.#highest, to);
    }
    while (this.#highest > 0 && !this.#ranks.has(this.#highest)) this.#highest -= 1;
  }

  #remove(item: Item, from: number): void {
    const others = this.#ranks.get(from);
    others?.delete(item);
    if (others?.size === 0) this.#ranks.delete(from);
  }
}
