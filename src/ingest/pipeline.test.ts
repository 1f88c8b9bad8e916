import { once } from 'node:events';
import { setImmediate as turn } from 'node:timers/promises';
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createCapturingLogger } from '../../test/support/capturing-logger.js';
import { JumpingClock, ManualClock } from '../../test/support/clocks.js';
import {
  createMemorySink,
  createMemoryStore,
  createScriptedSource,
  eventItem,
  NO_STATS,
  untilAborted,
} from '../../test/support/pipeline-parts.js';
import { serve, startUpstream, status } from '../../test/support/upstream.js';
import type { Checkpoint, CheckpointStore } from './checkpoints/checkpoint.js';
import { IngestError } from './errors.js';
import { createPipeline } from './pipeline.js';
import type { PipelineOptions } from './pipeline.js';
import type { Source, SourceReadOptions } from './sources/source.js';
import { createSseSource } from './sources/sse.js';

const { signal: never } = new AbortController();

function build(options: Partial<PipelineOptions> & Pick<PipelineOptions, 'source' | 'sinks'>) {
  const logger = createCapturingLogger();
  const checkpoint = createMemoryStore();
  const pipeline = createPipeline({ name: 'p', checkpoint, logger, clock: new JumpingClock(), ...options });
  return { pipeline, logger, checkpoint };
}

