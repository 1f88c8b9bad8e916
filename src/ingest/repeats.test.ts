import { setImmediate as turn } from 'node:timers/promises';
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createCapturingLogger } from '../../test/support/capturing-logger.js';
import { JumpingClock } from '../../test/support/clocks.js';
import { startUpstream } from '../../test/support/upstream.js';
import type { Step } from '../../test/support/upstream.js';
import type { Checkpoint, CheckpointStore } from './checkpoints/checkpoint.js';
import { createPipeline } from './pipeline.js';
import type { Sink } from './sinks/sink.js';
import type { SourceStats } from './sources/source.js';
import { createSseSource } from './sources/sse.js';
import type { SseSourceOptions } from './sources/sse.js';

/** Events of one instant: only the first event has one of its own. */
const PER_INSTANT = 3;
const idOf = (number: number): number => Math.ceil(number / PER_INSTANT);

/** A feed whose ids are instants, and which goes on behind the whole instant that it is asked for. */
function feed(total: number, counts: readonly number[]): readonly Step[] {
  return counts.map((count, request) => (response, { headers }) => {
    const after = Number(headers['last-event-id'] ?? -1);
    const numbers = Array.from({ length: total }, (_, number) => number).filter((number) => idOf(number) > after);
    const isLast = request === counts.length - 1;
    const blocks = numbers
      .slice(0, isLast ? total : count)
      .map((number) => `id: ${idOf(number)}\ndata: {"meta":{"id":"event ${number}"},"n":${number}}\n\n`);
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    if (request % 2 === 0) response.end(blocks.join(''));
    else response.write(`${blocks.join('')}id: 9`, () => response.destroy());
  });
}

/** The same feed, event by event; each connection is cut after its count, and after the last of them no more. */
function slowFeed(total: number, counts: readonly number[]): readonly Step[] {
  return counts.map((count, request) => (response, { headers }) => {
    const after = Number(headers['last-event-id'] ?? -1);
    const numbers = Array.from({ length: total }, (_, number) => number).filter((number) => idOf(number) > after);
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    const isLast = request === counts.length - 1;
    const send = (): void => {
      const number = numbers.shift();
      if (response.destroyed) return;
      const isOver = !isLast && numbers.length < total - count;
      if (number === undefined || isOver) return void (request % 2 === 0 ? response.end() : response.destroy());
      response.write(`id: ${idOf(number)}\ndata: {"meta":{"id":"event ${number}"},"n":${number}}\n\n`);
      setImmediate(send);
    };
    send();
  });
}

function createStore(saved: Checkpoint[]): CheckpointStore {
  return {
    load: () => Promise.resolve(saved.at(-1)),
    save: (checkpoint) => Promise.resolve(void saved.push(JSON.parse(JSON.stringify(checkpoint)) as Checkpoint)),
  };
}

interface Kept {
  readonly written: number[];
  readonly saved: Checkpoint[];
}

/** One run of a pipeline; it is stopped once `stopAfter` events are written. */
async function run(
  url: string,
  { written, saved }: Kept,
  stopAfter = Infinity,
  options: Partial<SseSourceOptions> = { overlapMs: 60_000 },
): Promise<SourceStats> {
  const stop = new AbortController();
  const sink: Sink = {
    name: 'memory',
    batch: { eventsMax: 2, bytesMax: 1e6, waitMs: 0 },
    open: () => Promise.resolve(),
    write: async (events) => {
      await turn();
      written.push(...events.map(({ data }) => (JSON.parse(data) as { n: number }).n));
      if (written.length >= stopAfter) stop.abort();
      return { refused: 0 };
    },
    close: () => Promise.resolve(),
  };
  const clock = new JumpingClock();
  const source = createSseSource({ url, clock, idleTimeoutMs: 0, overlapEvents: 8, ...options });
  const logger = createCapturingLogger();
  const pipeline = createPipeline({
    name: 'p',
    source,
    sinks: [{ sink }],
    checkpoint: createStore(saved),
    canary: ['/canary=true'],
    checkpointIntervalMs: 0,
    dedupe: { key: '/meta/id', keysMax: 12 },
    logger,
    clock,
  });
  const outcome = await pipeline.run(stop.signal);
  expect(outcome.kind).not.toBe('failed');
  return source.stats();
}

