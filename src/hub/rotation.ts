interface Collection<Item> {
  readonly size: number;
  [Symbol.iterator](): Iterator<Item, unknown>;
}

/** Goes round a growing and shrinking collection bit by bit, so that upkeep of many costs no long pause. */
export class Rotation<Item> {
  readonly #items: Collection<Item>;
  #iterator: Iterator<Item, unknown>;
  /** Visits that are due but make no whole item yet. */
  #due = 0;

  constructor(items: Collection<Item>) {
    this.#items = items;
    this.#iterator = items[Symbol.iterator]();
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
    let next = this.#iterator.next();
    if (next.done === true) {
      this.#iterator = this.#items[Symbol.iterator]();
      next = this.#iterator.next();
    }
    if (next.done !== true) task(next.value);
  }
}
