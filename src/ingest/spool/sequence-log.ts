/** Below this many removed places, keeping them is cheaper than moving the rest. */
const REMOVED_PLACES_MIN = 1024;

/** Items under rising numbers without holes: appended at one end, removed at the other. */
export class SequenceLog<T> {
  #items: T[] = [];
  #removed = 0;
  #first: number;

  /** @param first the number that the first item gets. */
  constructor(first = 1) {
    this.#first = first;
  }

  /** The number of the oldest item, or of the next one where there is none. */
  get first(): number {
    return this.#first;
  }

  /** The number that the next item gets. */
  get next(): number {
    return this.#first + this.size;
  }

  get size(): number {
    return this.#items.length - this.#removed;
  }

  append(item: T): number {
    this.#items.push(item);
    return this.next - 1;
  }

  at(sequence: number): T | undefined {
    return sequence < this.#first ? undefined : this.#items[sequence - this.#first + this.#removed];
  }

  replaceLast(item: T): void {
    if (this.size > 0) this.#items[this.#items.length - 1] = item;
  }

  removeFirst(): T | undefined {
    if (this.size === 0) return undefined;
    const item = this.#items[this.#removed];
    this.#removed += 1;
    this.#first += 1;
    if (this.size === 0) this.#dropRemoved();
    else if (this.#removed >= REMOVED_PLACES_MIN && this.#removed * 2 >= this.#items.length) this.#dropRemoved();
    return item;
  }

  #dropRemoved(): void {
    this.#items = this.#items.slice(this.#removed);
    this.#removed = 0;
  }
}
