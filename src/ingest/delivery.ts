import { createBackoff } from '../base/index.js';
import type { Clock } from '../base/index.js';
import type { Logger } from '../runtime/index.js';
import { nextBatch } from './batcher.js';
import { messageOf } from './errors.js';
import type { Fence } from './fence.js';
import { retry } from './retry.js';
import type { BatchLimits, Sink, WriteResult } from './sinks/sink.js';
import type { SpooledEvent, SpoolReader } from './spool/spool.js';

/** What became of the events of one sink. */
export interface SinkStats {
  /** Events that the sink made durable. */
  readonly written: number;
  readonly batches: number;
  /** Writes that failed and were tried again. */
  readonly retries: number;
  /** Events that the other side will never take. */
  readonly refused: number;
  /** Events that the sink lost because it was behind (`onFull: 'drop'`). */
  readonly dropped: number;
  /** Events that wait for the sink. */
  readonly pending: number;
}

export interface DeliveryOptions {
  readonly sink: Sink;
  readonly reader: SpoolReader;
  /** Without it, it may always write. */
  readonly fence?: Fence | undefined;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** The way of events from the spool into one sink, at that sink's own pace. */
export class Delivery {
  readonly #options: DeliveryOptions;
  #written = 0;
  #batches = 0;
  #retries = 0;
  #refused = 0;

  constructor(options: DeliveryOptions) {
    this.#options = options;
  }

  stats(dropped: number): SinkStats {
    return {
      written: this.#written,
      batches: this.#batches,
      retries: this.#retries,
      refused: this.#refused,
      dropped,
      pending: this.#options.reader.pendingEvents,
    };
  }

  /** Resolves when the spool is closed and empty for this sink, or when `signal` aborts. */
  async run(signal: AbortSignal): Promise<void> {
    const { sink, reader, clock } = this.#options;
    for (;;) {
      const limitsFrom = (first: SpooledEvent): BatchLimits => sink.batchFrom?.(first) ?? sink.batch;
      const batch = await nextBatch(reader, limitsFrom, { clock, signal });
      if (batch.length === 0) return;
      const result = await this.#write(batch, signal);
      if (result === undefined) return;
      this.#batches += 1;
      this.#refused += result.refused;
      this.#retries += result.retries ?? 0;
      this.#written += batch.length - result.refused;
      reader.acknowledge();
    }
  }

  /** Undefined where `signal` aborted before the batch was durable: it is not acknowledged then. */
  async #write(batch: readonly SpooledEvent[], signal: AbortSignal): Promise<WriteResult | undefined> {
    const { sink, fence, clock, logger } = this.#options;
    const mayWrite = (): boolean => fence?.isHeld ?? true;
    if (!mayWrite()) return undefined;
    try {
      return await retry(() => sink.write(batch, signal), {
        backoff: createBackoff(),
        clock,
        signal,
        isRetryable: mayWrite,
        onRetry: (error, delayMs, attempt) => {
          this.#retries += 1;
          logger.warn(
            { error: messageOf(error), events: batch.length, delayMs, attempt },
            'Cannot write; trying again',
          );
        },
      });
    } catch (error) {
      if (signal.aborted || !mayWrite()) return undefined;
      throw error;
    }
  }
}
