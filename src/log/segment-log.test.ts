import { readdir, readFile, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createTemporaryFolder } from '../../test/support/temporary-folder.js';
import { openSegmentLog } from './segment-log.js';
import type { LogPlace, SegmentLog } from './segment-log.js';

/** Everything that the log holds, through its readers. */
async function readAll(log: SegmentLog): Promise<string[]> {
  const texts: string[] = [];
  let from: number | LogPlace = log.first;
  for (;;) {
    const { records, place } = await log.read(from);
    for (const { sequence, payload } of records) texts.push(`${sequence}:${payload.toString()}`);
    if (place === undefined) return texts;
    from = place;
  }
}

/** What a visitor sees when the log in `folder` is opened. */
async function visit(
  folder: string,
  segmentBytes = 100,
): Promise<{ seen: string[]; ends: number[]; bytesCut: number }> {
  const seen: string[] = [];
  const ends: number[] = [];
  await using log = await openSegmentLog(
    { folder, segmentBytes },
    {
      record: ({ sequence, payload }) => seen.push(`${sequence}:${payload.toString()}`),
      segmentEnd: (last) => ends.push(last),
    },
  );
  return { seen, ends, bytesCut: log.bytesCut };
}

const numbered = (texts: readonly string[], first = 1): string[] => texts.map((text, at) => `${first + at}:${text}`);
const payloads = (texts: readonly string[]): Buffer[] => texts.map((text) => Buffer.from(text));

