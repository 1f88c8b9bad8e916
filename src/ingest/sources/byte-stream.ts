import { systemClock } from '../../base/index.js';
import type { Clock } from '../../base/index.js';
import type { Source, SourceItem } from './source.js';
import { Downtime } from './downtime.js';
import { EventReader, toRefusal } from './event-reader.js';
import type { StreamFormat } from './stream-format.js';

export interface ByteStreamSourceOptions {
  /** Such as standard input; ended where the source is stopped. */
  readonly bytes: AsyncIterable<Uint8Array>;
  readonly format: StreamFormat;
  /** Bytes that one event may take (default 16 MiB); a larger one ends the pipeline. */
  readonly maxEventBytes?: number;
  readonly clock?: Clock;
}

/**
 * Bytes that come once, such as standard input, until they end. Nothing can be read of them again: what a crash
 * left unwritten is lost, and the time since the last checkpoint is recorded as a gap.
 * Reading throws IngestError `source-refused` where they cannot be read, or an event is too large.
 */
export function createByteStreamSource(options: ByteStreamSourceOptions): Source {
  const { bytes: input, format, maxEventBytes, clock = systemClock } = options;
  let [events, bytes, isOpen] = [0, 0, false];
  async function* read(signal: AbortSignal): AsyncGenerator<readonly SourceItem[], void> {
    const reader = new EventReader({ format, maxEventBytes, clock, skip: 0, resumeIdAt: () => '' });
    const chunks = input[Symbol.asyncIterator]();
    const stopped = new Promise<IteratorReturnResult<undefined>>((resolve) => {
      signal.addEventListener('abort', () => resolve({ done: true, value: undefined }), { once: true });
    });
    const next = (): Promise<IteratorResult<Uint8Array>> =>
      chunks.next().catch((error: unknown) => {
        throw toRefusal(error);
      });
    while (!signal.aborted) {
      const { done, value } = await Promise.race([next(), stopped]);
      if (done === true) break;
      bytes += value.length;
      const items = reader.push(value);
      events = reader.events;
      if (items.length > 0) yield items;
    }
    if (signal.aborted) return;
    const rest = reader.end();
    events = reader.events;
    if (rest.length > 0) yield rest;
  }
  return {
    stats: () => ({ isConnected: isOpen, events, bytes, reconnects: {} }),
    async *read({ signal, downSince }) {
      isOpen = true;
      try {
        const gap = new Downtime(downSince).end(clock.now(), false);
        if (gap.length > 0) yield gap;
        yield* read(signal);
      } finally {
        isOpen = false;
      }
    },
  };
}