describe('createPipeline(): dedupe', () => {
  it('gets each event of a feed with coarse ids once, wherever it breaks and wherever it is stopped', async () => {
    const counts = fc.array(fc.integer({ min: 1, max: 30 }), { minLength: 1, maxLength: 6 });
    const stops = fc.array(fc.integer({ min: 1, max: 20 }), { maxLength: 3 });
    await fc.assert(
      fc.asyncProperty(counts, stops, async (sizes, gaps) => {
        const total = 60;
        await using before = await startUpstream(...feed(total, [...sizes, ...gaps.map(() => total)]));
        await using upstream = await startUpstream(...feed(total, [...sizes, total]));
        const kept: Kept = { written: [], saved: [] };
        for (const gap of gaps) await run(before.url, kept, kept.written.length + gap);
        await run(upstream.url, kept);
        expect(kept.written).toEqual(Array.from({ length: total }, (_, number) => number));
      }),
      { numRuns: 25 },
    );
  });

  it('gets each event once while connections are renewed all the time, and cut', async () => {
    const counts = fc.array(fc.integer({ min: 1, max: 60 }), { minLength: 4, maxLength: 12 });
    let renewed = 0;
    await fc.assert(
      fc.asyncProperty(counts, async (sizes) => {
        const total = 60;
        const rest = Array.from({ length: 40 }, () => total);
        await using upstream = await startUpstream(...slowFeed(total, [...sizes, ...rest]));
        const kept: Kept = { written: [], saved: [] };
        const renewing = { overlapMs: 60_000, renewAfterMs: 1, key: '/meta/id' };
        const { reconnects } = await run(upstream.url, kept, total, renewing);
        renewed += reconnects['renewed'] ?? 0;
        expect(kept.written).toEqual(Array.from({ length: total }, (_, number) => number));
      }),
      { numRuns: 6 },
    );
    expect(renewed).toBeGreaterThan(6);
  });

  it('writes again, from whichever checkpoint it goes on, only what was written after that', async () => {
    const total = 60;
    await using before = await startUpstream(...feed(total, [9, 14, 20, total]));
    const saves: { readonly checkpoint: Checkpoint; readonly written: number }[] = [];
    const first: Kept = { written: [], saved: [] };
    first.saved.push = (checkpoint) => saves.push({ checkpoint, written: first.written.length });
    await run(before.url, first);
    expect(saves.length).toBeGreaterThan(10);
    for (const { checkpoint, written } of saves) {
      await using upstream = await startUpstream(...feed(total, [total]));
      const again: Kept = { written: [], saved: [checkpoint] };
      await run(upstream.url, again);
      const start = again.written[0] ?? total;
      expect(again.written).toEqual(Array.from({ length: total - start }, (_, index) => start + index));
      // A batch of two may be written and not acknowledged yet.
      expect(start).toBeGreaterThanOrEqual(written - 2);
      expect(start).toBeLessThanOrEqual(written);
    }
  });

  it('drops what comes again, counts it, and keeps its keys within a bound', async () => {
    const events = [1, 1, 2, 1, 3].map((number) => `data: {"meta":{"id":${number}},"n":${number}}\n\n`);
    const bare = 'data: {"n":7}\n\ndata: {"n":7}\n\n';
    await using upstream = await startUpstream((response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      response.end(events.join('') + bare);
    });
    const kept: Kept = { written: [], saved: [] };
    await run(upstream.url, kept);
    // An event without the key is nobody's repeat.
    expect(kept.written).toEqual([1, 2, 3, 7, 7]);
    expect(kept.saved.at(-1)?.keys).toHaveLength(3 * 11);
  });

  it('moves the checkpoint over canaries, which no sink gets', async () => {
    await using upstream = await startUpstream((response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      response.end('id: 1\ndata: {"n":1,"meta":{"id":1}}\n\nid: 2\ndata: {"n":2,"canary":true}\n\n');
    });
    const kept: Kept = { written: [], saved: [] };
    await run(upstream.url, kept, Infinity, {});
    expect(kept.written).toEqual([1]);
    expect(kept.saved.at(-1)).toMatchObject({ lastEventId: '2' });
  });
});
