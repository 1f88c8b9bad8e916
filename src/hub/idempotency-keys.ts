/** Keys of one channel; the oldest is forgotten first. */
const KEYS_MAX = 1_000_000;

/** An event that was published under a key. */
export interface KeyedEvent {
  readonly offset: number;
  /** A hash of what was published, where the event itself may be replaced; undefined where history holds it. */
  readonly fingerprint: string | undefined;
}

/** What was published in one channel under which idempotency key (PROTOCOL.md, 6.4). */
export class IdempotencyKeys {
  /** By rising offset. */
  readonly #offsets = new Map<string, number>();
  #fingerprints: Map<string, string> | undefined;

  get(key: string): KeyedEvent | undefined {
    const offset = this.#offsets.get(key);
    return offset === undefined ? undefined : { offset, fingerprint: this.#fingerprints?.get(key) };
  }

  set(key: string, { offset, fingerprint }: KeyedEvent): void {
    // Deleted first, so that the map's order stays the order of offsets.
    this.#delete(key);
    this.#offsets.set(key, offset);
    if (fingerprint !== undefined) {
      this.#fingerprints ??= new Map();
      this.#fingerprints.set(key, fingerprint);
    }
    // Of most channels, history forgets them; one that keeps the newest of each key may never give anything up.
    const [oldest] = this.#offsets.keys();
    if (this.#offsets.size > KEYS_MAX && oldest !== undefined) this.#delete(oldest);
  }

  /** Forgets the keys of events up to `offset`. */
  forget(offset: number): void {
    for (const [key, at] of this.#offsets) {
      if (at > offset) return;
      this.#delete(key);
    }
  }

  #delete(key: string): void {
    this.#offsets.delete(key);
    this.#fingerprints?.delete(key);
  }
}
