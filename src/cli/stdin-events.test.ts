import { describe, expect, it } from 'vitest';
import { batchLines } from './stdin-events.js';
import type { LineBatch } from './stdin-events.js';

const { signal: never } = new AbortController();

async function* input(...parts: readonly string[]): AsyncGenerator<Uint8Array> {
  await Promise.resolve();
  for (const part of parts) yield Buffer.from(part);
}

async function collect(...parts: readonly string[]): Promise<LineBatch[]> {
  const batches: LineBatch[] = [];
  for await (const batch of batchLines(input(...parts), never)) batches.push(batch);
  return batches;
}

describe('batchLines()', () => {
  it('makes a batch of what is there, under the numbers that the lines have', async () => {
    expect(await collect('a\nb', 'c\n\nd\n', 'e')).toEqual([
      { lines: ['a'], firstNumber: 1 },
      { lines: ['bc'], firstNumber: 2 },
      { lines: ['d'], firstNumber: 4 },
      { lines: ['e'], firstNumber: 5 },
    ]);
  });

  it('makes no batch larger than a hub takes, by lines or by characters', async () => {
    const many = await collect('x\n'.repeat(1200));
    expect(many.map(({ lines, firstNumber }) => [lines.length, firstNumber])).toEqual([
      [500, 1],
      [500, 501],
      [200, 1001],
    ]);
    const long = await collect(`${'x'.repeat(600_000)}\n`.repeat(3));
    expect(long.map(({ lines }) => lines.length)).toEqual([1, 1, 1]);
  });

  it('refuses a line that does not end, before it fills the memory', async () => {
    const part = 'x'.repeat(4 * 1024 * 1024);
    await expect(collect('short\n', ...Array.from({ length: 5 }, () => part))).rejects.toMatchObject({
      code: 'bad-value',
      message: 'Cannot publish line 2: it is too long',
    });
  });
});
