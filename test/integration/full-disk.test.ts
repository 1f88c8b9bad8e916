import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setImmediate as turn } from 'node:timers/promises';
import { describe, expect, it, vi } from 'vitest';
import {
  createDeadLetterFile,
  createFileCheckpointStore,
  createFileSink,
  createHttpSink,
  createPipeline,
  createS3Sink,
} from '../../src/ingest/index.js';
import type { PipelineOptions, PipelineStats, Source, SourceItem } from '../../src/ingest/index.js';
import { createCapturingLogger } from '../support/capturing-logger.js';
import { JumpingClock } from '../support/clocks.js';
import { FakeS3 } from '../support/fake-s3.js';
import { createMemorySink, createMemoryStore, NO_STATS } from '../support/pipeline-parts.js';
import { S3Archive } from '../support/s3-archive.js';
import { hasSmallDisk, mountSmallDisk } from '../support/small-disk.js';
import { createTemporaryFolder } from '../support/temporary-folder.js';
import { startUpstream, status } from '../support/upstream.js';

const DISK_BYTES = 512 * 1024;

/** More than the rest of any page: so is an event, and so is what tells of one by its id. */
const filling = 'x'.repeat(10_000);
const dataOf = (id: number): string => `{"n":${id},"filling":"${filling}"}`;
const idOf = (id: number): string => `${id}-${filling}`;
const numbers = (texts: readonly string[]): readonly number[] =>
  texts.map((text) => (JSON.parse(text) as { n: number }).n);

/** A source that gives what it is told to, until it is stopped. */
function createFeed() {
  const items: SourceItem[] = [];
  const source: Source = {
    async *read({ signal }) {
      for (let at = 0; !signal.aborted;) {
        const news = items.slice(at);
        at += news.length;
        if (news.length > 0) yield news;
        else await turn();
      }
    },
    stats: () => NO_STATS,
  };
  const publish = (...ids: readonly number[]): void => {
    for (const id of ids) {
      const event = { id: idOf(id), type: 'message', data: dataOf(id), receivedAt: id };
      items.push({ kind: 'event', event, resumeId: String(id) });
    }
  };
  return { source, publish };
}

/** A running pipeline. */
function start(options: Partial<PipelineOptions> & Pick<PipelineOptions, 'sinks'>) {
  const feed = createFeed();
  const logger = createCapturingLogger();
  const checkpoint = createMemoryStore();
  const clock = new JumpingClock();
  const pipeline = createPipeline({ name: 'p', source: feed.source, checkpoint, logger, clock, ...options });
  const stop = new AbortController();
  const running = pipeline.run(stop.signal);
  return {
    publish: feed.publish,
    logger,
    checkpoint,
    stats: () => pipeline.stats(),
    until: async (isSo: (stats: PipelineStats) => boolean): Promise<void> => {
      while (!isSo(pipeline.stats())) await turn();
    },
    stop: async () => {
      stop.abort();
      return running;
    },
    async [Symbol.asyncDispose]() {
      stop.abort();
      await running;
    },
  };
}

async function archived(folder: string): Promise<readonly number[]> {
  const names = (await readdir(folder)).filter((name) => !name.startsWith('.')).toSorted();
  const texts = await Promise.all(names.map((name) => readFile(join(folder, name), 'utf8')));
  const lines = texts.join('').split('\n');
  expect(lines.pop()).toBe('');
  return numbers(lines);
}

const saysFull = ({ lines }: ReturnType<typeof createCapturingLogger>): boolean =>
  lines.some(({ level, fields }) => level !== 'info' && JSON.stringify(fields).includes('ENOSPC'));

