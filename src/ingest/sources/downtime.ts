import type { SourceItem } from './source.js';

/** Remembers since when nobody listens, and says so where the stream cannot be resumed. */
export class Downtime {
  #since: number | undefined;
  #reason = 'restart';

  constructor(since: number | undefined) {
    this.#since = since;
  }

  /** Milliseconds since 1970; undefined where somebody listens, or nobody ever has. */
  get since(): number | undefined {
    return this.#since;
  }

  /** Failed attempts after this do not move it. */
  begin(nowMs: number, reason: string): void {
    this.#since ??= nowMs;
    this.#reason = reason;
  }

  end(nowMs: number, canResume: boolean): readonly SourceItem[] {
    const since = this.#since;
    this.#since = undefined;
    if (since === undefined || canResume) return [];
    const [from, to] = [new Date(since).toISOString(), new Date(nowMs).toISOString()];
    return [{ kind: 'gap', gap: { kind: 'downtime', from, to, reason: this.#reason } }];
  }
}
