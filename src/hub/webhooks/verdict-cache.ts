import { createHash } from 'node:crypto';

import type { Clock } from '../../base/index.js';
import type { Question } from './question.js';
import type { Verdict } from './verdict.js';

export interface VerdictCacheOptions {
  /** How long a verdict holds; 0: not at all. */
  readonly ageMs: number;
  /** Then the oldest go. */
  readonly countMax: number;
  readonly clock: Clock;
}

interface Kept {
  readonly verdict: Verdict;
  readonly untilMs: number;
}

/** Verdicts for a short time, for questions that are the same in everything but the connection's id. */
export class VerdictCache {
  readonly #options: VerdictCacheOptions;
  /** All live for the same time, so the first is always the oldest. */
  readonly #verdicts = new Map<string, Kept>();

  constructor(options: VerdictCacheOptions) {
    this.#options = options;
  }

  find(question: Question): Verdict | undefined {
    const { ageMs, clock } = this.#options;
    if (ageMs === 0) return undefined;
    const kept = this.#verdicts.get(keyOf(question));
    return kept !== undefined && clock.now() < kept.untilMs ? kept.verdict : undefined;
  }

  add(question: Question, verdict: Verdict): void {
    const { ageMs, countMax, clock } = this.#options;
    if (ageMs === 0) return;
    const key = keyOf(question);
    this.#verdicts.delete(key);
    this.#verdicts.set(key, { verdict, untilMs: clock.now() + ageMs });
    for (const [oldest] of this.#verdicts) {
      if (this.#verdicts.size <= countMax) return;
      this.#verdicts.delete(oldest);
    }
  }
}

/** Of JSON, so that no name can run into the next; hashed, as a hundred channels take 20 KB. */
function keyOf({ action, access, channels, address }: Question): string {
  const { kind, application, user, rateKey } = access;
  const text = JSON.stringify([action, kind, application, user, rateKey, address, channels]);
  return createHash('sha256').update(text).digest('base64');
}
