import { appendFile, rename, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setImmediate as turn } from 'node:timers/promises';
import * as zlib from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { createCapturingLogger } from '../../../test/support/capturing-logger.js';
import { ManualClock } from '../../../test/support/clocks.js';
import { dataOf, readSource, resumeIdsOf } from '../../../test/support/reading.js';
import { createTemporaryFolder } from '../../../test/support/temporary-folder.js';
import { systemClock } from '../../base/index.js';
import type { Clock } from '../../base/index.js';
import { IngestError } from '../errors.js';
import type { SourceItem } from './source.js';
import { createByteStreamSource } from './byte-stream.js';
import { createFileSource } from './file.js';
import { createNdjsonFormat } from './ndjson.js';
import { SSE_FORMAT } from './sse.js';

const format = createNdjsonFormat({});

/** Reads a file until disposed, and as one that grows. */
function follow(
  path: string,
  {
    lastEventId = '',
    isGrowing = true,
    clock = systemClock,
  }: { lastEventId?: string; isGrowing?: boolean; clock?: Clock } = {},
) {
  const source = createFileSource({ path, format, isGrowing, pollMs: 1, clock });
  const stop = new AbortController();
  const items: SourceItem[] = [];
  const reading = (async () => {
    const options = { lastEventId, signal: stop.signal, logger: createCapturingLogger() };
    for await (const batch of source.read(options)) items.push(...batch);
  })();
  return {
    source,
    items,
    kinds: () => items.map(({ kind }) => kind),
    until: async (count: number): Promise<void> => {
      while (dataOf(items).length < count) await turn();
    },
    async [Symbol.asyncDispose]() {
      stop.abort();
      await reading;
    },
  };
}

/** From Node 22.15 on. */
const { zstdCompressSync } = zlib as { readonly zstdCompressSync?: (text: string) => Buffer };

function linesFrom(first: number): string[] {
  return Array.from({ length: 200 }, (_, n) => JSON.stringify({ n: first + n }));
}

function damaged(bytes: Buffer): Buffer {
  const copy = Buffer.from(bytes);
  copy.fill(0xff, Math.floor(bytes.length / 2), Math.floor(bytes.length / 2) + 200);
  return copy;
}

