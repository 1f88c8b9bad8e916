import { createBackoff, sleep } from '../base/index.js';
import type { Clock } from '../base/index.js';
import type { Logger } from '../runtime/index.js';
import type { CheckpointStore } from './checkpoints/checkpoint.js';
import { messageOf } from './errors.js';
import type { IngestErrorCode } from './errors.js';
import type { Fence } from './fence.js';
import type { Claims } from './leases/claims.js';
import type { Lease } from './leases/lease.js';
import type { Pipeline, PipelineOutcome } from './pipeline.js';
import type { PipelineStats } from './pipeline-run.js';

/** A pipeline as it is configured. */
export interface PipelineDefinition {
  readonly name: string;
  /** Two definitions of one name that have the same are the same. */
  readonly fingerprint: string;
  /** Milliseconds without a word from the source after which something is wrong; 0: never. */
  readonly silenceMs: number;
  /** A pipeline for one run. Where pipelines are shared by leases, `lease` says what it must keep to. */
  create(lease?: { readonly fence: Fence; readonly checkpoint: CheckpointStore }): Promise<Pipeline>;
}

/** `waiting`: for a lease, or until it is tried again. */
export type PipelineState = 'waiting' | 'running' | 'stopping' | 'stopped' | 'ended' | 'failed';

export interface PipelineFailure {
  readonly code: IngestErrorCode;
  readonly message: string;
}

/** What there is to say of a pipeline while it is kept. */
export interface PipelineStatus {
  readonly name: string;
  readonly state: PipelineState;
  readonly silenceMs: number;
  /** When its present run began; undefined where it does not run. Milliseconds since 1970. */
  readonly startedAt: number | undefined;
  /** Runs that failed, so far. */
  readonly failures: number;
  /** Why the last run failed; undefined once it runs again and its sinks are open. */
  readonly failure: PipelineFailure | undefined;
  /** Of the present run, or of the last one. */
  readonly stats: PipelineStats | undefined;
}

export interface PipelineKeeperOptions {
  readonly definition: PipelineDefinition;
  /** Without it the pipeline is this process's alone. */
  readonly claims: Claims | undefined;
  /** `again`: a run that failed is tried again, after longer and longer waits. */
  readonly onFailure: 'again' | 'end';
  readonly logger: Logger;
  readonly clock: Clock;
}

/** Waits after failures: what was refused for good may be mended by somebody, and the other pipelines go on. */
const BACKOFF = { baseMs: 5000, maxMs: 5 * 60_000 } as const;
/** A run this long was no failure from the start. */
const HEALTHY_MS = 60_000;

/** Keeps one pipeline running: takes its lease, runs it, and again, until it has ended or is stopped. */
export class PipelineKeeper {
  readonly #options: PipelineKeeperOptions;
  readonly #stopping = new AbortController();
  readonly #backoff = createBackoff(BACKOFF);
  readonly #done: Promise<PipelineOutcome>;
  #pipeline: Pipeline | undefined;
  #state: PipelineState = 'waiting';
  #startedAt: number | undefined;
  #failures = 0;
  #failure: PipelineFailure | undefined;

  constructor(options: PipelineKeeperOptions) {
    this.#options = options;
    this.#done = this.#keep();
  }

  get fingerprint(): string {
    return this.#options.definition.fingerprint;
  }

  /** Resolves when it runs no more; never rejects. */
  get done(): Promise<PipelineOutcome> {
    return this.#done;
  }

  get isOver(): boolean {
    return this.#state === 'ended' || this.#state === 'failed' || this.#state === 'stopped';
  }

  status(): PipelineStatus {
    const { name, silenceMs } = this.#options.definition;
    const stats = this.#pipeline?.stats();
    return {
      name,
      state: this.#state,
      silenceMs,
      startedAt: this.#startedAt,
      failures: this.#failures,
      failure: stats?.isOpen === true ? undefined : this.#failure,
      stats,
    };
  }

  /** Lets the sinks have what is in the spool, saves the checkpoint and gives the lease back. */
  async stop(): Promise<void> {
    if (this.#state === 'running') this.#state = 'stopping';
    this.#stopping.abort();
    await this.#done;
  }

  async #keep(): Promise<PipelineOutcome> {
    const { signal } = this.#stopping;
    while (!signal.aborted) {
      const outcome = await this.#runOnce(signal);
      const isLast = outcome.kind === 'ended' || (outcome.kind === 'failed' && this.#options.onFailure === 'end');
      if (isLast) {
        this.#state = outcome.kind === 'ended' ? 'ended' : 'failed';
        return outcome;
      }
      if (outcome.kind === 'failed' && !signal.aborted) await this.#pause(signal);
    }
    this.#state = 'stopped';
    return { kind: 'stopped' };
  }

  async #runOnce(signal: AbortSignal): Promise<PipelineOutcome> {
    const { definition, claims, clock } = this.#options;
    const lease = await claims?.take(definition.name, signal);
    if (signal.aborted || (claims !== undefined && lease === undefined)) return { kind: 'stopped' };
    this.#startedAt = clock.now();
    try {
      const outcome = await this.#run(lease, signal);
      if (outcome.kind === 'failed') this.#countFailure(outcome, clock.now() - this.#startedAt);
      return outcome;
    } finally {
      this.#startedAt = undefined;
      this.#state = 'waiting';
      await lease?.release();
    }
  }

  async #run(lease: Lease | undefined, signal: AbortSignal): Promise<PipelineOutcome> {
    const { definition } = this.#options;
    try {
      this.#pipeline = await (lease === undefined
        ? definition.create()
        : definition.create({ fence: lease, checkpoint: lease.checkpoints }));
    } catch (error) {
      return { kind: 'failed', code: 'internal', message: messageOf(error) };
    }
    this.#state = signal.aborted ? 'stopping' : 'running';
    return this.#pipeline.run(lease === undefined ? signal : AbortSignal.any([signal, lease.recalled]));
  }

  #countFailure({ code, message }: PipelineFailure, ranMs: number): void {
    this.#failures += 1;
    this.#failure = { code, message };
    if (ranMs >= HEALTHY_MS) this.#backoff.reset();
  }

  async #pause(signal: AbortSignal): Promise<void> {
    const { definition, logger, clock } = this.#options;
    const delayMs = this.#backoff.nextMs();
    logger.warn({ pipeline: definition.name, ...this.#failure, delayMs }, 'The pipeline is tried again later');
    await sleep(delayMs, signal, clock);
  }
}
