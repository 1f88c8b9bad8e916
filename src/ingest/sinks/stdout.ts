import { formatRecord } from '../format.js';
import type { Format } from '../format.js';
import type { SpooledEvent } from '../spool/spool.js';
import type { BatchLimits, Sink, WriteResult } from './sink.js';

export interface StdoutSinkOptions {
  /** Writes `text`; resolves when the reader may be given more. */
  readonly write: (text: string) => Promise<void>;
  /** Unique in its pipeline (default `stdout`). */
  readonly name?: string;
  /** Default `ndjson`. */
  readonly format?: Format;
}

const BATCH: BatchLimits = { eventsMax: 1000, bytesMax: 256 * 1024, waitMs: 0 };

/** Writes events to standard output. An event counts once the output has it, whatever the reader does with it. */
export function createStdoutSink({ write, name = 'stdout', format = 'ndjson' }: StdoutSinkOptions): Sink {
  return {
    name,
    batch: BATCH,
    async open() {},
    write: (batch, signal) => writeBatch(batch, { write, format, signal }),
    async close() {},
  };
}

/** Rejects when `signal` aborts: a reader that does not read must not hold the end up. */
function writeBatch(
  batch: readonly SpooledEvent[],
  to: { readonly write: StdoutSinkOptions['write']; readonly format: Format; readonly signal: AbortSignal },
): Promise<WriteResult> {
  const text = batch.map((event) => formatRecord(event, to.format)).join('');
  return new Promise((resolve, reject) => {
    const stop = (): void => reject(new Error('stopped'));
    to.signal.addEventListener('abort', stop);
    if (to.signal.aborted) return stop();
    void to
      .write(text)
      .then(() => resolve({ refused: 0 }), reject)
      .finally(() => to.signal.removeEventListener('abort', stop));
  });
}
