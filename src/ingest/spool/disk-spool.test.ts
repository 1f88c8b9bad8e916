import { cp, mkdir, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createCapturingLogger } from '../../../test/support/capturing-logger.js';
import { ManualClock } from '../../../test/support/clocks.js';
import { createTemporaryFolder } from '../../../test/support/temporary-folder.js';
import type { Spool } from './spool.js';
import { DiskSpool } from './disk-spool.js';
import { decodeEventRecord, encodeEventRecord } from './event-record.js';
import { openDiskSpool } from './open-disk-spool.js';
import type { DiskSpoolOptions } from './open-disk-spool.js';

const ALL = { eventsMax: Infinity, bytesMax: Infinity };
const never = new AbortController().signal;

interface Opened extends AsyncDisposable {
  readonly spool: Spool;
  readonly drops: Record<string, number>;
  readonly logger: ReturnType<typeof createCapturingLogger>;
}

async function open(folder: string, options: Partial<DiskSpoolOptions> = {}): Promise<Opened> {
  const drops: Record<string, number> = {};
  const logger = createCapturingLogger();
  const spool = await openDiskSpool({
    folder,
    pipeline: 'p',
    saveIntervalMs: 1000,
    clock: new ManualClock(),
    logger,
    diskBytesMax: 1e6,
    segmentBytes: 2000,
    sinks: [{ name: 'a', onFull: 'block' }],
    start: { lastEventId: '', receivedAt: 0 },
    onDrop: (sink, events) => (drops[sink] = (drops[sink] ?? 0) + events),
    ...options,
  });
  return { spool, drops, logger, [Symbol.asyncDispose]: () => spool[Symbol.asyncDispose]() };
}

function append(spool: Spool, id: number, data = 'x'): boolean {
  return spool.tryAppend({ id: String(id), type: 'message', data, receivedAt: id }, String(id));
}

/** Appends events `from` to `to`, waiting for room where there is none. */
async function fill(spool: Spool, from: number, to: number, data = 'x'): Promise<void> {
  for (let id = from; id <= to; id += 1) while (!append(spool, id, data)) await spool.waitForRoom(never);
}

async function takeAll(spool: Spool, name: string): Promise<number[]> {
  const reader = spool.reader(name);
  const ids = (await reader.take(ALL)).map(({ id }) => Number(id));
  reader.acknowledge();
  return ids;
}

function damage(bytes: Buffer): Buffer {
  const copy = Buffer.from(bytes);
  copy[100] = (copy[100] ?? 0) ^ 1;
  return copy;
}

const range = (from: number, to: number): number[] => Array.from({ length: to - from + 1 }, (_, at) => from + at);

/** What a crash leaves: the files as they are at this instant, without the lock of a process that is gone. */
async function crash(folder: string, copy: string): Promise<void> {
  await mkdir(copy, { recursive: true });
  for (const name of await readdir(folder))
    if (name !== '.lock') await cp(join(folder, name), join(copy, name)).catch(() => undefined);
}