describe('createPipeline()', () => {
  it('brings every event to every sink, then saves the checkpoint and closes', async () => {
    const sinks = [createMemorySink('a'), createMemorySink('b')];
    const source = createScriptedSource([[eventItem(1), eventItem(2)], [{ kind: 'position', resumeId: '9' }]]);
    const { pipeline, checkpoint } = build({ source, sinks: sinks.map((sink) => ({ sink })) });
    expect(await pipeline.run(never)).toEqual({ kind: 'ended' });
    for (const sink of sinks) expect(sink).toMatchObject({ data: ['d1', 'd2'], closes: ['ended'] });
    expect(checkpoint.saved.at(-1)).toMatchObject({ lastEventId: '9' });
    expect(pipeline.stats()).toMatchObject({
      sinks: { a: { written: 2, pending: 0, retries: 0 }, b: { written: 2 } },
      checkpoint: { lastEventId: '9' },
      spool: { events: 0, bytes: 0 },
    });
  });

  it('keeps the wanted types only, and counts the others as acknowledged', async () => {
    const sink = createMemorySink();
    const items = [eventItem(1), eventItem(2, 'edit'), eventItem(3, 'Message'), eventItem(4, 'log')];
    const { pipeline, checkpoint } = build({
      source: createScriptedSource([items]),
      sinks: [{ sink }],
      types: ['message', 'log'],
    });
    await pipeline.run(never);
    expect(sink.data).toEqual(['d1', 'd4']);
    expect(pipeline.stats().filtered).toBe(2);
    expect(checkpoint.saved.at(-1)?.lastEventId).toBe('4');
    const none = build({ source: createScriptedSource([items]), sinks: [{ sink }], types: ['none'] });
    await none.pipeline.run(never);
    expect(none.checkpoint.saved.at(-1)?.lastEventId).toBe('4');
  });

  it('resumes from the checkpoint, which holds what every sink has', async () => {
    const gate = new AbortController();
    const slow = createMemorySink(
      'slow',
      async (texts, signal) => {
        if (!texts.includes('d3')) return;
        gate.abort();
        await untilAborted({ signal } as SourceReadOptions);
        throw new Error('aborted');
      },
      { eventsMax: 1 },
    );
    const source = createScriptedSource([[1, 2, 3, 4].map((id) => eventItem(id))], untilAborted);
    const { pipeline, checkpoint, logger } = build({ source, sinks: [{ sink: createMemorySink() }, { sink: slow }] });
    expect(await pipeline.run(gate.signal)).toEqual({ kind: 'stopped' });
    expect(checkpoint.saved.at(-1)?.lastEventId).toBe('2');
    expect(slow.closes).toEqual(['stopped']);
    expect(logger.lines).toContainEqual(expect.objectContaining({ message: expect.stringMatching(/unwritten/) }));
    const next = createScriptedSource([]);
    await build({ source: next, sinks: [{ sink: createMemorySink() }], checkpoint }).pipeline.run(never);
    expect(next.reads[0]).toMatchObject({ lastEventId: '2', downSince: 2 });
  });

  it('tries a failed batch again, alone: the other sinks go on', async () => {
    let failures = 3;
    const failing = createMemorySink('failing', () =>
      failures-- > 0 ? Promise.reject(new Error('full')) : Promise.resolve(),
    );
    const source = createScriptedSource([[eventItem(1)], [eventItem(2)]]);
    const { pipeline, logger } = build({ source, sinks: [{ sink: failing }, { sink: createMemorySink() }] });
    expect(await pipeline.run(never)).toEqual({ kind: 'ended' });
    expect(failing.data).toEqual(['d1', 'd2']);
    expect(pipeline.stats().sinks['failing']).toMatchObject({ retries: 3, written: 2 });
    expect(logger.lines.find((line) => line.level === 'warn')?.fields).toMatchObject({
      sink: 'failing',
      error: 'full',
    });
  });

  it('lets a stuck sink that may drop lose its oldest events, says so, and holds nobody up', async () => {
    const stuck = createMemorySink(
      'stuck',
      (_, signal) => once(signal, 'abort').then(() => Promise.reject(new Error('x'))),
      { eventsMax: 1 },
    );
    const sink = createMemorySink();
    const stop = new AbortController();
    const source = createScriptedSource(
      Array.from({ length: 100 }, (_, index) => [eventItem(index + 1)]),
      async (options) => {
        while (sink.data.length < 100) await turn();
        stop.abort();
        await untilAborted(options);
      },
    );
    const { pipeline, logger, checkpoint } = build({
      source,
      sinks: [{ sink: stuck, onFull: 'drop' }, { sink }],
      spool: { eventsMax: 10 },
    });
    await pipeline.run(stop.signal);
    expect(sink.data).toHaveLength(100);
    const { dropped } = pipeline.stats().sinks['stuck'] ?? { dropped: 0 };
    expect(dropped).toBeGreaterThanOrEqual(85);
    expect(Number(checkpoint.saved.at(-1)?.lastEventId)).toBe(90);
    const drops = logger.lines.filter((line) => line.message.includes('loses its oldest'));
    expect(drops).toHaveLength(1);
    expect(drops[0]).toMatchObject({ level: 'warn', fields: { sink: 'stuck' } });
  });

  it('gives the sinks a bounded time when it is stopped', async () => {
    const clock = new ManualClock();
    const stuck = createMemorySink('stuck', (_, signal) =>
      once(signal, 'abort').then(() => Promise.reject(new Error('x'))),
    );
    const stop = new AbortController();
    const source = createScriptedSource([[eventItem(1)]], untilAborted);
    const { pipeline } = build({ source, sinks: [{ sink: stuck }], clock, drainTimeoutMs: 7000 });
    const running = pipeline.run(stop.signal);
    while (pipeline.stats().sinks['stuck']?.pending !== 0 || pipeline.stats().spool.events === 0) await turn();
    stop.abort();
    clock.advance(6999);
    expect(await Promise.race([running, turn('waiting')])).toBe('waiting');
    clock.advance(1);
    expect(await running).toEqual({ kind: 'stopped' });
    expect(clock.timers).toBe(0);
  });

  it('fails with the code of what failed, once the sinks have what was read', async () => {
    const refused = new IngestError('source-refused', 'Cannot read it: no');
    const sink = createMemorySink();
    const source = createScriptedSource([[eventItem(1)]], () => Promise.reject(refused));
    const { pipeline, checkpoint } = build({ source, sinks: [{ sink }] });
    expect(await pipeline.run(never)).toEqual({
      kind: 'failed',
      code: 'source-refused',
      message: 'Cannot read it: no',
    });
    expect(sink).toMatchObject({ data: ['d1'], closes: ['stopped'] });
    expect(checkpoint.saved.at(-1)?.lastEventId).toBe('1');
  });

  it('does not start with a checkpoint that it cannot read, or a sink that cannot open', async () => {
    const source = createScriptedSource([[eventItem(1)]]);
    const sink = createMemorySink();
    const unreadable = {
      load: () => Promise.reject(new IngestError('checkpoint-unreadable', 'torn')),
      save: () => Promise.resolve(),
    };
    const first = build({ source, sinks: [{ sink }], checkpoint: unreadable });
    expect(await first.pipeline.run(never)).toMatchObject({ kind: 'failed', code: 'checkpoint-unreadable' });
    const locked = { ...createMemorySink('l'), open: () => Promise.reject(new IngestError('archive-locked', 'held')) };
    const second = build({ source, sinks: [{ sink }, { sink: locked }] });
    expect(await second.pipeline.run(never)).toMatchObject({ kind: 'failed', code: 'archive-locked' });
    expect(source.reads).toEqual([]);
    expect(sink.closes).toEqual(['stopped']);
  });

  it('saves the checkpoint at most once an interval, and again where that failed', async () => {
    const clock = new ManualClock();
    const store = createMemoryStore();
    const save = store.save.bind(store);
    let failures = 0;
    const checkpoint = {
      ...store,
      save: (next: Checkpoint) => (failures-- > 0 ? Promise.reject(new Error('full')) : save(next)),
    };
    const sink = createMemorySink();
    const steps: (() => void)[] = [];
    const source: Source = {
      async *read() {
        for (let id = 1; id <= 4; id += 1) {
          yield [eventItem(id)];
          await new Promise<void>((resolve) => steps.push(resolve));
        }
      },
      stats: () => NO_STATS,
    };
    const { pipeline, logger } = build({ source, sinks: [{ sink }], clock, checkpoint, checkpointIntervalMs: 1000 });
    const running = pipeline.run(never);
    const written = async (count: number): Promise<void> => {
      while (sink.data.length < count || steps.length === 0 || pipeline.stats().spool.events > 0) await turn();
    };
    await written(1);
    expect(store.saved.map((each) => each.lastEventId)).toEqual(['']);
    steps.pop()?.();
    await written(2);
    clock.advance(999);
    await turn();
    expect(store.saved).toHaveLength(1);
    clock.advance(1);
    await turn();
    expect(store.saved.map((each) => each.lastEventId)).toEqual(['', '2']);
    failures = 1;
    steps.pop()?.();
    await written(3);
    clock.advance(1000);
    await turn();
    expect(logger.lines.at(-1)).toMatchObject({ level: 'error', message: expect.stringContaining('checkpoint') });
    clock.advance(1000);
    await turn();
    expect(store.saved.at(-1)?.lastEventId).toBe('3');
    steps.pop()?.();
    await written(4);
    steps.pop()?.();
    await running;
    expect(store.saved.at(-1)?.lastEventId).toBe('4');
    expect(pipeline.stats().checkpoint).toMatchObject({ failures: 1, saves: 4 });
  });

  it('records the gaps of a stream without ids, over restarts too, the last hundred of them', async () => {
    await using upstream = await startUpstream(
      serve('data: a\n\n'),
      serve('data: b\n\n'),
      status(204),
      serve('data: c\n\n'),
    );
    const checkpoint = createMemoryStore();
    const clock = new JumpingClock();
    for (let run = 0; run < 2; run += 1) {
      const source = createSseSource({ url: upstream.url, clock, idleTimeoutMs: 0 });
      const { pipeline } = build({ source, sinks: [{ sink: createMemorySink() }], checkpoint, clock });
      expect(await pipeline.run(never)).toEqual({ kind: 'ended' });
    }
    expect(checkpoint.saved.at(-1)?.gaps.map((gap) => gap.reason)).toEqual(['closed', 'restart']);
    const gap = { kind: 'gap', gap: { kind: 'upstream', from: '', to: '', reason: 'evicted' } } as const;
    const many = createScriptedSource([Array.from({ length: 150 }, () => gap)]);
    await build({ source: many, sinks: [{ sink: createMemorySink() }], checkpoint }).pipeline.run(never);
    expect(checkpoint.saved.at(-1)?.gaps).toHaveLength(100);
  });

  it('refuses to be built without a sink, or with two of one name', () => {
    const source = createScriptedSource([]);
    expect(() => build({ source, sinks: [] })).toThrow(expect.objectContaining({ code: 'invalid-option' }));
    const twice = [{ sink: createMemorySink() }, { sink: createMemorySink() }];
    expect(() => build({ source, sinks: twice })).toThrow(/two sinks are named "memory"/);
  });
});

