import { appendFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setImmediate as turn } from 'node:timers/promises';
import { gzipSync } from 'node:zlib';
import { describe, expect, it } from 'vitest';
import { createCapturingLogger } from '../../../test/support/capturing-logger.js';
import { dataOf, readSource, resumeIdsOf } from '../../../test/support/reading.js';
import { createTemporaryFolder } from '../../../test/support/temporary-folder.js';
import type { SourceItem } from './source.js';
import { createByteStreamSource } from './byte-stream.js';
import { createFileSource } from './file.js';
import { createNdjsonFormat } from './ndjson.js';
import { SSE_FORMAT } from './sse.js';

const format = createNdjsonFormat({});

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
    await writeFile(path, gzipSync(lines.join('\n')));
    expect(dataOf((await readSource(createFileSource({ path, format }))).items)).toEqual(lines);
    const follow = (): unknown => createFileSource({ path, format, isGrowing: true });
    expect(follow).toThrow(expect.objectContaining({ code: 'invalid-option' }));
  });

  it('begins another file of the same name, and says that the rest of the first is gone', async () => {
    await using folder = await createTemporaryFolder();
    const path = join(folder.path, 'a');
    await writeFile(path, '{"n":1}\n{"n":2}\n');
    const ids = resumeIdsOf((await readSource(createFileSource({ path, format }))).items);
    await writeFile(join(folder.path, 'b'), '{"n":3}\n');
    await rename(join(folder.path, 'b'), path);
    const { items } = await readSource(createFileSource({ path, format }), { lastEventId: ids[0] ?? '' });
    expect(items.map(({ kind }) => kind)).toEqual(['gap', 'event']);
    expect(dataOf(items)).toEqual(['{"n":3}']);
  });

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

  it('waits at the end of a file that grows, and goes over to the one that takes its name', async () => {
    await using folder = await createTemporaryFolder();
    const path = join(folder.path, 'log');
    await writeFile(path, '{"n":1}\n');
    const source = createFileSource({ path, format, isGrowing: true, pollMs: 1 });
    const stop = new AbortController();
    const items: SourceItem[] = [];
    const reading = (async () => {
      const options = { lastEventId: '', signal: stop.signal, logger: createCapturingLogger() };
      for await (const batch of source.read(options)) items.push(...batch);
    })();
    const until = async (count: number): Promise<void> => {
      while (dataOf(items).length < count) await turn();
    };
    await until(1);
    await appendFile(path, '{"n":2}\n{"n"');
    await until(2);
    await appendFile(path, ':3}\n');
    await until(3);
    await rename(path, join(folder.path, 'log.1'));
    await appendFile(join(folder.path, 'log.1'), '{"n":4}\n');
    await writeFile(path, '{"n":5}\n');
    await until(5);
    stop.abort();
    await reading;
    expect(dataOf(items)).toEqual([1, 2, 3, 4, 5].map((n) => `{"n":${n}}`));
    expect(source.stats()).toMatchObject({ isConnected: false, events: 5 });
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
