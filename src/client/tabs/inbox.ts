import type { Delivery } from '../delivery.js';

/** Deliveries that a tab holds for its loop. */
const DELIVERIES_MAX = 4096;
/** Characters of data that a tab holds for its loop; one event more than that is still taken. */
const CHARACTERS_MAX = 16 * 1024 * 1024;

/** What waits for a tab's loop, with a bound that the writer keeps to: see {@link Inbox.isFull}. */
export class Inbox {
  readonly #deliveries: Delivery[] = [];
  readonly #waiting = new Set<() => void>();
  #characters = 0;
  #end: { readonly error?: unknown } | undefined;

  get isFull(): boolean {
    return this.#deliveries.length >= DELIVERIES_MAX || this.#characters >= CHARACTERS_MAX;
  }

  add(delivery: Delivery): void {
    if (this.#end !== undefined) return;
    this.#deliveries.push(delivery);
    this.#characters += lengthOf(delivery);
    this.#changed();
  }

  /** Nothing is added any more; after what waits comes the end, or `error`. */
  end(error?: unknown): void {
    this.#end ??= error === undefined ? {} : { error };
    this.#changed();
  }

  /** Drops what waits as well. */
  close(): void {
    this.#deliveries.length = 0;
    this.end();
  }

  /** The next delivery; undefined at the end. Throws what it was ended with. */
  async next(): Promise<Delivery | undefined> {
    await this.#until(() => this.#deliveries.length > 0 || this.#end !== undefined);
    const delivery = this.#deliveries.shift();
    if (delivery === undefined) {
      if (this.#end?.error !== undefined) throw this.#end.error;
      return undefined;
    }
    this.#characters -= lengthOf(delivery);
    this.#changed();
    return delivery;
  }

  /** Resolves when the loop has taken what waited. */
  async drained(): Promise<void> {
    await this.#until(() => this.#deliveries.length === 0);
  }

  async #until(isTrue: () => boolean): Promise<void> {
    while (!isTrue()) await new Promise<void>((resolve) => this.#waiting.add(resolve));
  }

  #changed(): void {
    for (const wake of this.#waiting) wake();
    this.#waiting.clear();
  }
}

function lengthOf(delivery: Delivery): number {
  return delivery.kind === 'event' ? delivery.data.length : 0;
}
