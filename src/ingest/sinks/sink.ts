import type { Logger } from '../../runtime/index.js';
import type { SpooledEvent } from '../spool/spool.js';

/** When the events that wait for a sink become a batch: whichever comes first. */
export interface BatchLimits {
  readonly eventsMax: number;
  readonly bytesMax: number;
  /** Milliseconds that the first event of a batch waits for company; 0 takes what is there. */
  readonly waitMs: number;
}

export interface SinkContext {
  readonly pipeline: string;
  /** Names this run of the pipeline: with an event's sequence number it names the event. */
  readonly runId: string;
  readonly logger: Logger;
}

export interface WriteResult {
  /** Events that the other side will never take; each was logged. They count as acknowledged. */
  readonly refused: number;
  /** Attempts that the sink repeated by itself (default 0). */
  readonly retries?: number;
}

/**
 * Where events go. The pipeline opens it once, writes batches one after the other in order, and closes it.
 */
export interface Sink {
  /** Unique in its pipeline. */
  readonly name: string;
  readonly batch: BatchLimits;
  /** Limits of the batch that begins with `first`, where they are others than {@link batch}. */
  batchFrom?(first: SpooledEvent): BatchLimits;
  /** @throws IngestError where the sink cannot be used at all: the pipeline then does not start. */
  open(context: SinkContext): Promise<void>;
  /**
   * Resolves when the whole batch is durable, and only then. A rejected batch is written again, after a
   * delay, until it succeeds; what it left behind must not be read as events twice where that can be helped.
   * Rejects soon after `signal` aborts.
   */
  write(batch: readonly SpooledEvent[], signal: AbortSignal): Promise<WriteResult>;
  /** `ended`: the source is over for good. `stopped`: the pipeline will go on later. */
  close(reason: 'ended' | 'stopped'): Promise<void>;
}
