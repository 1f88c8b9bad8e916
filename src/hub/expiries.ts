/** What ends at some time, in buckets of a second, so that nothing needs a timer of its own. */
export class Expiries<Item> {
  readonly #bySecond = new Map<number, Set<Item>>();

  add(item: Item, atMs: number): void {
    const second = Math.ceil(atMs / 1000);
    const items = this.#bySecond.get(second);
    if (items === undefined) this.#bySecond.set(second, new Set([item]));
    else items.add(item);
  }

  delete(item: Item, atMs: number): void {
    const second = Math.ceil(atMs / 1000);
    const items = this.#bySecond.get(second);
    items?.delete(item);
    if (items?.size === 0) this.#bySecond.delete(second);
  }

  /** Takes out what has ended, up to a second after it did. */
  takeDue(nowMs: number): readonly Item[] {
    const due: Item[] = [];
    for (const [second, items] of this.#bySecond) {
      if (second * 1000 > nowMs) continue;
      due.push(...items);
      this.#bySecond.delete(second);
    }
    return due;
  }
}
