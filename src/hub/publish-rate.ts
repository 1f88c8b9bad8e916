import { HubError } from './errors.js';

interface Allowance {
  events: number;
  atMs: number;
}

/** Publishers kept in mind; the one that was quiet longest is forgotten, as if it had been quiet for longer. */
const PUBLISHERS_MAX = 100_000;

/**
 * What each publisher may still publish: a bucket that fills by `perSecond` and holds one second's worth. A batch
 * goes through whole and may leave a debt, so that its size is no reason to refuse it for ever.
 */
export class PublishRate {
  readonly #perSecond: number;
  readonly #nowMs: () => number;
  /** Of those who published within the last while; the others' are full. */
  readonly #allowances = new Map<string, Allowance>();

  /** `perSecond` 0: no limit. */
  constructor(perSecond: number, nowMs: () => number) {
    this.#perSecond = perSecond;
    this.#nowMs = nowMs;
  }

  /** @throws HubError `publish-rate-exceeded`; nothing is taken then. */
  take(publisher: string, events: number): void {
    if (this.#perSecond === 0) return;
    const nowMs = this.#nowMs();
    const left = this.#leftAt(this.#allowances.get(publisher), nowMs);
    if (left <= 0) {
      const waitMs = Math.ceil(((1 - left) * 1000) / this.#perSecond);
      const message = `Cannot publish more than ${this.#perSecond} events a second: try again in ${waitMs} ms`;
      throw new HubError('publish-rate-exceeded', message);
    }
    // Deleted first, so that the map's order is the order of their last publish.
    this.#allowances.delete(publisher);
    this.#allowances.set(publisher, { events: left - events, atMs: nowMs });
    const [longestQuiet] = this.#allowances.keys();
    if (this.#allowances.size > PUBLISHERS_MAX && longestQuiet !== undefined) this.#allowances.delete(longestQuiet);
  }

  /** Lets go of who could publish a second's worth again. */
  forgetIdle(): void {
    const nowMs = this.#nowMs();
    for (const [publisher, allowance] of this.#allowances) {
      if (this.#leftAt(allowance, nowMs) >= this.#perSecond) this.#allowances.delete(publisher);
    }
  }

  #leftAt(allowance: Allowance | undefined, nowMs: number): number {
    if (allowance === undefined) return this.#perSecond;
    const filled = allowance.events + (Math.max(0, nowMs - allowance.atMs) * this.#perSecond) / 1000;
    return Math.min(this.#perSecond, filled);
  }
}