describe('createFileSource()', () => {
  it.each([
    ['lines', 'a.ndjson', format, '{"n":1}\n{"n":2}\n{"n":3}\n', ['{"n":1}', '{"n":2}', '{"n":3}']],
    ['an event stream', 'a.sse', SSE_FORMAT, 'id: x\ndata: 1\n\ndata: 2\n\ndata: 3\n\n', ['1', '2', '3']],
  ] as const)('reads %s to the end, and goes on where it was', async (_, name, as, text, data) => {
    await using folder = await createTemporaryFolder();
    const path = join(folder.path, name);
    await writeFile(path, text);
    const { items, error } = await readSource(createFileSource({ path, format: as }));
    expect(error).toBeUndefined();
    expect(dataOf(items)).toEqual(data);
    const [first = ''] = resumeIdsOf(items);
    const again = await readSource(createFileSource({ path, format: as }), { lastEventId: first, downSince: 1 });
    expect(dataOf(again.items)).toEqual(data.slice(1));
    expect(resumeIdsOf(again.items)).toEqual(resumeIdsOf(items).slice(1));
    expect(again.items.filter(({ kind }) => kind === 'gap')).toEqual([]);
  });

  it('reads a compressed file', async () => {
    await using folder = await createTemporaryFolder();
    const path = join(folder.path, 'a.ndjson.gz');
    const lines = Array.from({ length: 10_000 }, (_, n) => JSON.stringify({ n }));
    await writeFile(path, zlib.gzipSync(lines.join('\n')));
    expect(dataOf((await readSource(createFileSource({ path, format }))).items)).toEqual(lines);
    const create = (): unknown => createFileSource({ path, format, isGrowing: true });
    expect(create).toThrow(expect.objectContaining({ code: 'invalid-option' }));
  });

  it('reads zstd where Node can, and refuses to begin where it cannot', async () => {
    await using folder = await createTemporaryFolder();
    const path = join(folder.path, 'a.ndjson.zst');
    await writeFile(path, zstdCompressSync?.('{"n":1}\n{"n":2}\n') ?? '');
    const read = async (): Promise<unknown> => dataOf((await readSource(createFileSource({ path, format }))).items);
    const outcome = await read().catch((error: unknown) => (error instanceof IngestError ? error.message : error));
    const refusal = `Cannot read ${JSON.stringify(path)}: this Node knows no zstd`;
    expect(outcome).toEqual(zstdCompressSync === undefined ? refusal : ['{"n":1}', '{"n":2}']);
  });

  it('begins another file of the same name, and says that the rest of the first is gone', async () => {
    await using folder = await createTemporaryFolder();
    const path = join(folder.path, 'a');
    await writeFile(path, '{"n":1}\n{"n":2}\n');
    const ids = resumeIdsOf((await readSource(createFileSource({ path, format }))).items);
    await writeFile(join(folder.path, 'b'), '{"n":3}\n');
    await rename(join(folder.path, 'b'), path);
    const { items } = await readSource(createFileSource({ path, format }), { lastEventId: ids[0] ?? '' });
    expect(items.map(({ kind }) => kind)).toEqual(['gap', 'position', 'event']);
    expect(dataOf(items)).toEqual(['{"n":3}']);
  });

  it.each([false, true])(
    'begins again where other events took the place of those in it (grows: %s)',
    async (isGrowing) => {
      await using folder = await createTemporaryFolder();
      const path = join(folder.path, 'a');
      await writeFile(path, `${linesFrom(0).slice(0, 3).join('\n')}\n`);
      let position = '';
      {
        await using reading = follow(path, { isGrowing });
        await reading.until(3);
        position = resumeIdsOf(reading.items).at(-1) ?? '';
      }
      // As `cp` and `curl -o` write: the same file, and more in it than there was.
      await writeFile(path, `${linesFrom(1000).join('\n')}\n`);
      await using again = follow(path, { lastEventId: position, isGrowing });
      await again.until(200);
      expect(dataOf(again.items)).toEqual(linesFrom(1000));
      expect(again.items.slice(0, 2)).toMatchObject([
        { kind: 'gap', gap: { reason: 'truncated' } },
        { kind: 'position' },
      ]);
    },
  );

  it('fails where the file is not there, or holds fewer events than it did', async () => {
    await using folder = await createTemporaryFolder();
    const path = join(folder.path, 'a');
    const missing = await readSource(createFileSource({ path, format }));
    expect(missing.error).toMatchObject({ code: 'source-refused', message: expect.stringContaining('ENOENT') });
    await writeFile(path, '{"n":1}\n{"n":2}\n');
    const ids = resumeIdsOf((await readSource(createFileSource({ path, format }))).items);
    await writeFile(path, '{"n":1}\n');
    const { error } = await readSource(createFileSource({ path, format }), { lastEventId: ids[1] ?? '' });
    expect(error).toMatchObject({ code: 'source-refused', message: expect.stringContaining('after 2 events') });
  });

  it.each([
    [
      'gzip that was torn',
      '.gz',
      (bytes: Buffer) => bytes.subarray(0, -100),
      /^Cannot read the source: unexpected end/,
    ],
    [
      'gzip without its end',
      '.gz',
      (bytes: Buffer) => bytes.subarray(0, -8),
      /^Cannot read the source: unexpected end/,
    ],
    ['gzip that was damaged', '.gz', damaged, /^Cannot read the source: /],
    ['what is no gzip', '.gz', () => Buffer.from('{"n":1}\n'), /incorrect header/],
  ])('gives what it can of %s, and fails', async (_, extension, spoil, reason) => {
    await using folder = await createTemporaryFolder();
    const path = join(folder.path, `a.ndjson${extension}`);
    const lines = Array.from({ length: 40_000 }, (__, n) => JSON.stringify({ n, random: Math.sin(n) }));
    await writeFile(path, spoil(zlib.gzipSync(lines.join('\n'))));
    const { items, error } = await readSource(createFileSource({ path, format }));
    expect(error).toMatchObject({ code: 'source-refused', message: expect.stringMatching(reason) });
    // Only the end of a gzip tells that something in it is damaged.
    const read = dataOf(items).slice(0, 10_000);
    expect(read).toEqual(/incorrect/.test(reason.source) ? [] : lines.slice(0, 10_000));
  });

  it('fails where it is a folder, or an event is too large', async () => {
    await using folder = await createTemporaryFolder();
    const isFolder = await readSource(createFileSource({ path: folder.path, format }));
    expect(isFolder.error).toMatchObject({ code: 'source-refused', message: expect.stringContaining('EISDIR') });
    const path = join(folder.path, 'a');
    await writeFile(path, `{"n":1}\n${'x'.repeat(200)}\n`);
    const large = await readSource(createFileSource({ path, format, maxEventBytes: 100 }));
    expect(large.error).toMatchObject({ code: 'source-refused', message: expect.stringContaining('100') });
    expect(dataOf(large.items)).toEqual(['{"n":1}']);
  });

  it('begins a file that grows again where it was truncated, which is a gap, also while nobody read it', async () => {
    await using folder = await createTemporaryFolder();
    const path = join(folder.path, 'log');
    let position = '';
    await writeFile(path, '{"n":1}\n{"n":2}\n{"torn');
    {
      await using reading = follow(path);
      await reading.until(2);
      await truncate(path, 0);
      await appendFile(path, '{"n":3}\n');
      await reading.until(3);
      await appendFile(path, '{"n":4}\n');
      await reading.until(4);
      expect(reading.kinds()).toEqual(['event', 'event', 'gap', 'position', 'event', 'event']);
      expect(dataOf(reading.items).slice(2)).toEqual(['{"n":3}', '{"n":4}']);
      expect(reading.items[2]).toMatchObject({
        gap: { kind: 'upstream', from: expect.stringMatching(/^\d+-2$/), reason: 'truncated' },
      });
      position = resumeIdsOf(reading.items).at(-1) ?? '';
    }
    await appendFile(path, '{"n":5}\n');
    {
      await using again = follow(path, { lastEventId: position });
      await again.until(1);
      expect(again.items).toMatchObject([{ kind: 'event', event: { data: '{"n":5}' } }]);
      position = resumeIdsOf(again.items).at(-1) ?? '';
    }
    await truncate(path, 0);
    await appendFile(path, '{"n":6}\n');
    await using last = follow(path, { lastEventId: position });
    await last.until(1);
    expect(last.items).toMatchObject([
      { kind: 'gap', gap: { reason: 'truncated' } },
      { kind: 'position' },
      { kind: 'event', event: { data: '{"n":6}' } },
    ]);
  });

  it('goes on in what a truncated file holds now, where it died before it read any of that', async () => {
    await using folder = await createTemporaryFolder();
    const path = join(folder.path, 'log');
    await writeFile(path, '{"n":1}\n{"n":2}\n');
    let position = '';
    {
      await using reading = follow(path);
      await reading.until(2);
      await truncate(path, 0);
      while (!reading.kinds().includes('position')) await turn();
      position = resumeIdsOf(reading.items).at(-1) ?? '';
    }
    // The first of them are as they were, so only the position tells.
    await appendFile(path, '{"n":1}\n{"n":2}\n{"n":3}\n');
    await using again = follow(path, { lastEventId: position });
    await again.until(3);
    expect(again.kinds()).toEqual(['event', 'event', 'event']);
  });

  it('sees between two looks that a file was truncated and is longer again than it was', async () => {
    await using folder = await createTemporaryFolder();
    const path = join(folder.path, 'log');
    await writeFile(path, '{"n":1}\n{"n":2}\n');
    const clock = new ManualClock();
    await using reading = follow(path, { clock });
    await reading.until(2);
    await clock.waitForTimers();
    await writeFile(path, '{"n":3}\n{"n":4}\n{"n":5}\n');
    clock.advance(1);
    await reading.until(5);
    expect(dataOf(reading.items).slice(2)).toEqual(['{"n":3}', '{"n":4}', '{"n":5}']);
    expect(reading.kinds()).toEqual(['event', 'event', 'gap', 'position', 'event', 'event', 'event']);
  });

  it('waits at the end of a file that grows, and goes over to the one that takes its name', async () => {
    await using folder = await createTemporaryFolder();
    const path = join(folder.path, 'log');
    await writeFile(path, '{"n":1}\n');
    const reading = follow(path);
    await reading.until(1);
    await appendFile(path, '{"n":2}\n{"n"');
    await reading.until(2);
    await appendFile(path, ':3}\n');
    await reading.until(3);
    await rename(path, join(folder.path, 'log.1'));
    await appendFile(join(folder.path, 'log.1'), '{"n":4}\n');
    await writeFile(path, '{"n":5}\n');
    await reading.until(5);
    await reading[Symbol.asyncDispose]();
    expect(dataOf(reading.items)).toEqual([1, 2, 3, 4, 5].map((n) => `{"n":${n}}`));
    expect(reading.source.stats()).toMatchObject({ isConnected: false, events: 5 });
  });

  it('stays with a file that was moved away until something is in the next one: whoever writes may not know yet', async () => {
    await using folder = await createTemporaryFolder();
    const path = join(folder.path, 'log');
    await writeFile(path, '{"n":1}\n');
    const clock = new ManualClock();
    await using reading = follow(path, { clock });
    await reading.until(1);
    // As logrotate does with `create`: the program is told to open its log again only then.
    await rename(path, join(folder.path, 'log.1'));
    await writeFile(path, '');
    const look = async (): Promise<void> => {
      await clock.waitForTimers();
      clock.advance(1);
      await clock.waitForTimers();
    };
    await look();
    await appendFile(join(folder.path, 'log.1'), '{"n":2}\n');
    await look();
    await appendFile(path, '{"n":3}\n');
    clock.advance(1);
    await reading.until(3);
    expect(dataOf(reading.items)).toEqual(['{"n":1}', '{"n":2}', '{"n":3}']);
    // And a restart knows that the first one was read to its end.
    expect(reading.kinds()).toEqual(['event', 'event', 'position', 'event']);
  });
});