describe.skipIf(!hasSmallDisk)('a full disk [mount]', () => {
  it('holds up the file sink on it and no other, and nothing is lost or torn', async () => {
    await using disk = await mountSmallDisk(DISK_BYTES);
    const other = createMemorySink('other');
    const file = createFileSink({ folder: disk.path, batch: { waitMs: 0 } });
    await using run = start({ sinks: [{ sink: file }, { sink: other }] });
    run.publish(1, 2);
    await run.until(({ sinks }) => sinks['file']?.written === 2);
    await disk.fill();
    run.publish(3, 4, 5);
    await run.until(({ sinks }) => other.data.length === 5 && (sinks['file']?.retries ?? 0) > 2);
    expect(await archived(disk.path)).toEqual([1, 2]);
    expect(saysFull(run.logger)).toBe(true);
    expect(run.stats().checkpoint.lastEventId).toBe('2');
    await disk.free();
    await run.until(({ sinks }) => sinks['file']?.written === 5);
    expect(await run.stop()).toEqual({ kind: 'stopped' });
    expect(await archived(disk.path)).toEqual([1, 2, 3, 4, 5]);
    expect(run.checkpoint.saved.at(-1)?.lastEventId).toBe('5');
  });

  it('leaves the last checkpoint on it whole, and the next one is saved when there is room', async () => {
    await using disk = await mountSmallDisk(DISK_BYTES);
    const path = join(disk.path, 'p.checkpoint.json');
    const saved = async (): Promise<unknown> => JSON.parse(await readFile(path, 'utf8'));
    const sink = createMemorySink();
    const checkpoint = createFileCheckpointStore({ path, pipeline: 'p' });
    await using run = start({ sinks: [{ sink }], checkpoint });
    run.publish(1);
    await run.until((stats) => stats.checkpoint.saves > 1);
    await disk.fill();
    run.publish(2);
    await run.until((stats) => stats.checkpoint.failures > 2);
    expect(sink.data).toHaveLength(2);
    expect(await saved()).toMatchObject({ lastEventId: '1' });
    expect(saysFull(run.logger)).toBe(true);
    await disk.free();
    await run.until((stats) => stats.checkpoint.saves > 2);
    expect(await saved()).toMatchObject({ lastEventId: '2' });
    await run.stop();
    expect(await readdir(disk.path)).toEqual(['p.checkpoint.json']);
  });

  it('holds up the source where the spool is on it, and then everything goes on', async () => {
    await using disk = await mountSmallDisk(DISK_BYTES);
    const spool = { eventsMax: 3, disk: { folder: join(disk.path, 'spool'), bytesMax: DISK_BYTES } };
    const ids = [3, 4, 5, 6, 7, 8, 9, 10];
    const sink = createMemorySink();
    {
      await using run = start({ sinks: [{ sink }], spool });
      run.publish(1, 2);
      await run.until((stats) => stats.checkpoint.lastEventId === '2');
      await disk.fill();
      run.publish(...ids);
      await run.until(() => saysFull(run.logger));
      for (let turns = 0; turns < 200; turns += 1) await turn();
      // Sinks are given what is in memory, which takes no more than it may.
      expect(sink.data.length).toBeLessThanOrEqual(5);
      expect(run.stats().spool.events).toBeLessThanOrEqual(3);
      await disk.free();
      await run.until((stats) => stats.checkpoint.lastEventId === '10');
    }
    expect(numbers(sink.data)).toEqual([1, 2, ...ids]);
    await using again = start({ sinks: [{ sink }], spool });
    again.publish(11);
    await again.until(() => sink.data.length > 10);
    expect(numbers(sink.data).at(-1)).toBe(11);
  });

  it('keeps S3 without an object while its journal cannot be written, and then there is one', async () => {
    vi.stubEnv('AWS_ACCESS_KEY_ID', 'a').stubEnv('AWS_SECRET_ACCESS_KEY', 'b');
    await using s3 = await FakeS3.start();
    await using disk = await mountSmallDisk(DISK_BYTES);
    const place = { bucket: 'bucket', endpoint: s3.endpoint, journal: join(disk.path, 'journal') };
    const create = () => createS3Sink({ ...place, compression: 'none', clock: new JumpingClock() });
    {
      await using run = start({ sinks: [{ sink: create() }] });
      run.publish(1);
      await run.until(({ sinks }) => sinks['s3']?.written === 1);
      await disk.fill();
      const before = s3.objects.size;
      run.publish(2);
      await run.until(() => saysFull(run.logger));
      expect(s3.objects.size).toBe(before);
      await disk.free();
      await run.until(({ sinks }) => sinks['s3']?.written === 2);
    }
    await using again = start({ sinks: [{ sink: create() }] });
    again.publish(3);
    await again.until(({ sinks }) => sinks['s3']?.written === 1);
    using archive = new S3Archive(s3.endpoint);
    expect(numbers(await archive.lines())).toEqual([1, 2, 3]);
    vi.unstubAllEnvs();
  });

  it('holds up the event that should become a dead letter on it, until that is kept', async () => {
    await using disk = await mountSmallDisk(DISK_BYTES);
    await using folder = await createTemporaryFolder();
    await using upstream = await startUpstream(status(200), ...Array.from({ length: 1000 }, () => status(422)));
    const path = join(disk.path, 'dead.ndjson');
    const deadLetters = createDeadLetterFile({ path, source: 's' });
    const sink = createHttpSink({ url: upstream.url, deadLetters, clock: new JumpingClock() });
    const file = createFileSink({ folder: folder.path });
    await using run = start({ sinks: [{ sink }, { sink: file }] });
    run.publish(1);
    await run.until(({ sinks }) => sinks['http']?.written === 1);
    await disk.fill();
    run.publish(2);
    await run.until(() => saysFull(run.logger));
    expect(run.stats().checkpoint.lastEventId).toBe('1');
    await disk.free();
    await run.until(({ sinks }) => sinks['http']?.refused === 1);
    await run.stop();
    const letters = (await readFile(path, 'utf8')).split('\n').slice(0, -1);
    expect(letters.map((letter) => (JSON.parse(letter) as { eventId: string }).eventId)).toEqual([idOf(2)]);
    expect(run.checkpoint.saved.at(-1)?.lastEventId).toBe('2');
  });
});
