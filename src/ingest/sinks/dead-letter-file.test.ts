import { mkdir, readFile, rename, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { createTemporaryFolder } from '../../../test/support/temporary-folder.js';
import { createDeadLetterFile } from './dead-letter-file.js';
import type { DeadLetter } from './dead-letters.js';

function letter(id: string, data = 'ä'): DeadLetter {
  return {
    event: { id, type: 'edit', data, receivedAt: 1000 },
    sink: 'kinesis',
    rawData: Buffer.from(data),
    attemptsMade: 2,
    errorCode: 'record-too-large',
    errorMessage: 'too large',
    endedAt: 2000,
  };
}

async function idsIn(path: string): Promise<readonly string[]> {
  const lines = (await readFile(path, 'utf8')).split('\n').slice(0, -1);
  return lines.map((line) => (JSON.parse(line) as { eventId: string }).eventId);
}

describe('createDeadLetterFile()', () => {
  it("writes Firehose's error record with the event's id, type and source", async () => {
    await using folder = await createTemporaryFolder();
    const path = join(folder.path, 'new', 'dead.ndjson');
    await createDeadLetterFile({ path, source: 'https://a/b' }).write([letter('7')]);
    const text = await readFile(path, 'utf8');
    expect(text.endsWith('\n')).toBe(true);
    expect(JSON.parse(text)).toEqual({
      attemptsMade: 2,
      arrivalTimestamp: 1000,
      lastErrorCode: 'record-too-large',
      lastErrorMessage: 'too large',
      attemptEndingTimestamp: 2000,
      rawData: Buffer.from('ä').toString('base64'),
      eventId: '7',
      eventType: 'edit',
      source: 'https://a/b',
      sink: 'kinesis',
    });
    expect((await stat(path)).mode & 0o077).toBe(0);
  });

  it('keeps the lines of writers at the same time apart, and goes on in a new file when it is moved away', async () => {
    await using folder = await createTemporaryFolder();
    const path = join(folder.path, 'dead.ndjson');
    const letters = createDeadLetterFile({ path, source: '' });
    const ids = Array.from({ length: 20 }, (_, at) => String(at));
    await Promise.all(ids.map((id) => letters.write([letter(id, 'x'.repeat(50_000)), letter(`${id}b`)])));
    expect(await idsIn(path)).toEqual(ids.flatMap((id) => [id, `${id}b`]));
    await rename(path, join(folder.path, 'moved'));
    await letters.write([letter('after')]);
    expect(await idsIn(path)).toEqual(['after']);
    expect(await letters.write([])).toBeUndefined();
  });

  it.each([0, 10, 70_000, 200_000])('cuts off a line of %i characters that a crash tore', async (torn) => {
    await using folder = await createTemporaryFolder();
    const path = join(folder.path, 'dead.ndjson');
    await createDeadLetterFile({ path, source: '' }).write([letter('1')]);
    await writeFile(path, `${await readFile(path, 'utf8')}${'x'.repeat(torn)}`);
    await createDeadLetterFile({ path, source: '' }).write([letter('2')]);
    expect(await idsIn(path)).toEqual(['1', '2']);
    await writeFile(path, 'x'.repeat(torn));
    await createDeadLetterFile({ path, source: '' }).write([letter('3')]);
    expect(await idsIn(path)).toEqual(['3']);
  });

  it('refuses at its bound and leaves the file as it was; one letter is always kept', async () => {
    await using folder = await createTemporaryFolder();
    const path = join(folder.path, 'dead.ndjson');
    const letters = createDeadLetterFile({ path, source: '', bytesMax: 100 });
    await letters.write([letter('1', 'x'.repeat(200))]);
    await expect(letters.write([letter('2')])).rejects.toMatchObject({ code: 'dead-letters-full' });
    expect(await idsIn(path)).toEqual(['1']);
  });

  it('throws what the file system says, and works again after', async () => {
    await using folder = await createTemporaryFolder();
    const path = join(folder.path, 'dead.ndjson');
    await mkdir(path);
    const letters = createDeadLetterFile({ path, source: '' });
    await expect(letters.write([letter('1')])).rejects.toMatchObject({ code: 'EISDIR' });
    await rename(path, join(folder.path, 'moved'));
    await letters.write([letter('2')]);
    expect(await idsIn(path)).toEqual(['2']);
  });
});
