import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { expect, it } from 'vitest';
import { createTemporaryFolder } from '../../test/support/temporary-folder.js';
import { openSegmentLog } from './segment-log.js';

/** Appends in a process of its own, killed after `writes` writes; resolves with the last durable record. */
async function appendUntilKilled(folder: string, writes: number): Promise<number> {
  const support = join(import.meta.dirname, '../../test/support');
  const script = ['--import', join(support, 'ts-loader.mjs'), join(support, 'log-appender.ts'), folder];
  const child = spawn(process.execPath, script, { stdio: ['ignore', 'pipe', 'inherit'] });
  let last = 0;
  let seen = 0;
  for await (const line of createInterface({ input: child.stdout })) {
    last = Number(line);
    seen += 1;
    if (seen === writes) child.kill('SIGKILL');
  }
  return last;
}

it('openSegmentLog() finds everything that was durable when the process was killed', async () => {
  await using folder = await createTemporaryFolder();
  for (const writes of [1, 30, 7, 90]) {
    const durable = await appendUntilKilled(folder.path, writes);
    const seen: number[] = [];
    await using log = await openSegmentLog(
      { folder: folder.path, segmentBytes: 20_000 },
      {
        record: ({ sequence, payload }) => {
          expect(payload.toString()).toBe(`${sequence} ${'x'.repeat(sequence % 300)}`);
          seen.push(sequence);
        },
        segmentEnd: () => {},
      },
    );
    expect(seen).toEqual(Array.from({ length: seen.length }, (_, at) => at + 1));
    expect(seen.length).toBeGreaterThanOrEqual(durable);
    expect(log.next).toBe(seen.length + 1);
  }
}, 60_000);
