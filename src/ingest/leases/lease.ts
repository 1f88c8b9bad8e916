import type { Clock } from '../../base/index.js';
import type { Logger } from '../../runtime/index.js';
import { formatCheckpoint, parseCheckpoint } from '../checkpoints/checkpoint.js';
import type { CheckpointStore } from '../checkpoints/checkpoint.js';
import { IngestError, messageOf } from '../errors.js';
import type { Fence } from '../fence.js';
import type { Claim, LeaseStore } from './lease-store.js';

export interface LeaseOptions {
  readonly claim: Claim;
  /** The checkpoint that the one before left, as text; empty where there is none. */
  readonly checkpoint: string;
  readonly store: LeaseStore;
  /** Milliseconds that it lasts from the moment when the claim was sent. */
  readonly ttlMs: number;
  /** When the claim was sent. */
  readonly sentAt: Moment;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly onReleased: () => void;
}

/** One instant by two clocks: one can be set back, the other may stand still while the machine sleeps. */
export interface Moment {
  readonly wallMs: number;
  readonly steadyMs: number;
}

export function momentOf(clock: Clock): Moment {
  return { wallMs: clock.now(), steadyMs: performance.now() };
}

/** A part of the lease that is given away, for clocks that do not run alike. */
const MARGIN = 0.05;

/**
 * The right to run one pipeline, until it is released or lost. It counts from before each renewal was sent, so it
 * is over here before it is over for Redis.
 */
export class Lease implements Fence {
  readonly #options: LeaseOptions;
  readonly #lost = new AbortController();
  readonly #recalled = new AbortController();
  #renewedAt: Moment;
  #cancelTimer: (() => void) | undefined;
  #isReleased = false;
  #checkpoint: string;

  constructor(options: LeaseOptions) {
    this.#options = options;
    this.#renewedAt = options.sentAt;
    this.#checkpoint = options.checkpoint;
    this.#watch();
  }

  get pipeline(): string {
    return this.#options.claim.pipeline;
  }

  get token(): number {
    return this.#options.claim.token;
  }

  /** A process that slept finds out by this, not by a timer: timers that are late run in any order. */
  get isHeld(): boolean {
    if (this.#isReleased || this.#lost.signal.aborted) return false;
    if (this.#leftMs() > 0) return true;
    this.#lose('it was not renewed in time');
    return false;
  }

  get lost(): AbortSignal {
    return this.#lost.signal;
  }

  /** Aborts where another worker shall have the pipeline: drain it, then release. */
  get recalled(): AbortSignal {
    return this.#recalled.signal;
  }

  /** The pipeline's checkpoint, beside its lease: nobody saves one who does not hold the newest claim. */
  get checkpoints(): CheckpointStore {
    const { claim, store } = this.#options;
    const place = `of pipeline "${claim.pipeline}" in Redis`;
    return {
      load: () =>
        Promise.resolve(
          this.#checkpoint === '' ? undefined : parseCheckpoint(this.#checkpoint, { place, pipeline: claim.pipeline }),
        ),
      save: async (checkpoint) => {
        const text = formatCheckpoint(checkpoint, { pipeline: claim.pipeline });
        if (this.isHeld && (await store.save(claim, text))) {
          this.#checkpoint = text;
          return;
        }
        this.#lose('another worker has it');
        throw new IngestError('lease-lost', `Cannot save the checkpoint ${place}: another worker has it`);
      },
    };
  }

  recall(): void {
    this.#recalled.abort();
  }

  /** Never rejects: a Redis that does not answer may do so before the lease is over. */
  async renew(): Promise<void> {
    if (!this.isHeld) return;
    const { claim, store, clock, logger } = this.#options;
    const sentAt = momentOf(clock);
    try {
      if (!(await store.renew(claim))) return this.#lose('another worker has it');
      this.#renewedAt = sentAt;
      this.#watch();
    } catch (error) {
      logger.warn({ pipeline: this.pipeline, error: messageOf(error) }, 'Cannot renew the lease; trying again');
    }
  }

  /** Lets another worker have it at once; where Redis is away, when its time is over. */
  async release(): Promise<void> {
    if (this.#isReleased) return;
    const { store, claim, onReleased } = this.#options;
    this.#isReleased = true;
    this.#cancelTimer?.();
    onReleased();
    if (!this.#lost.signal.aborted) await store.release(claim).catch(() => {});
  }

  #leftMs(): number {
    const { wallMs, steadyMs } = momentOf(this.#options.clock);
    const passedMs = Math.max(wallMs - this.#renewedAt.wallMs, steadyMs - this.#renewedAt.steadyMs);
    return this.#options.ttlMs * (1 - MARGIN) - passedMs;
  }

  #watch(): void {
    this.#cancelTimer?.();
    this.#cancelTimer = this.#options.clock.after(Math.max(this.#leftMs(), 0) + 1, () => {
      if (this.isHeld) this.#watch();
    });
  }

  #lose(reason: string): void {
    if (this.#isReleased || this.#lost.signal.aborted) return;
    this.#cancelTimer?.();
    this.#options.logger.warn({ pipeline: this.pipeline, fence: this.token, reason }, 'Lease lost');
    this.#lost.abort();
  }
}
