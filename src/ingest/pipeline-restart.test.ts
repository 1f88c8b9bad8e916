import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { createCapturingLogger } from '../../test/support/capturing-logger.js';
import {
  createMemorySink,
  createMemoryStore,
  createScriptedSource,
  eventItem,
  untilAborted,
} from '../../test/support/pipeline-parts.js';
import { createTemporaryFolder } from '../../test/support/temporary-folder.js';
import { createFileCheckpointStore } from './checkpoints/checkpoint.js';
import type { Checkpoint, CheckpointStore } from './checkpoints/checkpoint.js';
import { IngestError } from './errors.js';
import { createPipeline } from './pipeline.js';

const { signal: never } = new AbortController();

describe('createPipeline()', () => {
  it('ends at once when somebody else has saved the checkpoint, and saves no more', async () => {
    const saved: Checkpoint[] = [];
    const store: CheckpointStore = {
      load: () => Promise.resolve(undefined),
      save(checkpoint) {
        if (saved.length === 1) return Promise.reject(new IngestError('checkpoint-taken', 'Cannot save: taken'));
        saved.push(checkpoint);
        return Promise.resolve();
      },
    };
    const sink = createMemorySink();
    const pipeline = createPipeline({
      name: 'p',
      source: createScriptedSource([[eventItem(1)]], untilAborted),
      sinks: [{ sink }],
      checkpoint: store,
      checkpointIntervalMs: 0,
      logger: createCapturingLogger(),
    });
    expect(await pipeline.run(never)).toEqual({
      kind: 'failed',
      code: 'checkpoint-taken',
      message: 'Cannot save: taken',
    });
    expect(sink.closes).toEqual(['stopped']);
    expect(pipeline.stats().checkpoint).toMatchObject({ saves: 1, failures: 1 });
  });
});

describe('createPipeline() with the checkpoint of another source', () => {
  it('says so, once the checkpoint knows its source', async () => {
    await using folder = await createTemporaryFolder();
    const warningsOf = async (sourceName: string | undefined, id: number): Promise<readonly unknown[]> => {
      const logger = createCapturingLogger();
      await createPipeline({
        name: 'p',
        source: createScriptedSource([[eventItem(id)]]),
        ...(sourceName === undefined ? {} : { sourceName }),
        sinks: [{ sink: createMemorySink() }],
        checkpoint: createFileCheckpointStore({ path: join(folder.path, 'p.json'), pipeline: 'p' }),
        logger,
      }).run(never);
      return logger.lines.filter(({ level }) => level === 'warn').map(({ fields }) => fields);
    };
    expect(await warningsOf(undefined, 1)).toEqual([]);
    expect(await warningsOf('https://a.example/', 2)).toEqual([]);
    expect(await warningsOf('https://a.example/', 3)).toEqual([]);
    const moved = { before: 'https://a.example/', now: 'https://b.example/' };
    expect(await warningsOf('https://b.example/', 4)).toEqual([expect.objectContaining(moved)]);
    expect(await warningsOf('https://b.example/', 5)).toEqual([]);
  });
});

describe('createPipeline() with a spool on disk', () => {
  it.each([
    ['behind what is in the spool', undefined, '3'],
    ['at the checkpoint, where that is further', '900', '900'],
  ])('goes on %s', async (_, lastEventId, resumedFrom) => {
    await using folder = await createTemporaryFolder();
    const disk = { folder: folder.path };
    const common = { name: 'p', logger: createCapturingLogger(), spool: { disk } };
    const stop = new AbortController();
    const stuck = createMemorySink('memory', (_data, signal) => {
      stop.abort();
      return new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(new Error('stopped'))));
    });
    const events = createScriptedSource([[eventItem(1), eventItem(2), eventItem(3)]]);
    const first = createPipeline({
      ...common,
      source: events,
      sinks: [{ sink: stuck }],
      checkpoint: createMemoryStore(),
      drainTimeoutMs: 0,
    });
    await first.run(stop.signal);
    const saved = { lastEventId: '900', receivedAt: '2026-11-20T00:00:00.000Z', gaps: [], updatedAt: '' };
    const store = createMemoryStore(lastEventId === undefined ? [] : [saved]);
    const [source, sink] = [createScriptedSource([]), createMemorySink()];
    await createPipeline({ ...common, source, sinks: [{ sink }], checkpoint: store }).run(never);
    expect(source.reads[0]?.lastEventId).toBe(resumedFrom);
    expect(source.reads[0]?.downSince).toBeDefined();
    expect(sink.data).toEqual(['d1', 'd2', 'd3']);
    expect(store.saved.at(-1)?.lastEventId).toBe(resumedFrom);
  });

  it('knows again, after a crash, what is in the spool, and saves only keys of what every sink has', async () => {
    await using folder = await createTemporaryFolder();
    const common = {
      name: 'p',
      logger: createCapturingLogger(),
      spool: { disk: { folder: folder.path } },
      dedupe: { key: 'id' },
      checkpointIntervalMs: 0,
    };
    const stop = new AbortController();
    const stuck = createMemorySink('memory', (_data, signal) => {
      stop.abort();
      return new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(new Error('stopped'))));
    });
    const store = createMemoryStore();
    const first = createScriptedSource([[eventItem(1), eventItem(2), eventItem(3)]]);
    await createPipeline({
      ...common,
      source: first,
      sinks: [{ sink: stuck }],
      checkpoint: store,
      drainTimeoutMs: 0,
    }).run(stop.signal);
    expect(store.saved.at(-1)?.keys).toBe('');
    const again = createScriptedSource([[eventItem(2), eventItem(3), eventItem(4)]]);
    const sink = createMemorySink('memory', undefined, { eventsMax: 1 });
    const pipeline = createPipeline({ ...common, source: again, sinks: [{ sink }], checkpoint: store });
    await pipeline.run(never);
    expect([sink.data, pipeline.stats().repeats]).toEqual([['d1', 'd2', 'd3', 'd4'], 2]);
    for (const { lastEventId, keys } of store.saved) expect(keys).toHaveLength(11 * Number(lastEventId));
    expect(store.saved.at(-1)?.lastEventId).toBe('4');
  });
});
