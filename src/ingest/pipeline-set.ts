import { systemClock } from '../base/index.js';
import type { Clock } from '../base/index.js';
import type { Logger } from '../runtime/index.js';
import { IngestError } from './errors.js';
import type { Claims } from './leases/claims.js';
import type { PipelineOutcome } from './pipeline.js';
import { PipelineKeeper } from './pipeline-keeper.js';
import type { PipelineDefinition, PipelineStatus } from './pipeline-keeper.js';

export interface PipelineSetOptions {
  /** Shares the pipelines with other processes (default: all are this one's). */
  readonly claims?: Claims | undefined;
  /** What becomes of one whose run failed; the others go on (default `again`). */
  readonly onFailure?: 'again' | 'end';
  readonly logger: Logger;
  readonly clock?: Clock;
}

/** What {@link PipelineSet.apply} did, by the pipelines' names. */
export interface PipelineChanges {
  readonly started: readonly string[];
  /** Stopped and begun anew, under their new definition. */
  readonly changed: readonly string[];
  readonly stopped: readonly string[];
}

/** Many pipelines in one process, each on its own; their definitions may change while they run. */
export class PipelineSet {
  readonly #options: PipelineSetOptions;
  readonly #keepers = new Map<string, PipelineKeeper>();
  #changing: Promise<unknown> = Promise.resolve();
  #isStopping = false;

  constructor(options: PipelineSetOptions) {
    this.#options = options;
  }

  /** Told to stop: what is left drains. */
  get isStopping(): boolean {
    return this.#isStopping;
  }

  get claims(): Claims | undefined {
    return this.#options.claims;
  }

  statuses(): readonly PipelineStatus[] {
    return [...this.#keepers.values()].map((keeper) => keeper.status());
  }

  /**
   * Runs the pipelines until all have ended, or `signal` aborts and all are drained; resolves to how each ended.
   * @throws IngestError `invalid-option`: two of one name.
   */
  async run(
    definitions: readonly PipelineDefinition[],
    signal: AbortSignal,
  ): Promise<ReadonlyMap<string, PipelineOutcome>> {
    const stop = (): void => {
      this.#isStopping = true;
      for (const keeper of this.#keepers.values()) void keeper.stop();
    };
    await this.apply(definitions);
    signal.addEventListener('abort', stop);
    if (signal.aborted) stop();
    try {
      await this.#untilOver();
    } finally {
      signal.removeEventListener('abort', stop);
      this.#isStopping = true;
    }
    const outcomes = [...this.#keepers].map(async ([name, { done }]) => [name, await done] as const);
    return new Map(await Promise.all(outcomes));
  }

  /**
   * Makes `definitions` the pipelines that run: those that are the same go on untouched, removed and changed ones are
   * stopped as by a signal, with their sinks drained and their checkpoint saved, and then the new ones begin.
   * @throws IngestError `invalid-option`: two of one name; nothing was changed then.
   */
  apply(definitions: readonly PipelineDefinition[]): Promise<PipelineChanges> {
    const names = definitions.map(({ name }) => name);
    const twice = names.find((name, index) => names.indexOf(name) !== index);
    if (twice !== undefined)
      return Promise.reject(new IngestError('invalid-option', `Cannot run two pipelines named "${twice}"`));
    const change = this.#changing.then(() => this.#apply(definitions));
    this.#changing = change.catch(() => undefined);
    return change;
  }

  async #apply(definitions: readonly PipelineDefinition[]): Promise<PipelineChanges> {
    const wanted = new Map(definitions.map((definition) => [definition.name, definition]));
    const running = [...this.#keepers.keys()];
    const stopped = running.filter((name) => !wanted.has(name));
    const changed = running.filter((name) => {
      const definition = wanted.get(name);
      return definition !== undefined && definition.fingerprint !== this.#keepers.get(name)?.fingerprint;
    });
    const started = [...wanted.keys()].filter((name) => !this.#keepers.has(name));
    this.#options.claims?.share(definitions.length);
    // All stop before one begins: a new one may write where an old one did.
    await Promise.all([...stopped, ...changed].map((name) => this.#stop(name)));
    for (const name of stopped) this.#keepers.delete(name);
    if (!this.#isStopping) for (const name of [...changed, ...started]) this.#start(wanted.get(name));
    return { started, changed, stopped };
  }

  async #stop(name: string): Promise<void> {
    await this.#keepers.get(name)?.stop();
  }

  #start(definition: PipelineDefinition | undefined): void {
    if (definition === undefined) return;
    const { claims, onFailure = 'again', logger, clock = systemClock } = this.#options;
    this.#keepers.set(definition.name, new PipelineKeeper({ definition, claims, onFailure, logger, clock }));
  }

  /** A change may have begun others while the last ones ended. */
  async #untilOver(): Promise<void> {
    for (;;) {
      await Promise.all([...this.#keepers.values()].map(({ done }) => done));
      await this.#changing;
      if ([...this.#keepers.values()].every(({ isOver }) => isOver)) return;
    }
  }
}