/** Gives everything after the id it is asked for, as a server with a history does. */
function createHistorySource(total: number, chunk: number): Source {
  return {
    async *read({ lastEventId }) {
      for (let id = Number(lastEventId) + 1; id <= total; id += chunk) {
        yield Array.from({ length: Math.min(chunk, total - id + 1) }, (_, index) => eventItem(id + index));
        await turn();
      }
    },
    stats: () => NO_STATS,
  };
}

describe('createPipeline() and crashes', () => {
  it('loses nothing, in no sink, wherever it crashes', async () => {
    const crash = fc.record({ afterWrites: fc.integer({ min: 0, max: 8 }), sink: fc.nat(1) });
    await fc.assert(
      fc.asyncProperty(fc.array(crash, { maxLength: 4 }), fc.integer({ min: 1, max: 7 }), async (crashes, chunk) => {
        const kept: string[][] = [[], []];
        const saved: Checkpoint[] = [];
        for (const plan of [...crashes, undefined]) {
          const isDead = new AbortController();
          let writes = 0;
          const sinks = kept.map((data, index) => {
            const before = async (texts: readonly string[]): Promise<void> => {
              await turn();
              if (plan?.sink === index && (writes += 1) > plan.afterWrites) isDead.abort();
              // A dead process writes nothing more and acknowledges nothing more.
              if (isDead.signal.aborted) throw new Error('dead');
              data.push(...texts);
            };
            return { sink: createMemorySink(`s${index}`, before, { eventsMax: index + 2 }) };
          });
          const store = createMemoryStore(saved);
          const checkpoint: CheckpointStore = {
            load: () => store.load(),
            save: (next) => (isDead.signal.aborted ? Promise.reject(new Error('dead')) : store.save(next)),
          };
          const clock = new JumpingClock();
          const { pipeline } = build({
            source: createHistorySource(40, chunk),
            sinks,
            checkpoint,
            clock,
            checkpointIntervalMs: 0,
            drainTimeoutMs: 0,
            spool: { eventsMax: 9 },
          });
          await pipeline.run(isDead.signal);
        }
        const all = Array.from({ length: 40 }, (_, index) => `d${index + 1}`);
        for (const data of kept) expect([...new Set(data)].toSorted()).toEqual(all.toSorted());
      }),
      { numRuns: 60 },
    );
  });
});

