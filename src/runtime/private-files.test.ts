import { readdirSync, readFileSync } from 'node:fs';
import { stat } from 'node:fs/promises';
import { join } from 'node:path';

import { expect, it } from 'vitest';

import { createTemporaryFolder } from '../../test/support/temporary-folder.js';
import { createFile, createFolder, createOwnFile } from './private-files.js';

const modeOf = async (path: string): Promise<number> => (await stat(path)).mode & 0o777;

it('createFile(), createOwnFile() and createFolder() leave nothing to others, whatever the umask', async () => {
  const before = process.umask(0);
  try {
    await using folder = await createTemporaryFolder();
    const deep = join(folder.path, 'a', 'b');
    await createFolder(deep);
    await (await createFile(join(deep, 'file'), 'wx')).close();
    await (await createOwnFile(join(deep, 'own'), 'wx')).close();
    const modes = ['a', 'a/b', 'a/b/file', 'a/b/own'].map((path) => modeOf(join(folder.path, path)));
    expect(await Promise.all(modes)).toEqual([0o750, 0o750, 0o640, 0o600]);
  } finally {
    process.umask(before);
  }
});

it('no other file of the project makes files or folders', () => {
  const sources = readdirSync('src', { recursive: true, encoding: 'utf8' }).filter(
    (path) => path.endsWith('.ts') && !path.endsWith('.test.ts') && !path.endsWith('private-files.ts'),
  );
  const making =
    /\bmkdir(Sync)?\(|\bopen(Handle|Sync)?\([^;]*'(w|a)x?\+?'|\bcreateWriteStream\(|\b(write|append|copy)File(Sync)?\((?!data|text|chunk|JSON|`)/;
  expect(sources.filter((path) => making.test(readFileSync(join('src', path), 'utf8')))).toEqual([]);
  expect(sources.length).toBeGreaterThan(200);
});