describe('createByteStreamSource()', () => {
  it('reads to the end, and says what a restart may have lost', async () => {
    const bytes = (async function* () {
      yield Buffer.from('{"n":1}\n{"n"');
      yield Buffer.from(':2}');
    })();
    const { items } = await readSource(createByteStreamSource({ bytes, format }), { downSince: 0 });
    expect(items.map(({ kind }) => kind)).toEqual(['gap', 'event', 'event']);
    expect(resumeIdsOf(items)).toEqual(['', '']);
  });

  it('gives what came before it breaks, or before an event that is too large', async () => {
    const broken = (async function* () {
      yield Buffer.from('{"n":1}\n{"n"');
      await Promise.reject(new Error('EIO'));
    })();
    const large = (async function* () {
      yield Buffer.from(`{"n":1}\n${'x'.repeat(200)}\n`);
    })();
    for (const [bytes, reason] of [
      [broken, 'EIO'],
      [large, '100'],
    ] as const) {
      const { items, error } = await readSource(createByteStreamSource({ bytes, format, maxEventBytes: 100 }));
      expect(dataOf(items)).toEqual(['{"n":1}']);
      expect(error).toMatchObject({ code: 'source-refused', message: expect.stringContaining(reason) });
    }
  });

  it('stops while nothing comes', async () => {
    const bytes = (async function* () {
      await new Promise(() => {});
      yield Buffer.from('');
    })();
    const stop = new AbortController();
    const reading = readSource(createByteStreamSource({ bytes, format }), { signal: stop.signal });
    stop.abort();
    expect((await reading).items).toEqual([]);
  });
});