describe('openSegmentLog()', () => {
  it('gives back what was appended, over files and restarts', async () => {
    await using folder = await createTemporaryFolder();
    const texts = Array.from({ length: 50 }, (_, at) => `event ${at} ${'x'.repeat(at)}`);
    for (let at = 0; at < 50; at += 10) {
      await using log = await openSegmentLog({ folder: folder.path, segmentBytes: 300 });
      expect(log.next).toBe(at + 1);
      for (let more = at; more < at + 10; more += 2) await log.append(payloads(texts.slice(more, more + 2)));
      expect(await readAll(log)).toEqual(numbered(texts.slice(0, at + 10)));
    }
    const { seen, ends, bytesCut } = await visit(folder.path);
    expect([seen, bytesCut]).toEqual([numbered(texts), 0]);
    expect(ends.length).toBe((await readdir(folder.path)).length - 1);
    expect(ends.length).toBeGreaterThan(3);
  });

  it('reads from anywhere, records larger than one read too', async () => {
    await using folder = await createTemporaryFolder();
    await using log = await openSegmentLog({ folder: folder.path });
    const texts = ['a', 'b'.repeat(600_000), 'c', 'd'.repeat(300_000), 'e'];
    await log.append(payloads(texts));
    for (const from of [1, 2, 3, 4, 5]) {
      const { records } = await log.read(from);
      expect(records[0]?.sequence).toBe(from);
      expect(records[0]?.payload.toString()).toBe(texts[from - 1]);
    }
    expect(await readAll(log)).toEqual(numbered(texts));
    expect(await log.read(6)).toEqual({ records: [], place: undefined });
  });

  it('trim() gives whole files up, the oldest first and never the newest', async () => {
    await using folder = await createTemporaryFolder();
    await using log = await openSegmentLog({ folder: folder.path, segmentBytes: 60 });
    const ends: number[] = [];
    for (let at = 1; at <= 9; at += 1) {
      const ended = await log.append(payloads(['x'.repeat(10)]));
      if (ended !== undefined) ends.push(ended);
    }
    await log.trim((ends[0] ?? 0) - 1);
    expect(log.first).toBe(1);
    await log.trim(ends[0] ?? 0);
    expect(log.first).toBe((ends[0] ?? 0) + 1);
    await expect(log.read(1)).rejects.toThrow('was given up');
    const bytes = log.bytes;
    await log.trim(100);
    expect(log.bytes).toBeLessThan(bytes);
    expect(await readdir(folder.path)).toHaveLength(1);
    expect(log.next).toBe(10);
  });

  it('never gives a number out twice, though everything was given up', async () => {
    await using folder = await createTemporaryFolder();
    {
      await using log = await openSegmentLog({ folder: folder.path, segmentBytes: 1 });
      for (const text of ['a', 'b', 'c']) await log.append(payloads([text]));
      await log.trim(3);
    }
    await using log = await openSegmentLog({ folder: folder.path, segmentBytes: 1 });
    expect(log.next).toBe(4);
  });

  it('loses nothing that was durable, wherever a crash tears what came after', async () => {
    const text = fc.string({ maxLength: 40 });
    const batches = fc.array(fc.array(text, { minLength: 1, maxLength: 4 }), { minLength: 1, maxLength: 12 });
    const tail = fc.oneof(
      // Part of a record that was under way, what was left in its place, or zeros that were never written.
      fc.record({ keep: fc.nat(200), flip: fc.constant(-1), zeros: fc.nat(50) }),
      fc.record({ keep: fc.nat(200), flip: fc.nat(200), zeros: fc.constant(0) }),
    );
    await fc.assert(
      fc.asyncProperty(batches, fc.array(text, { minLength: 1, maxLength: 4 }), tail, async (durable, torn, damage) => {
        await using folder = await createTemporaryFolder();
        let size = 0;
        let path = '';
        {
          await using log = await openSegmentLog({ folder: folder.path, segmentBytes: 150 });
          for (const batch of durable) await log.append(payloads(batch));
          path = join(folder.path, (await readdir(folder.path)).toSorted().at(-1) ?? '');
          size = (await readFile(path)).length;
          await log.append(payloads(torn));
        }
        const newest = join(folder.path, (await readdir(folder.path)).toSorted().at(-1) ?? '');
        const written = await readFile(newest);
        // The tail is what came after the last durable byte: of the same file, or a whole new one.
        const safe = newest === path ? size : 0;
        const rest = Buffer.from(written.subarray(safe, safe + damage.keep));
        if (damage.flip >= 0 && damage.flip < rest.length) rest[damage.flip] = (rest[damage.flip] ?? 0) ^ 0x40;
        const isForeign = safe === 0 && damage.flip >= 0 && damage.flip < 16;
        await writeFile(newest, Buffer.concat([written.subarray(0, safe), rest, Buffer.alloc(damage.zeros)]));
        // A file that begins as no log does is no crash's doing.
        if (isForeign) return;
        const texts = durable.flat();
        const { seen } = await visit(folder.path, 150);
        expect(seen.slice(0, texts.length)).toEqual(numbered(texts));
        expect(numbered([...texts, ...torn]).slice(0, seen.length)).toEqual(seen);
        // And it goes on from there.
        await using log = await openSegmentLog({ folder: folder.path, segmentBytes: 150 });
        await log.append(payloads(['more']));
        expect(await readAll(log)).toEqual([...seen, `${seen.length + 1}:more`]);
      }),
      { numRuns: 300 },
    );
  }, 60_000);

  it('does not bring back what was cut off, though new records take its place', async () => {
    await using folder = await createTemporaryFolder();
    {
      await using log = await openSegmentLog({ folder: folder.path });
      await log.append(payloads(['aa']));
      await log.append(payloads(['bb', 'cc']));
    }
    const [name = ''] = await readdir(folder.path);
    const bytes = await readFile(join(folder.path, name));
    const at = bytes.indexOf('bb');
    bytes[at] = 0;
    await writeFile(join(folder.path, name), bytes);
    {
      await using log = await openSegmentLog({ folder: folder.path });
      expect(log.next).toBe(2);
      await log.append(payloads(['dd']));
    }
    const { seen, bytesCut } = await visit(folder.path);
    expect([seen, bytesCut]).toEqual([['1:aa', '2:dd'], 0]);
  });

  it('says so where something durable is damaged', async () => {
    await using folder = await createTemporaryFolder();
    {
      await using log = await openSegmentLog({ folder: folder.path, segmentBytes: 60 });
      for (let at = 0; at < 9; at += 1) await log.append(payloads(['x'.repeat(10)]));
    }
    const [oldest = '', second = ''] = (await readdir(folder.path)).toSorted();
    const bytes = await readFile(join(folder.path, oldest));
    bytes[30] = (bytes[30] ?? 0) ^ 1;
    await writeFile(join(folder.path, oldest), bytes);
    await expect(visit(folder.path)).rejects.toMatchObject({ code: 'log-corrupt' });
    await truncate(join(folder.path, second), 0);
    await writeFile(join(folder.path, oldest), 'something else that is longer than the name of a log');
    await expect(visit(folder.path)).rejects.toMatchObject({ code: 'log-foreign' });
  });
});
