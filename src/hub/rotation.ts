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

  constructor(items: Collection<Item>) {
    this.#items = items;
  }

  /** Visits one of `shares` parts: after as many calls, every item that was there throughout had its turn. */
  visitShare(shares: number, task: (item: Item) => void): void {
    this.#due += this.#items.size / shares;
    for (; this.#due >= 1; this.#due -= 1) this.visitNext(task);
  }

  /** Passes over one item. */
  skip(): void {
    this.visitNext(() => undefined);
  }

  visitNext(task: (item: Item) => void): void {
    this.#iterator ??= this.#items[Symbol.iterator]();
    let next = this.#iterator.next();
    if (next.done === true) {
      this.#iterator = this.#items[Symbol.iterator]();
      next = this.#iterator.next();
    }
    if (next.done === true) this.#iterator = undefined;
    else task(next.value);
  }
}
