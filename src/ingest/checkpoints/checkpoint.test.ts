import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { describeCheckpointStore } from '../../../test/conformance/checkpoint.js';
import { createTemporaryFolder } from '../../../test/support/temporary-folder.js';
import { createFileCheckpointStore } from './checkpoint.js';

const GOOD = {
  version: 1,
  pipeline: 'p',
  lastEventId: '7',
  receivedAt: '2026-11-20T00:00:00.000Z',
  gaps: [],
  updatedAt: '2026-11-20T00:00:00.000Z',
};

describeCheckpointStore('createFileCheckpointStore()', async () => {
  const folder = await createTemporaryFolder();
  return {
    create: (pipeline = 'p') => createFileCheckpointStore({ path: join(folder.path, 'new', 'p.json'), pipeline }),
    [Symbol.asyncDispose]: () => folder[Symbol.asyncDispose](),
  };
});

describe('createFileCheckpointStore()', () => {
  it.each([
    ['an empty file', '', 'checkpoint-unreadable'],
    ['half a file', JSON.stringify(GOOD).slice(0, 40), 'checkpoint-unreadable'],
    ['a list', '[]', 'checkpoint-unreadable'],
    ['a numeric id', JSON.stringify({ ...GOOD, lastEventId: 7 }), 'checkpoint-unreadable'],
    ['no time', JSON.stringify({ ...GOOD, receivedAt: 'yesterday' }), 'checkpoint-unreadable'],
    ['gaps that are none', JSON.stringify({ ...GOOD, gaps: [{ from: 1 }] }), 'checkpoint-unreadable'],
    ['another version', JSON.stringify({ ...GOOD, version: 2 }), 'checkpoint-foreign'],
    ['another pipeline', JSON.stringify({ ...GOOD, pipeline: 'q' }), 'checkpoint-foreign'],
  ])('load() refuses %s, and leaves it alone', async (_, text, code) => {
    await using folder = await createTemporaryFolder();
    const path = join(folder.path, 'p.json');
    await writeFile(path, text);
    const store = createFileCheckpointStore({ path, pipeline: 'p' });
    await expect(store.load()).rejects.toMatchObject({ code, message: expect.stringContaining(path) });
    expect(await readFile(path, 'utf8')).toBe(text);
  });

  it('load() refuses what it may not read', async () => {
    await using folder = await createTemporaryFolder();
    await mkdir(join(folder.path, 'p.json'));
    const store = createFileCheckpointStore({ path: join(folder.path, 'p.json'), pipeline: 'p' });
    await expect(store.load()).rejects.toMatchObject({ code: 'checkpoint-unreadable' });
  });

  it('lock() keeps a second pipeline away until it is released', async () => {
    await using folder = await createTemporaryFolder();
    const path = join(folder.path, 'new', 'p.json');
    const [one, two] = [1, 2].map(() => createFileCheckpointStore({ path, pipeline: 'p' }));
    const lock = await one?.lock?.();
    await expect(two?.lock?.()).rejects.toMatchObject({
      code: 'checkpoint-locked',
      message: `Cannot use checkpoint ${path}: process ${process.pid} holds ${join(folder.path, 'new', '.p.json.lock')}`,
    });
    await lock?.[Symbol.asyncDispose]();
    await (await two?.lock?.())?.[Symbol.asyncDispose]();
    expect(await readdir(join(folder.path, 'new'))).toEqual([]);
  });

  it('lock() says in one sentence that the folder cannot be written', async () => {
    await using folder = await createTemporaryFolder();
    await writeFile(join(folder.path, 'file'), '');
    const path = join(folder.path, 'file', 'p.json');
    await expect(createFileCheckpointStore({ path, pipeline: 'p' }).lock?.()).rejects.toMatchObject({
      code: 'checkpoint-unwritable',
      message: expect.stringMatching(/^Cannot write checkpoint .*p\.json: (ENOTDIR|EEXIST)/),
    });
  });

  it('load() removes what a crash in save() left, and nothing else', async () => {
    await using folder = await createTemporaryFolder();
    await writeFile(join(folder.path, '.p.json.123-4.tmp'), 'half');
    await writeFile(join(folder.path, '.q.json.123-4.tmp'), 'not ours');
    await createFileCheckpointStore({ path: join(folder.path, 'p.json'), pipeline: 'p' }).load();
    expect(await readdir(folder.path)).toEqual(['.q.json.123-4.tmp']);
  });
});
