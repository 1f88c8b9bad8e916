import { randomUUID } from 'node:crypto';
import { systemClock } from '../base/index.js';
import type { Clock } from '../base/index.js';
import type { Logger } from '../runtime/index.js';
import type { CheckpointStore } from './checkpoints/checkpoint.js';
import type { DedupeOptions } from './intake/dedupe.js';
import { IngestError, messageOf } from './errors.js';
import type { IngestErrorCode } from './errors.js';
import type { Fence } from './fence.js';
import type { IntakeRules } from './intake/intake.js';
import { PipelineRun } from './pipeline-run.js';
import type { PipelineStats } from './pipeline-run.js';
import type { Sink } from './sinks/sink.js';
import type { Source } from './sources/source.js';
import type { PipelineSpool } from './spool/open-spool.js';
import type { OnFull } from './spool/spool.js';

export interface PipelineSink {
  readonly sink: Sink;
  /** When the spool is full because of this sink (default `block`: the source waits for it). */
  readonly onFull?: OnFull;
}

export interface PipelineOptions extends IntakeRules {
  readonly name: string;
  readonly source: Source;
  /** What the source is, without secrets: kept with the checkpoint, so that another one is noticed (default: not kept). */
  readonly sourceName?: string;
  /** Drops events that come again, also over a restart (default: they go on). */
  readonly dedupe?: DedupeOptions | undefined;
  readonly spool?: PipelineSpool;
  /** At least one, each under a name of its own. */
  readonly sinks: readonly PipelineSink[];
  readonly checkpoint: CheckpointStore;
  /** Milliseconds between two saves of the checkpoint, at least (default 1,000). */
  readonly checkpointIntervalMs?: number;
  /** Milliseconds that the sinks have, once stopped, for what is in the spool (default 10,000). */
  readonly drainTimeoutMs?: number;
  /** Where several processes share pipelines: once it is lost the run stops at once. */
  readonly fence?: Fence;
  readonly logger: Logger;
  readonly clock?: Clock;
}

/** How a run came to its end; whatever it was, the checkpoint says where to go on. */
export type PipelineOutcome =
  /** The source is over for good and every sink has everything. */
  | { readonly kind: 'ended' }
  /** The signal aborted. */
  | { readonly kind: 'stopped' }
  /** The fence was lost: somebody else goes on, from the last checkpoint that was saved. */
  | { readonly kind: 'lost' }
  | { readonly kind: 'failed'; readonly code: IngestErrorCode; readonly message: string };

export interface Pipeline {
  /** Runs until the source ends, something fails for good, or `signal` aborts; never rejects. Once. */
  run(signal: AbortSignal): Promise<PipelineOutcome>;
  stats(): PipelineStats;
}

const CHECKPOINT_INTERVAL_MS = 1000;
const DRAIN_TIMEOUT_MS = 10_000;

/**
 * Takes events from a source through a filter and a spool into sinks, each at its own pace. The checkpoint
 * moves only over events that every sink has acknowledged: after a crash nothing is missing that the source
 * can give again, and the last events may come twice.
 * @throws IngestError `invalid-option`: no sink, two of one name, or a rule that cannot be read.
 */
export function createPipeline(options: PipelineOptions): Pipeline {
  const names = options.sinks.map(({ sink }) => sink.name);
  if (names.length === 0) throw new IngestError('invalid-option', `Cannot run pipeline "${options.name}": no sink`);
  const twice = names.find((name, index) => names.indexOf(name) !== index);
  if (twice !== undefined)
    throw new IngestError('invalid-option', `Cannot run pipeline "${options.name}": two sinks are named "${twice}"`);
  const logger = options.logger.child({ pipeline: options.name });
  const run = new PipelineRun({
    checkpointIntervalMs: CHECKPOINT_INTERVAL_MS,
    drainTimeoutMs: DRAIN_TIMEOUT_MS,
    ...options,
    clock: options.clock ?? systemClock,
    runId: randomUUID(),
    logger,
  });
  return {
    stats: () => run.stats(),
    run: async (signal) => report(await outcomeOf(run, signal), logger),
  };
}

async function outcomeOf(run: PipelineRun, signal: AbortSignal): Promise<PipelineOutcome> {
  try {
    return { kind: await run.run(signal) };
  } catch (error) {
    return { kind: 'failed', code: error instanceof IngestError ? error.code : 'internal', message: messageOf(error) };
  }
}

function report(outcome: PipelineOutcome, logger: Logger): PipelineOutcome {
  // Not as it is: a logger's own `message` is the sentence.
  if (outcome.kind === 'failed') logger.error({ code: outcome.code, error: outcome.message }, 'Pipeline failed');
  else logger.info(outcome, 'Pipeline finished');
  return outcome;
}
