import type { Logger } from '../../../runtime/index.js';
import type { BackplaneCondition } from '../backplane.js';

/** Reasons that are counted apart; those that come later count as `other`. */
const REASONS_MAX = 50;
/** Tokens are taken for so long after their end: a clock that is further off takes them too long, or not long enough. */
const CLOCK_SKEW_TOLD_MS = 5000;

/** How this node and Redis get along: what an operator is told of it, and what is counted. */
export class RedisCondition implements BackplaneCondition {
  outages = 0;
  epochs = 0;
  catchUps = 0;
  refusedMessages = 0;
  readonly #errors = new Map<string, number>();
  readonly #logger: Logger | undefined;
  #clockSkewMs = 0;
  #isSkewTold = false;

  constructor(logger: Logger | undefined) {
    this.#logger = logger;
  }

  get clockSkewMs(): number {
    return this.#clockSkewMs;
  }

  get errors(): ReadonlyMap<string, number> {
    return this.#errors;
  }

  /** A connection or a command failed; `reason` is a code and holds no secret. */
  failed(reason: string): void {
    const known = this.#errors.has(reason) || this.#errors.size < REASONS_MAX ? reason : 'other';
    this.#errors.set(known, (this.#errors.get(known) ?? 0) + 1);
  }

  away(): void {
    this.outages += 1;
    this.#logger?.warn({}, 'Redis is not there: subscribers stay, publishes wait');
  }

  begunEpoch(epoch: string): void {
    this.epochs += 1;
    this.#logger?.error({ epoch }, 'Redis has lost events: another epoch begins');
  }

  /** Said once: who can send one can send many. */
  refused(channel: string): void {
    this.refusedMessages += 1;
    if (this.refusedMessages > 1) return;
    this.#logger?.warn({ channel }, 'Redis passed on a message that is not of a hub: such are counted and left');
  }

  /** It is so much later in Redis than here. */
  skewed(byMs: number): void {
    this.#clockSkewMs = byMs;
    const isFar = Math.abs(byMs) > CLOCK_SKEW_TOLD_MS;
    if (isFar && !this.#isSkewTold)
      this.#logger?.warn(
        { clockSkewMs: byMs },
        'The clock here is far from that of Redis: events take their times there, but tokens end by the clock here',
      );
    this.#isSkewTold = isFar;
  }
}
