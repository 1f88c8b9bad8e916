interface Collection<Item> {
  readonly size: number;
  [Symbol.iterator](): Iterator<Item, unknown>;
}

/** Goes round a growing and shrinking collection bit by bit, so that upkeep of many costs no long pause. */
export class Rotation<Item> {
  readonly #items: Collection<Item>;
  /** Made with the first visit: one that stands still keeps alive every table that its map has outgrown. */
  #iterator: Iterator<Item, unknown> | undefined;
  /** Visits that are due but make no whole item yet. */
  #due = 0;
  /** Items when the round under way began: it does not slow down as they leave, or it might never end. */
  #roundSize = 0;

  constructor(items: Collection<Item>) {
    this.#items = items;
  }

  /** Visits one of `shares` parts: after as many calls, every item that was there throughout had its turn. */
  visitShare(shares: number, task: (item: Item) => void): void {
    this.#due += Math.max(this.#items.size, this.#roundSize) / shares;
    for (; this.#due >= 1; this.#due -= 1) this.visitNext(task);
  }

  visitNext(task: (item: Item) => void): void {
    this.#iterator ??= this.#begin();
    let next = this.#iterator.next();
    if (next.done === true) {
      this.#iterator = this.#begin();
      next = this.#iterator.next();
    }
    if (next.done === true) this.#iterator = undefined;
    else task(next.value);
  }

  #begin(): Iterator<Item, unknown> {
    this.#roundSize = this.#items.size;
    // What is still due was counted by a round of more: nothing is visited twice for it.
    this.#due = Math.min(this.#due, this.#roundSize);
    return this.#items[Symbol.iterator]();
  }
}