describe('createPipeline() and back-pressure', () => {
  it('stops reading the socket while a blocking sink is stuck, and goes on after', async () => {
    const total = 100_000;
    let sent = 0;
    let isFull = false;
    await using upstream = await startUpstream((response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      const more = (): void => {
        isFull = false;
        while (sent < total && !isFull) isFull = !response.write(`id: ${(sent += 1)}\ndata: ${'x'.repeat(1000)}\n\n`);
        if (sent === total) response.end();
      };
      response.on('drain', more);
      more();
    });
    const release = new AbortController();
    const stuck = once(release.signal, 'abort');
    let received = 0;
    const sink = createMemorySink(
      'stuck',
      async (texts) => {
        await stuck;
        received += texts.length;
      },
      { eventsMax: 1000, bytesMax: 1e7 },
    );
    const source = createSseSource({ url: upstream.url });
    const { pipeline } = build({ source, sinks: [{ sink }], spool: { eventsMax: 500 } });
    const running = pipeline.run(never);
    // Settled: for a thousand turns the server could write nothing and nothing arrived.
    for (let quiet = 0, before = -1; quiet < 1000; quiet += 1) {
      if (!isFull || source.stats().bytes !== before) quiet = 0;
      before = source.stats().bytes;
      await turn();
    }
    expect(pipeline.stats().spool.events).toBe(500);
    expect(source.stats().bytes).toBeLessThan(1_000_000);
    expect(sent).toBeLessThan(total / 2);
    release.abort();
    expect(await running).toEqual({ kind: 'ended' });
    expect(received).toBe(total);
  });
});
