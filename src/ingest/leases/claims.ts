import { randomUUID } from 'node:crypto';
import { sleep, systemClock } from '../../base/index.js';
import type { Clock } from '../../base/index.js';
import type { Logger } from '../../runtime/index.js';
import { messageOf } from '../errors.js';
import { isAccessRefused } from '../redis-client.js';
import { Lease, momentOf } from './lease.js';
import { LeaseStore } from './lease-store.js';
import { isAnyoneShort, shareOf } from './share.js';
import type { WorkerLoad } from './share.js';

export interface ClaimsOptions {
  /** `redis://` or `rediss://` (TLS), with user and password where there are any. Never logged. */
  readonly url: string;
  /** What all keys in Redis begin with (default `tidegate-ingest`). */
  readonly prefix?: string;
  /** This process, for people; unique among the workers, no space in it. */
  readonly worker: string;
  /** Milliseconds after which the pipelines of a worker that is gone are free (default 10,000). */
  readonly ttlMs?: number;
  readonly logger: Logger;
  readonly clock?: Clock;
}

/** What a worker knows of itself and the others. */
export interface ClaimsState {
  /** Whether Redis answered last time. */
  readonly isConnected: boolean;
  /** Workers that live, this one among them; 0 before Redis said so. */
  readonly workers: number;
  readonly held: number;
}

const PREFIX = 'tidegate-ingest';
const TTL_MS = 10_000;
/** Rounds in the life of a lease: two may fail. */
const ROUNDS = 3;
/** Rounds after which a worker with its full share looks for pipelines that nobody has: who should may not know them, or fail. */
const SEARCH_ROUNDS = 2 * ROUNDS;

/**
 * One worker's share of the pipelines. Each round it says that it lives, renews what it holds, and takes or gives
 * back so much that all workers have the same number of pipelines, or one more.
 */
export class Claims implements AsyncDisposable {
  readonly #options: ClaimsOptions;
  readonly #store: LeaseStore;
  readonly #ttlMs: number;
  readonly #clock: Clock;
  readonly #closing = new AbortController();
  readonly #waiting = new Map<string, (lease: Lease) => void>();
  readonly #held = new Map<string, Lease>();
  #rounds: Promise<void> | undefined;
  #isConnected = false;
  #workers = 0;
  /** How many pipelines there are to share. */
  #shared = 0;
  #roundsSinceSearch = 0;

  constructor(options: ClaimsOptions) {
    const { url, prefix = PREFIX, worker, ttlMs = TTL_MS } = options;
    this.#options = options;
    this.#ttlMs = ttlMs;
    this.#clock = options.clock ?? systemClock;
    const timeoutMs = Math.max(200, Math.floor(ttlMs / (ROUNDS + 1)));
    this.#store = new LeaseStore({ url, prefix, worker, ttlMs, timeoutMs });
  }

  get state(): ClaimsState {
    return { isConnected: this.#isConnected, workers: this.#workers, held: this.#held.size };
  }

  /** How many pipelines there are to share, whoever has them. */
  share(pipelines: number): void {
    this.#shared = pipelines;
  }

  /** Resolves with the lease once it is this worker's turn; undefined where `signal` aborts before. */
  async take(pipeline: string, signal: AbortSignal): Promise<Lease | undefined> {
    if (signal.aborted) return undefined;
    this.#rounds ??= this.#goRound();
    const lease = await new Promise<Lease | undefined>((resolve) => {
      const finish = (granted?: Lease): void => {
        this.#waiting.delete(pipeline);
        signal.removeEventListener('abort', giveUp);
        resolve(granted);
      };
      const giveUp = (): void => finish();
      this.#waiting.set(pipeline, finish);
      signal.addEventListener('abort', giveUp);
    });
    if (lease === undefined || !signal.aborted) return lease;
    await lease.release();
    return undefined;
  }

  /** After all leases are released: says good-bye, so that the others need not wait. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#closing.abort();
    await this.#rounds;
    for (const lease of this.#held.values()) await lease.release();
    if (this.#isConnected) await this.#store.leave().catch(() => {});
    this.#store.close();
  }

  async #goRound(): Promise<void> {
    const { signal } = this.#closing;
    while (!signal.aborted) {
      await this.#round();
      await sleep(this.#ttlMs / ROUNDS, signal, this.#clock);
    }
  }

  async #round(): Promise<void> {
    await Promise.all([...this.#held.values()].map((lease) => lease.renew()));
    // One that was lost is its keeper's to drop; it must not count as ours until then.
    try {
      const workers = await this.#store.beat({ held: this.#held.size, waiting: this.#waiting.size });
      this.#workers = workers.length;
      await this.#balance(workers);
      if (!this.#isConnected) this.#options.logger.info({ workers: this.#workers }, 'Sharing pipelines by leases');
      this.#isConnected = true;
    } catch (error) {
      this.#isConnected = false;
      const fields = { error: messageOf(error) };
      if (isAccessRefused(error)) this.#options.logger.error(fields, 'Redis refuses this worker; trying again');
      else this.#options.logger.warn(fields, 'Cannot reach Redis for leases; trying again');
    }
  }

  async #balance(workers: readonly WorkerLoad[]): Promise<void> {
    const { worker } = this.#options;
    const share = shareOf(worker, workers, this.#shared);
    const kept = [...this.#held.values()].filter((lease) => lease.isHeld && !lease.recalled.aborted);
    if (kept.length > share && isAnyoneShort(workers, this.#shared)) {
      // One at a time: by the next round the others may be fewer. The oldest: the youngest may be here because
      // it fails elsewhere.
      kept[0]?.recall();
      return;
    }
    this.#roundsSinceSearch += 1;
    const isSearching = this.#roundsSinceSearch >= SEARCH_ROUNDS;
    if (isSearching) this.#roundsSinceSearch = 0;
    for (const pipeline of shuffled([...this.#waiting.keys()])) {
      if ((this.#held.size >= share && !isSearching) || this.#closing.signal.aborted) return;
      await this.#claim(pipeline);
    }
  }

  async #claim(pipeline: string): Promise<void> {
    const { logger } = this.#options;
    const [holder, sentAt] = [randomUUID(), momentOf(this.#clock)];
    const answer = await this.#store.claim(pipeline, holder);
    if (answer.kind === 'taken') return;
    const { token, checkpoint } = answer;
    const lease: Lease = new Lease({
      claim: { pipeline, holder, token },
      checkpoint,
      store: this.#store,
      ttlMs: this.#ttlMs,
      sentAt,
      clock: this.#clock,
      logger,
      onReleased: () => {
        if (this.#held.get(pipeline) === lease) this.#held.delete(pipeline);
      },
    });
    const resolve = this.#waiting.get(pipeline);
    // Nobody waits any more: it was removed while Redis answered.
    if (resolve === undefined) return lease.release();
    this.#held.set(pipeline, lease);
    logger.info({ pipeline, fence: token }, 'Lease taken');
    resolve(lease);
  }
}

/** Two workers that look for work at once shall not both ask for the same first. */
function shuffled(names: readonly string[]): readonly string[] {
  return names
    .map((name) => ({ name, at: Math.random() }))
    .toSorted((a, b) => a.at - b.at)
    .map(({ name }) => name);
}