describe('openDiskSpool()', () => {
  it('gives every sink every event, from memory or from disk, after a restart too', async () => {
    await using folder = await createTemporaryFolder();
    const sinks = [
      { name: 'fast', onFull: 'block' },
      { name: 'slow', onFull: 'block' },
    ] as const;
    {
      await using opened = await open(folder.path, { sinks, eventsMax: 10 });
      await fill(opened.spool, 1, 100);
      expect(await takeAll(opened.spool, 'fast')).toEqual(range(1, 100));
      expect((await opened.spool.reader('slow').take({ eventsMax: 30, bytesMax: Infinity })).length).toBe(30);
      opened.spool.reader('slow').acknowledge();
      expect([opened.spool.events, opened.spool.position.lastEventId]).toEqual([70, '30']);
    }
    await using opened = await open(folder.path, { sinks, eventsMax: 10, isCheckpoint: true });
    expect(opened.spool.start).toEqual({ lastEventId: '100', receivedAt: 100 });
    expect([opened.spool.events, opened.spool.isFresh]).toEqual([70, false]);
    await fill(opened.spool, 101, 110);
    expect(opened.spool.reader('fast').pendingEvents).toBe(10);
    expect(await takeAll(opened.spool, 'fast')).toEqual(range(101, 110));
    expect(await takeAll(opened.spool, 'slow')).toEqual(range(31, 110));
    expect([opened.spool.events, opened.spool.bytes, opened.spool.position.lastEventId]).toEqual([0, 0, '110']);
  });

  it('take() is bounded in bytes but gives one event at least', async () => {
    await using folder = await createTemporaryFolder();
    await using opened = await open(folder.path);
    await fill(opened.spool, 1, 3, 'x'.repeat(1000));
    const reader = opened.spool.reader('a');
    expect(await reader.take({ eventsMax: 9, bytesMax: 10 })).toHaveLength(1);
    expect(reader.pendingEvents).toBe(2);
    expect(await reader.take({ eventsMax: 9, bytesMax: 2500 })).toHaveLength(2);
    expect(reader.pendingBytes).toBe(0);
  });

  it('keeps its files within the bound: a sink that blocks holds the source up until it has caught up', async () => {
    await using folder = await createTemporaryFolder();
    await using opened = await open(folder.path, { diskBytesMax: 8000, eventsMax: 5 });
    let id = 1;
    const wait = new AbortController();
    for (; id < 1000; id += 1) {
      if (append(opened.spool, id, 'x'.repeat(100))) continue;
      // Full, or only not on the disk yet.
      const moved = await Promise.race([
        opened.spool.waitForRoom(wait.signal).then(() => true),
        new Promise<boolean>((resolve) => setTimeout(() => resolve(false), 50)),
      ]);
      if (!moved) break;
      id -= 1;
    }
    wait.abort();
    const sizes = await Promise.all(
      (await readdir(folder.path)).map(async (name) => (await stat(join(folder.path, name))).size),
    );
    expect(sizes.reduce((sum, size) => sum + size, 0)).toBeLessThan(9000);
    expect(id).toBeGreaterThan(20);
    expect(id).toBeLessThan(80);
    const room = opened.spool.waitForRoom(never);
    expect(await takeAll(opened.spool, 'a')).toEqual(range(1, id - 1));
    await room;
    await fill(opened.spool, id, id + 100);
  });

  it('a sink that drops loses its oldest events by the file, which is counted, and holds nobody up', async () => {
    await using folder = await createTemporaryFolder();
    const sinks = [
      { name: 'fast', onFull: 'block' },
      { name: 'dead', onFull: 'drop' },
    ] as const;
    await using opened = await open(folder.path, { sinks, diskBytesMax: 8000, eventsMax: 5 });
    const got: number[] = [];
    for (let id = 1; id <= 500; id += 10) {
      await fill(opened.spool, id, id + 9, 'x'.repeat(100));
      got.push(...(await takeAll(opened.spool, 'fast')));
    }
    expect(got).toEqual(range(1, 500));
    const late = await takeAll(opened.spool, 'dead');
    expect(late.at(-1)).toBe(500);
    expect(late.length).toBeGreaterThan(20);
    expect(opened.drops).toEqual({ dead: 500 - late.length });
    expect(late).toEqual(range(501 - late.length, 500));
    expect(opened.spool.position.lastEventId).toBe('500');
  });

  it('tells who waits for room when a sink that blocks has caught up, though one that drops has not', async () => {
    await using folder = await createTemporaryFolder();
    const sinks = [
      { name: 'fast', onFull: 'block' },
      { name: 'dead', onFull: 'drop' },
    ] as const;
    await using opened = await open(folder.path, { sinks, diskBytesMax: 8000, eventsMax: 5 });
    const filling = fill(opened.spool, 1, 200, 'x'.repeat(100));
    // It is full once nothing more goes in: everything is on the disk, and no file may go.
    for (let [before, after] = [-1, 0]; before !== after;) {
      before = opened.spool.events;
      await new Promise((resolve) => setTimeout(resolve, 50));
      after = opened.spool.events;
    }
    expect(opened.spool.events).toBeLessThan(100);
    const got: number[] = [];
    while (got.at(-1) !== 200) {
      if (opened.spool.reader('fast').pendingEvents === 0) await opened.spool.reader('fast').changed(never);
      got.push(...(await takeAll(opened.spool, 'fast')));
    }
    await filling;
    expect(got).toEqual(range(1, 200));
  });

  it('a sink that drops keeps what it has in hand, and its place behind it', async () => {
    await using folder = await createTemporaryFolder();
    const sinks = [{ name: 'slow', onFull: 'drop' }] as const;
    await using opened = await open(folder.path, { sinks, diskBytesMax: 8000, eventsMax: 5 });
    await fill(opened.spool, 1, 3);
    const reader = opened.spool.reader('slow');
    const inHand = await reader.take(ALL);
    expect(inHand.length).toBe(3);
    await fill(opened.spool, 4, 300, 'x'.repeat(100));
    reader.acknowledge();
    const rest = await takeAll(opened.spool, 'slow');
    expect(rest).toEqual(range(301 - rest.length, 300));
    expect(3 + (opened.drops['slow'] ?? 0) + rest.length).toBe(300);
  });

  it('does not let the checkpoint go back where another machine went on meanwhile', async () => {
    await using folder = await createTemporaryFolder();
    {
      await using opened = await open(folder.path);
      await fill(opened.spool, 1, 5);
    }
    const start = { lastEventId: '900', receivedAt: 900 };
    await using opened = await open(folder.path, { start, isCheckpoint: true });
    expect(opened.spool.start).toEqual(start);
    expect(opened.spool.position).toEqual(start);
    // What only this machine has is written all the same.
    expect(await takeAll(opened.spool, 'a')).toEqual(range(1, 5));
    expect(opened.spool.position).toEqual(start);
    await fill(opened.spool, 901, 901);
    await takeAll(opened.spool, 'a');
    expect(opened.spool.position.lastEventId).toBe('901');
  });

  it('follows the source where it moves on without an event', async () => {
    await using folder = await createTemporaryFolder();
    await using opened = await open(folder.path);
    opened.spool.advance({ lastEventId: 'p', receivedAt: 1 });
    expect(opened.spool.position.lastEventId).toBe('p');
    append(opened.spool, 2);
    opened.spool.advance({ lastEventId: 'q', receivedAt: 3 });
    expect(opened.spool.position.lastEventId).not.toBe('q');
    await takeAll(opened.spool, 'a');
    expect(opened.spool.position.lastEventId).toBe('q');
  });

  it('gives a new sink what another still has to get', async () => {
    await using folder = await createTemporaryFolder();
    {
      await using opened = await open(folder.path);
      await fill(opened.spool, 1, 10);
      await opened.spool.reader('a').take({ eventsMax: 4, bytesMax: Infinity });
      opened.spool.reader('a').acknowledge();
    }
    const sinks = [
      { name: 'a', onFull: 'block' },
      { name: 'new', onFull: 'block' },
    ] as const;
    await using opened = await open(folder.path, { sinks });
    expect(await takeAll(opened.spool, 'new')).toEqual(range(5, 10));
  });

  it('gives up at the start what every sink has', async () => {
    await using folder = await createTemporaryFolder();
    const sinks = [
      { name: 'a', onFull: 'block' },
      { name: 'gone', onFull: 'block' },
    ] as const;
    {
      await using opened = await open(folder.path, { sinks });
      await fill(opened.spool, 1, 100, 'x'.repeat(100));
      await takeAll(opened.spool, 'a');
    }
    const logs = async (): Promise<number> =>
      (await readdir(folder.path)).filter((name) => name.endsWith('.log')).length;
    expect(await logs()).toBeGreaterThan(3);
    {
      await using opened = await open(folder.path);
      expect(opened.spool.events).toBe(0);
    }
    expect(await logs()).toBe(1);
  });

  it('never says of a sink that it has what is not durable: those numbers go to other events after a crash', async () => {
    await using folder = await createTemporaryFolder();
    const clock = new ManualClock();
    const position = { lastEventId: '', receivedAt: 0 };
    const newest = { through: 0, bytes: 0, position };
    // A disk that takes nothing.
    const log = {
      first: 1,
      bytes: 0,
      append: () => Promise.reject(new Error('ENOSPC')),
      read: () => Promise.resolve({ records: [], place: undefined }),
      trim: () => Promise.resolve(),
      [Symbol.asyncDispose]: () => Promise.resolve(),
    };
    const lock = { [Symbol.asyncDispose]: () => Promise.resolve() };
    const found = { log, lock, start: position, isFresh: true, newest, sinks: new Map(), segmentEnds: [] };
    const options: DiskSpoolOptions = {
      folder: folder.path,
      pipeline: 'p',
      saveIntervalMs: 1000,
      clock,
      logger: createCapturingLogger(),
      diskBytesMax: 1e6,
      segmentBytes: 1000,
      sinks: [{ name: 'a', onFull: 'block' }],
      start: position,
    };
    const spool = new DiskSpool(options, found);
    expect(append(spool, 1)).toBe(true);
    expect(await takeAll(spool, 'a')).toEqual([1]);
    await spool[Symbol.asyncDispose]();
    const { sinks } = JSON.parse(await readFile(join(folder.path, 'cursors.json'), 'utf8')) as { sinks: object };
    expect(sinks).toEqual({ a: 0 });
  });

  it('takes a cursor beyond the newest event for its end: what comes after it is new', async () => {
    await using folder = await createTemporaryFolder();
    {
      await using opened = await open(folder.path);
      await fill(opened.spool, 1, 3);
    }
    const saved = { version: 1, pipeline: 'p', sinks: { a: 1000 } };
    await writeFile(join(folder.path, 'cursors.json'), JSON.stringify(saved));
    await using opened = await open(folder.path);
    await fill(opened.spool, 4, 5);
    expect(await takeAll(opened.spool, 'a')).toEqual([4, 5]);
  });

  it('is for one process, one pipeline and one format', async () => {
    await using folder = await createTemporaryFolder();
    {
      await using opened = await open(folder.path);
      await expect(open(folder.path)).rejects.toMatchObject({ code: 'spool-locked' });
      await fill(opened.spool, 1, 100, 'x'.repeat(100));
    }
    await expect(open(folder.path, { pipeline: 'other' })).rejects.toMatchObject({ code: 'spool-unreadable' });
    const [oldest = ''] = (await readdir(folder.path)).filter((name) => name.endsWith('.log')).toSorted();
    const bytes = await readFile(join(folder.path, oldest));
    bytes[100] = (bytes[100] ?? 0) ^ 1;
    await writeFile(join(folder.path, oldest), bytes);
    await expect(open(folder.path)).rejects.toMatchObject({ code: 'spool-unreadable' });
    await rm(join(folder.path, oldest));
    await writeFile(join(folder.path, 'cursors.json'), 'x');
    await expect(open(folder.path)).rejects.toMatchObject({ code: 'spool-unreadable' });
    await expect(open(join(folder.path, 'cursors.json', 'x'))).rejects.toMatchObject({ code: 'spool-unwritable' });
  });

  it.each([
    ['is damaged', async (path: string) => writeFile(path, damage(await readFile(path)))],
    ['is taken away', (path: string) => rm(path)],
  ])('says so where a file %s while it is in use, and gives no sink anything of it', async (_, spoil) => {
    await using folder = await createTemporaryFolder();
    await using opened = await open(folder.path, { eventsMax: 3 });
    const reader = opened.spool.reader('a');
    await fill(opened.spool, 1, 60, 'x'.repeat(100));
    const [oldest = ''] = (await readdir(folder.path)).filter((name) => name.endsWith('.log')).toSorted();
    await spoil(join(folder.path, oldest));
    await expect(reader.take(ALL)).rejects.toMatchObject({
      code: 'spool-unreadable',
      message: expect.stringMatching(/^Cannot read the spool: /),
    });
    expect(reader.pendingEvents).toBe(60);
  });

  it('loses nothing over any number of crashes, and gives each sink its events in order', async () => {
    const step = fc.oneof(
      {
        weight: 4,
        arbitrary: fc.record({ kind: fc.constant('append' as const), count: fc.integer({ min: 1, max: 15 }) }),
      },
      {
        weight: 4,
        arbitrary: fc.record({
          kind: fc.constant('take' as const),
          sink: fc.constantFrom('a', 'b'),
          count: fc.integer({ min: 1, max: 20 }),
          isAcknowledged: fc.boolean(),
        }),
      },
      { weight: 1, arbitrary: fc.record({ kind: fc.constant('crash' as const), isSaved: fc.boolean() }) },
    );
    const sinks = [
      { name: 'a', onFull: 'block' },
      { name: 'b', onFull: 'block' },
    ] as const;
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 40 }), async (steps) => {
        await using folder = await createTemporaryFolder();
        const got = { a: new Set<number>(), b: new Set<number>() };
        let life = 0;
        let next = 1;
        const clock = new ManualClock();
        const reopen = (): Promise<Opened> =>
          open(join(folder.path, String(life)), { sinks, eventsMax: 8, segmentBytes: 400, clock });
        let opened = await reopen();
        const take = async (sink: 'a' | 'b', count: number): Promise<void> => {
          const ids = (await opened.spool.reader(sink).take({ eventsMax: count, bytesMax: 500 })).map(({ id }) =>
            Number(id),
          );
          expect(ids).toEqual(ids.length === 0 ? [] : range(ids[0] ?? 0, ids.at(-1) ?? 0));
          for (const id of ids) got[sink].add(id);
        };
        for (const action of steps) {
          if (action.kind === 'append') {
            await fill(opened.spool, next, next + action.count - 1);
            next += action.count;
          } else if (action.kind === 'take') {
            await take(action.sink, action.count);
            if (action.isAcknowledged) opened.spool.reader(action.sink).acknowledge();
          } else {
            if (action.isSaved) clock.advance(1000);
            life += 1;
            await crash(join(folder.path, String(life - 1)), join(folder.path, String(life)));
            await opened[Symbol.asyncDispose]();
            opened = await reopen();
            // The source gives everything behind the newest event that is there.
            next = Number(opened.spool.start.lastEventId) + 1;
          }
        }
        for (const sink of ['a', 'b'] as const) {
          while (opened.spool.reader(sink).pendingEvents > 0) await take(sink, 1000);
          expect(range(1, next - 1).filter((id) => !got[sink].has(id))).toEqual([]);
        }
        await opened[Symbol.asyncDispose]();
      }),
      { numRuns: 60 },
    );
  }, 60_000);
});

describe('encodeEventRecord()', () => {
  it('keeps any event', () => {
    const text = fc.string({ unit: 'grapheme', maxLength: 30 });
    const keyMark = fc.constantFrom('', 'KeyMark_-01');
    const event = fc.record({ id: text, type: text, data: text, resumeId: text, receivedAt: fc.nat(), keyMark });
    fc.assert(
      fc.property(event, fc.boolean(), (some, isSame) => {
        const kept = isSame ? { ...some, resumeId: some.id } : some;
        expect(decodeEventRecord(encodeEventRecord(kept))).toEqual(kept);
      }),
    );
  });

  it('is known by its version', () => {
    const record = encodeEventRecord({ id: '', type: 'message', data: '', resumeId: '', receivedAt: 0, keyMark: '' });
    record[0] = 3;
    expect(decodeEventRecord(record)).toBeUndefined();
  });
});
