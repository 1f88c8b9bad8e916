import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test, vi } from 'vitest';
import { createSeededRandom } from '../../src/base/index.js';
import { verifyS3Archive } from '../../src/ingest/index.js';
import { encodeEvent } from '../../src/protocol/index.js';
import { BuiltCli } from '../support/built-cli.js';
import { FakeS3 } from '../support/fake-s3.js';
import type { Fault } from '../support/fake-s3.js';
import { S3Archive } from '../support/s3-archive.js';
import { createTemporaryFolder } from '../support/temporary-folder.js';

beforeAll(() => {
  vi.stubEnv('AWS_ACCESS_KEY_ID', 'test');
  vi.stubEnv('AWS_SECRET_ACCESS_KEY', 'test');
});
afterAll(() => {
  vi.unstubAllEnvs();
});

const EVENTS = 400;
const KILLS = 8;
const FAULTS: readonly Fault[] = ['slow-down', 'internal-error', 'torn-before', 'torn-after', 'conflict'];

const SPOOLS: readonly (readonly [where: string, flags: readonly string[]])[] = [
  ['in memory', []],
  ['on disk', ['--spool.dir', 'spool']],
];
test.each(SPOOLS)(
  'an ingest to S3, killed 8 times between any two requests, with faults, its spool %s, has each event once',
  async (_where, spool) => {
    const random = createSeededRandom(11);
    await using folder = await createTemporaryFolder();
    await using fake = await FakeS3.start();
    const file = join(folder.path, 'stream.sse');
    const data = Array.from({ length: EVENTS }, (_, at) => JSON.stringify({ at, text: 'x'.repeat(300) }));
    await writeFile(file, Buffer.concat(data.map((text, at) => encodeEvent({ id: `t-${at}`, data: text }))));
    await using replay = new BuiltCli(['replay', file, '--rate', '100', '--port', '0', '--end', '204'], folder.path);
    const [url] = await replay.until(/http:\/\/127\.0\.0\.1:\d+[^\s"]*/);
    const s3 = ['--sink.s3.bucket', 'bucket', '--sink.s3.endpoint', fake.endpoint, '--sink.s3.rotateMs', '100'];
    const files = ['--sink.file.dir', join(folder.path, 'archive')];
    const args = ['ingest', '--url', url, '--checkpoint.intervalMs', '50', ...s3, ...files, ...spool];
    for (let kill = 0; kill < KILLS; kill += 1) {
      await using ingest = new BuiltCli(args, folder.path);
      let requestsLeft = 1 + Math.floor(random() * 8);
      await new Promise<void>((resolve) => {
        fake.onRequest = () => {
          if (random() < 0.1) fake.failNext(FAULTS[Math.floor(random() * FAULTS.length)] ?? 'conflict');
          requestsLeft -= 1;
          if (requestsLeft === 0) resolve();
        };
      });
      // The request that was the last is still carried out, and answered to nobody.
      await ingest.end('SIGKILL');
    }
    fake.onRequest = undefined;
    await using last = new BuiltCli(args, folder.path);
    expect(await last.exited).toBe(0);
    using archive = new S3Archive(fake.endpoint);
    expect(await archive.lines()).toEqual(data);
    const report = await verifyS3Archive(
      { bucket: 'bucket', endpoint: fake.endpoint, readsData: true },
      new AbortController().signal,
    );
    expect(report).toMatchObject({ events: EVENTS, chains: 1, findings: [] });
    expect(fake.objects.size).toBe(2 * report.objects);
  },
  180_000,
);
