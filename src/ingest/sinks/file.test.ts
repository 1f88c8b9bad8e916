import { spawn } from 'node:child_process';
import { mkdir, open, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import type { FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { gunzipSync, gzipSync } from 'node:zlib';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { describeSink, spooled } from '../../../test/conformance/sink.js';
import { createCapturingLogger } from '../../../test/support/capturing-logger.js';
import { ManualClock } from '../../../test/support/clocks.js';
import { createTemporaryFolder } from '../../../test/support/temporary-folder.js';
import { createFileSink } from './file.js';
import type { FileSinkOptions } from './file.js';
import type { Sink } from './sink.js';

const context = { pipeline: 'p', runId: 'run', logger: createCapturingLogger() };
const { signal } = new AbortController();

afterEach(() => vi.restoreAllMocks());

/** Every visible file of the archive, with its text. */
async function readArchive(folder: string): Promise<Record<string, string>> {
  const names = (await readdir(folder)).filter((name) => !name.startsWith('.')).toSorted();
  const entries = names.map(async (name) => {
    const bytes = await readFile(join(folder, name));
    return [name, (name.endsWith('.gz') ? gunzipSync(bytes) : bytes).toString()] as const;
  });
  return Object.fromEntries(await Promise.all(entries));
}

async function readLines(folder: string): Promise<string[]> {
  const texts = Object.values(await readArchive(folder));
  return texts.flatMap((text) => text.split('\n').slice(0, -1));
}

function envelope(data: string, sequence = 1): string {
  const fields = { id: `id-${sequence}`, type: 'message', data, receivedAt: '1970-01-01T00:00:00.000Z' };
  return `${JSON.stringify(fields)}\n`;
}

async function openSink(options: FileSinkOptions): Promise<Sink> {
  const sink = createFileSink(options);
  await sink.open(context);
  return sink;
}

async function writeEach(sink: Sink, ...lines: readonly string[]): Promise<void> {
  for (const [index, line] of lines.entries()) await sink.write([spooled(index + 1, line)], signal);
}

/** The next flush to disk fails, with the bytes already written. */
async function failNextFlush(folder: string): Promise<void> {
  const probe = await open(join(folder, '.probe'), 'w');
  const prototype = Object.getPrototypeOf(probe) as FileHandle;
  await probe.close();
  vi.spyOn(prototype, 'datasync').mockImplementationOnce(() => Promise.reject(new Error('ENOSPC: no space left')));
}

for (const gzip of [false, true]) {
  describeSink(`createFileSink({gzip: ${gzip}})`, async () => {
    const folder = await createTemporaryFolder();
    return {
      create: () => createFileSink({ folder: folder.path, gzip }),
      read: () => readLines(folder.path),
      failOnce: () => failNextFlush(folder.path),
      [Symbol.asyncDispose]: () => folder[Symbol.asyncDispose](),
    };
  });
}

describe('createFileSink()', () => {
  it('names files by their archive and start, and seals by size', async () => {
    await using folder = await createTemporaryFolder();
    const clock = new ManualClock(Date.UTC(2026, 10, 20, 23, 32, 53, 123));
    const sink = await openSink({ folder: folder.path, prefix: 'a.b', rotateBytes: 8, clock });
    await writeEach(sink, '[1]', '[2]', '[3]');
    expect(await readArchive(folder.path)).toEqual({
      'a.b-20261120T233253123Z.ndjson': '[1]\n[2]\n',
      'a.b-20261120T233253124Z.ndjson.part': '[3]\n',
    });
    await sink.close('stopped');
  });

  it('seals by age, even where no event comes', async () => {
    await using folder = await createTemporaryFolder();
    const clock = new ManualClock(0);
    const sink = await openSink({ folder: folder.path, rotateMs: 60_000, gzip: true, clock });
    await writeEach(sink, '[1]');
    clock.advance(59_999);
    await sink.write([spooled(2, '[2]')], signal);
    clock.advance(1);
    await sink.write([spooled(3, '[3]')], signal);
    expect(await readArchive(folder.path)).toEqual({
      'events-19700101T000000000Z.ndjson.gz': '[1]\n[2]\n',
      'events-19700101T000100000Z.ndjson.part': '[3]\n',
    });
    await sink.close('stopped');
    expect(clock.timers).toBe(0);
  });

  it('seals at the end of a source, and leaves the part when it is only stopped', async () => {
    await using folder = await createTemporaryFolder();
    const clock = new ManualClock(0);
    const stopped = await openSink({ folder: folder.path, clock });
    await writeEach(stopped, '[1]');
    await stopped.close('stopped');
    const ended = await openSink({ folder: folder.path, clock });
    await writeEach(ended, '[2]');
    await ended.close('ended');
    expect(await readArchive(folder.path)).toEqual({ 'events-19700101T000000000Z.ndjson': '[1]\n[2]\n' });
  });

  it.each([
    ['ndjson', '{"a":1}\n"no json"\n'],
    ['envelope', `${envelope('{"a":1}')}${envelope('no json', 2)}`],
    ['data', '{"a":1}no json'],
  ] as const)('writes format %s', async (format, expected) => {
    await using folder = await createTemporaryFolder();
    const sink = await openSink({ folder: folder.path, format });
    await writeEach(sink, '{"a":1}', 'no json');
    const [text] = Object.values(await readArchive(folder.path));
    expect(text).toBe(expected);
    await sink.close('stopped');
  });

  it.each([
    ['in its first line', '{"n":1', ''],
    ['in its last line', '[1]\n[2]\n{"n":', '[1]\n[2]\n'],
    ['in a line longer than a block', `[1]\n${'x'.repeat(200_000)}`, '[1]\n'],
    ['not at all', '[1]\n', '[1]\n'],
  ])('cuts off what a crash tore %s, and goes on in the same part', async (_, torn, kept) => {
    await using folder = await createTemporaryFolder();
    const part = 'events-20261120T000000000Z.ndjson.part';
    await writeFile(join(folder.path, part), torn);
    const clock = new ManualClock(Date.UTC(2026, 10, 20));
    const sink = await openSink({ folder: folder.path, clock });
    await writeEach(sink, '[9]');
    expect(await readArchive(folder.path)).toEqual({ [part]: `${kept}[9]\n` });
    await sink.close('stopped');
  });

  it('neither loses nor repeats anything when a crash came while it sealed', async () => {
    await using folder = await createTemporaryFolder();
    const at = (name: string): string => join(folder.path, name);
    // Killed while compressing; killed between the rename and the removal of the part; an older part left over.
    await writeFile(at('events-20261120T000001000Z.ndjson.part'), '[1]\n');
    await writeFile(at('events-20261120T000001000Z.ndjson.gz.tmp'), 'half a gz');
    await writeFile(at('events-20261120T000000000Z.ndjson.part'), '[0]\n');
    await writeFile(at('events-20261120T000000000Z.ndjson.gz'), gzipSync('[0]\n'));
    await writeFile(at('events-20261120T000002000Z.ndjson.part'), '[2]\n[to');
    await writeFile(at('other-20261120T000000000Z.ndjson.part'), 'not [ours');
    const sink = await openSink({ folder: folder.path, gzip: true, clock: new ManualClock(Date.UTC(2026, 10, 20)) });
    expect(await readArchive(folder.path)).toEqual({
      'events-20261120T000000000Z.ndjson.gz': '[0]\n',
      'events-20261120T000001000Z.ndjson.gz': '[1]\n',
      'events-20261120T000002000Z.ndjson.part': '[2]\n',
      'other-20261120T000000000Z.ndjson.part': 'not [ours',
    });
    await sink.close('stopped');
  });

  it('writes a batch again where half of it was, after a failed flush', async () => {
    await using folder = await createTemporaryFolder();
    const sink = await openSink({ folder: folder.path });
    await writeEach(sink, '[1]');
    await failNextFlush(folder.path);
    await expect(sink.write([spooled(2, '[2,"long"]')], signal)).rejects.toThrow('ENOSPC');
    expect(await readLines(folder.path)).toEqual(['[1]']);
    await sink.write([spooled(2, '[2]')], signal);
    expect(await readLines(folder.path)).toEqual(['[1]', '[2]']);
    await sink.close('stopped');
  });

  it.each([
    ['deleted', (path: string) => rm(path)],
    ['moved away', (path: string) => rename(path, `${path}.old`)],
  ])('goes on in a new file where its part is %s, and says so', async (_, takeAway) => {
    await using folder = await createTemporaryFolder();
    const sink = await openSink({ folder: folder.path });
    await writeEach(sink, '[1]');
    const part = (await readdir(folder.path)).find((name) => name.endsWith('.part'));
    await takeAway(join(folder.path, part ?? ''));
    await sink.write([spooled(2, '[2]')], signal);
    const texts = Object.entries(await readArchive(folder.path)).filter(([name]) => !name.endsWith('.old'));
    expect(texts.map(([, text]) => text)).toEqual(['[2]\n']);
    expect(context.logger.lines.at(-1)).toMatchObject({
      level: 'error',
      message: expect.stringContaining('taken away'),
    });
    await sink.close('stopped');
  });

  it('waits for its folder where that is gone', async () => {
    await using parent = await createTemporaryFolder();
    const folder = join(parent.path, 'archive');
    const sink = await openSink({ folder });
    await writeEach(sink, '[1]');
    await rm(folder, { recursive: true });
    for (const _ of [1, 2]) await expect(sink.write([spooled(2, '[2]')], signal)).rejects.toThrow('ENOENT');
    await mkdir(folder);
    await sink.write([spooled(2, '[2]')], signal);
    expect(await readLines(folder)).toEqual(['[2]']);
    await sink.close('stopped');
  });

  it('refuses a folder where another live process writes', async () => {
    await using folder = await createTemporaryFolder();
    const sink = await openSink({ folder: folder.path });
    await expect(openSink({ folder: folder.path })).rejects.toMatchObject({ code: 'archive-locked' });
    await using child = startWriter(folder.path, 1);
    expect(await child.exit).toMatch(/archive-locked.*|Cannot write to the archive: process \d+ holds/s);
    await sink.close('stopped');
    await (await openSink({ folder: folder.path })).close('stopped');
  });

  it.each([
    ['of a process that is gone', JSON.stringify({ pid: 2 ** 22 + 1, processStart: '1' })],
    ['of an earlier process with our own pid', JSON.stringify({ pid: process.pid, processStart: '1' })],
    ['of an earlier process with a pid that is in use again', JSON.stringify({ pid: process.ppid, processStart: '1' })],
    ['that is torn', '{"pid":'],
  ])('takes over a lock %s', async (_, text) => {
    await using folder = await createTemporaryFolder();
    await writeFile(join(folder.path, '.events.lock'), text);
    const sink = await openSink({ folder: folder.path });
    expect(JSON.parse(await readFile(join(folder.path, '.events.lock'), 'utf8'))).toMatchObject({ pid: process.pid });
    await sink.close('stopped');
    expect(await readdir(folder.path)).toEqual([]);
  });

  it('says in one sentence that it cannot write to a folder', async () => {
    await using folder = await createTemporaryFolder();
    const path = join(folder.path, 'file');
    await writeFile(path, '');
    await expect(openSink({ folder: join(path, 'archive') })).rejects.toMatchObject({
      code: 'archive-unwritable',
      message: expect.stringMatching(/^Cannot write to archive .*archive: ENOTDIR/),
    });
  });

  it.each(['', '../x', '.hidden', 'a/b', 'a b'])('refuses the name %j', (prefix) => {
    expect(() => createFileSink({ folder: '/nowhere', prefix })).toThrow(/^Cannot name an archive/);
  });

  it('goes on into a new file when one cannot be sealed, and seals it at the next start', async () => {
    await using folder = await createTemporaryFolder();
    const clock = new ManualClock(0);
    const sink = await openSink({ folder: folder.path, rotateBytes: 5, clock });
    await writeEach(sink, '[1]');
    const part = join(folder.path, 'events-19700101T000000000Z.ndjson.part');
    const sealed = join(folder.path, 'events-19700101T000000000Z.ndjson');
    await mkdir(join(sealed, 'in-the-way'), { recursive: true });
    await sink.write([spooled(2, '[2]')], signal);
    expect(context.logger.lines.at(-1)).toMatchObject({ level: 'error', message: 'Cannot seal the archive file' });
    await sink.close('stopped');
    await rename(sealed, join(folder.path, '.moved'));
    await (await openSink({ folder: folder.path, clock })).close('stopped');
    expect(await readFile(sealed, 'utf8')).toBe('[1]\n');
    await expect(readFile(part)).rejects.toMatchObject({ code: 'ENOENT' });
  });
});

describe('createFileSink() killed with -9', () => {
  it('keeps every acknowledged event, tears no line, and goes on, four times', async () => {
    await using folder = await createTemporaryFolder();
    let acknowledged = 0;
    for (let round = 0; round < 4; round += 1) {
      await using child = startWriter(folder.path, acknowledged + 1);
      acknowledged = await child.killAfter(60 + round * 17);
    }
    await (await openSink({ folder: folder.path, gzip: true })).close('ended');
    const numbers = (await readLines(folder.path)).map((line) => (JSON.parse(line) as { n: number }).n);
    const distinct = new Set(numbers);
    const missing = Array.from({ length: acknowledged }, (_, index) => index + 1).filter((n) => !distinct.has(n));
    expect(missing).toEqual([]);
    expect(acknowledged).toBeGreaterThan(1000);
    // A kill between the flush and its acknowledgement repeats a batch at most.
    expect(numbers.length - distinct.size).toBeLessThanOrEqual(4 * 20);
    expect((await readdir(folder.path)).every((name) => name.endsWith('.gz'))).toBe(true);
  }, 60_000);
});

interface Writer extends AsyncDisposable {
  /** What it wrote to standard error, when it is over. */
  readonly exit: Promise<string>;
  /** Kills it after that many acknowledged batches; resolves with the last acknowledged event. */
  killAfter(batches: number): Promise<number>;
}

function startWriter(folder: string, first: number): Writer {
  const support = join(import.meta.dirname, '../../../test/support');
  const script = [join(support, 'archive-writer.ts'), folder, String(first)];
  const child = spawn(process.execPath, ['--import', join(support, 'ts-loader.mjs'), ...script]);
  let errors = '';
  child.stderr.on('data', (chunk: Buffer) => (errors += chunk.toString()));
  const exit = new Promise<string>((resolve) => child.on('close', () => resolve(errors)));
  return {
    exit,
    async killAfter(batches) {
      let last = 0;
      let seen = 0;
      for await (const line of createInterface({ input: child.stdout })) {
        last = Number(line);
        seen += 1;
        if (seen === batches) child.kill('SIGKILL');
      }
      expect(await exit).toBe('');
      return last;
    },
    async [Symbol.asyncDispose]() {
      child.kill('SIGKILL');
      await exit;
    },
  };
}
