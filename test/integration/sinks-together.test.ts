import { setImmediate as turn } from 'node:timers/promises';
import { join } from 'node:path';
import { readdir, readFile } from 'node:fs/promises';
import { Redis } from 'ioredis';
import { expect, test } from 'vitest';
import { createFileSink, createHttpSink, createPipeline, createRedisSink } from '../../src/ingest/index.js';
import type { PipelineOptions, Source, SourceItem } from '../../src/ingest/index.js';
import { answer, BatchReceiver } from '../support/batch-receiver.js';
import { createCapturingLogger } from '../support/capturing-logger.js';
import { ManualClock } from '../support/clocks.js';
import { MemoryDeadLetters } from '../support/memory-dead-letters.js';
import { hasRedis, startRedis } from '../support/redis-server.js';
import { createTemporaryFolder } from '../support/temporary-folder.js';

const EVENTS = 3000;

function eventItem(id: number): SourceItem {
  const event = {
    id: String(id),
    type: 'message',
    data: JSON.stringify({ id, text: 'x'.repeat(100) }),
    receivedAt: id,
  };
  return { kind: 'event', event, resumeId: String(id) };
}

/** Gives `EVENTS` events, then waits to be stopped. */
const source: Source = {
  async *read({ lastEventId, signal }) {
    for (let id = Number(lastEventId) + 1; id <= EVENTS; id += 10) {
      yield Array.from({ length: Math.min(10, EVENTS - id + 1) }, (_, at) => eventItem(id + at));
      await turn();
    }
    await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve()));
  },
  stats: () => ({ isConnected: true, events: 0, bytes: 0, reconnects: {} }),
};

async function linesIn(folder: string): Promise<number> {
  const names = (await readdir(folder)).filter((name) => name.startsWith('events-'));
  const texts = await Promise.all(names.map((name) => readFile(join(folder, name), 'utf8')));
  return texts.join('').split('\n').length - 1;
}

/** A minute of a dead sink's own time: each wait of its backoff passes when it is asked for. */
async function passMinute(clock: ManualClock): Promise<void> {
  for (let passedMs = 0; passedMs < 60_000; passedMs += 1000) {
    await clock.waitForTimers();
    clock.advance(1000);
    await turn();
  }
}

const idOf = (line: string): number => (JSON.parse(line) as { id: number }).id;
const all = Array.from({ length: EVENTS }, (_, at) => at + 1);

test.skipIf(!hasRedis).each(['in memory', 'on disk'])(
  'one sink dead for a minute does not stop the others, with the spool %s, and gets everything afterwards [redis]',
  async (where) => {
    await using folder = await createTemporaryFolder();
    await using server = await startRedis();
    await using receiver = await BatchReceiver.start();
    receiver.faults.push(...Array<ReturnType<typeof answer>>(1000).fill(answer(503)));
    const redis = new Redis(server.url);
    const clock = new ManualClock();
    const archive = join(folder.path, 'archive');
    const spool: NonNullable<PipelineOptions['spool']> =
      where === 'in memory' ? { eventsMax: EVENTS } : { eventsMax: 100, disk: { folder: join(folder.path, 'spool') } };
    const pipeline = createPipeline({
      name: 'p',
      source,
      spool,
      checkpoint: { load: () => Promise.resolve(undefined), save: () => Promise.resolve() },
      sinks: [
        { sink: createFileSink({ folder: archive, batch: { waitMs: 0 } }) },
        { sink: createRedisSink({ url: server.url, target: { kind: 'stream', key: 'events' } }) },
        { sink: createHttpSink({ url: receiver.url, deadLetters: new MemoryDeadLetters(), clock }) },
      ],
      logger: createCapturingLogger(),
    });
    const stop = new AbortController();
    const run = pipeline.run(stop.signal);
    const dead = passMinute(clock);
    await expect.poll(() => linesIn(archive), { timeout: 15_000 }).toBe(EVENTS);
    await expect.poll(() => redis.xlen('events'), { timeout: 15_000 }).toBe(EVENTS);
    await dead;
    expect(receiver.lines).toEqual([]);
    expect(pipeline.stats().sinks['http']).toMatchObject({ written: 0, dropped: 0 });
    expect(pipeline.stats().checkpoint.lastEventId).toBe('');
    receiver.faults.length = 0;
    clock.advance(300_000);
    await receiver.until(() => receiver.lines.length === EVENTS);
    expect(receiver.lines.map(idOf)).toEqual(all);
    await expect.poll(() => pipeline.stats().checkpoint.lastEventId).toBe(String(EVENTS));
    stop.abort();
    expect(await run).toEqual({ kind: 'stopped' });
    redis.disconnect();
  },
  40_000,
);

test.each(['in memory', 'on disk'])(
  'a dead sink that drops costs its own oldest events and nobody else, counted and logged, with the spool %s',
  async (where) => {
    await using folder = await createTemporaryFolder();
    await using receiver = await BatchReceiver.start();
    receiver.faults.push(...Array<ReturnType<typeof answer>>(1000).fill(answer(503)));
    const clock = new ManualClock();
    const archive = join(folder.path, 'archive');
    const logger = createCapturingLogger();
    const spool: NonNullable<PipelineOptions['spool']> =
      where === 'in memory'
        ? { eventsMax: 500 }
        : { eventsMax: 100, disk: { folder: join(folder.path, 'spool'), bytesMax: 100_000 } };
    const http = createHttpSink({
      url: receiver.url,
      deadLetters: new MemoryDeadLetters(),
      clock,
      batch: { eventsMax: 10 },
    });
    const pipeline = createPipeline({
      name: 'p',
      source,
      spool,
      checkpoint: { load: () => Promise.resolve(undefined), save: () => Promise.resolve() },
      sinks: [{ sink: createFileSink({ folder: archive, batch: { waitMs: 0 } }) }, { sink: http, onFull: 'drop' }],
      logger,
    });
    const stop = new AbortController();
    const run = pipeline.run(stop.signal);
    await expect.poll(() => linesIn(archive), { timeout: 15_000 }).toBe(EVENTS);
    receiver.faults.length = 0;
    await clock.waitForTimers();
    clock.advance(300_000);
    await receiver.until(() => receiver.lines.map(idOf).includes(EVENTS));
    const count = () => pipeline.stats().sinks['http'] ?? { written: 0, dropped: 0 };
    await expect.poll(() => count().written + count().dropped).toBe(EVENTS);
    const { written, dropped } = count();
    expect(dropped).toBeGreaterThan(EVENTS / 2);
    expect(receiver.lines.length).toBe(written);
    expect(logger.lines).toContainEqual(
      expect.objectContaining({ level: 'warn', message: 'The sink is behind and loses its oldest events' }),
    );
    stop.abort();
    await run;
  },
  40_000,
);
