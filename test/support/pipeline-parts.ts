import { once } from 'node:events';
import type {
  BatchLimits,
  Checkpoint,
  CheckpointStore,
  Sink,
  Source,
  SourceItem,
  SourceReadOptions,
} from '../../src/ingest/index.js';

export const NO_STATS = { isConnected: false, events: 0, bytes: 0, reconnects: {} };

interface MemoryStore extends CheckpointStore {
  readonly saved: Checkpoint[];
}

/** A store that remembers what was saved, or begins with `saved`. */
export function createMemoryStore(saved: Checkpoint[] = []): MemoryStore {
  return {
    saved,
    load: () => Promise.resolve(saved.at(-1)),
    save: (checkpoint) => Promise.resolve(void saved.push(checkpoint)),
  };
}

interface MemorySink extends Sink {
  readonly data: string[];
  readonly closes: string[];
}

/** A sink that keeps data in an array, after `before` let each write through. */
export function createMemorySink(
  name = 'memory',
  before: (data: readonly string[], signal: AbortSignal) => Promise<void> = () => Promise.resolve(),
  batch: Partial<BatchLimits> = {},
): MemorySink {
  const data: string[] = [];
  const closes: string[] = [];
  return {
    name,
    data,
    closes,
    batch: { eventsMax: 10, bytesMax: 1e6, waitMs: 0, ...batch },
    open: () => Promise.resolve(),
    async write(events, signal) {
      const texts = events.map((event) => event.data);
      await before(texts, signal);
      data.push(...texts);
      return { refused: 0 };
    },
    close: (reason) => Promise.resolve(void closes.push(reason)),
  };
}

export function eventItem(id: number, type = 'message'): SourceItem {
  return { kind: 'event', event: { id: String(id), type, data: `d${id}`, receivedAt: id }, resumeId: String(id) };
}

/** A source of scripted batches; `after` says how it goes on when they are through. */
export function createScriptedSource(
  batches: readonly (readonly SourceItem[])[],
  after: (options: SourceReadOptions) => Promise<void> = () => Promise.resolve(),
): Source & { readonly reads: SourceReadOptions[] } {
  const reads: SourceReadOptions[] = [];
  return {
    reads,
    async *read(options) {
      reads.push(options);
      yield* batches;
      await after(options);
    },
    stats: () => NO_STATS,
  };
}

/** Resolves when the pipeline stops reading. */
export const untilAborted = async ({ signal }: SourceReadOptions): Promise<void> => {
  if (!signal.aborted) await once(signal, 'abort');
};
