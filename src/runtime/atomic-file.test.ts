import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { createTemporaryFolder } from '../../test/support/temporary-folder.js';
import { removeTemporaryFiles, writeFileAtomic } from './index.js';

describe('writeFileAtomic()', () => {
  it('replaces the content and leaves nothing beside it', async () => {
    await using folder = await createTemporaryFolder();
    const path = join(folder.path, 'file');
    await writeFileAtomic(path, 'old and long');
    await writeFileAtomic(path, new TextEncoder().encode('new'));
    expect(await readFile(path, 'utf8')).toBe('new');
    expect(await readdir(folder.path)).toEqual(['file']);
  });

  it('never shows a reader a part, however many write at once', async () => {
    await using folder = await createTemporaryFolder();
    const path = join(folder.path, 'file');
    const texts = Array.from({ length: 20 }, (_, index) => String(index).repeat(50_000));
    await writeFileAtomic(path, '');
    const writes = Promise.all(texts.map((text) => writeFileAtomic(path, text)));
    for (let reads = 0; reads < 50; reads += 1) expect(['', ...texts]).toContain(await readFile(path, 'utf8'));
    await writes;
  });

  it('leaves the old content and no litter where it fails', async () => {
    await using folder = await createTemporaryFolder();
    const path = join(folder.path, 'file');
    await mkdir(join(path, 'in-the-way'), { recursive: true });
    await expect(writeFileAtomic(path, 'new')).rejects.toMatchObject({ syscall: 'rename' });
    expect(await readdir(folder.path)).toEqual(['file']);
  });
});

describe('removeTemporaryFiles()', () => {
  it('removes the leftovers of one file only', async () => {
    await using folder = await createTemporaryFolder();
    const names = ['.file.1-2.tmp', '.file.x.tmp', '.file2.1-2.tmp', 'file.1-2.tmp'];
    for (const name of names) await writeFile(join(folder.path, name), '');
    await removeTemporaryFiles(join(folder.path, 'file'));
    expect((await readdir(folder.path)).toSorted()).toEqual(names.slice(1).toSorted());
    await removeTemporaryFiles(join(folder.path, 'missing', 'file'));
  });
});
