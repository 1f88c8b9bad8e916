import { join } from 'node:path';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { createS3Sink } from '../../src/ingest/index.js';
import { spooled } from '../conformance/sink.js';
import { createCapturingLogger } from '../support/capturing-logger.js';
import { JumpingClock } from '../support/clocks.js';
import { FakeS3 } from '../support/fake-s3.js';
import { createTemporaryFolder } from '../support/temporary-folder.js';

beforeAll(() => {
  vi.stubEnv('AWS_ACCESS_KEY_ID', 'test');
  vi.stubEnv('AWS_SECRET_ACCESS_KEY', 'test');
});
afterAll(() => {
  vi.unstubAllEnvs();
});

it.each([
  ['expired-token', 'error'],
  ['slow-down', 'warn'],
  ['torn-before', 'warn'],
] as const)('createS3Sink() tries again after %s, and says so as a(n) %s', async (fault, level) => {
  await using s3 = await FakeS3.start();
  await using folder = await createTemporaryFolder();
  const place = { bucket: 'bucket', endpoint: s3.endpoint, journal: join(folder.path, 'journal') };
  const sink = createS3Sink({ ...place, clock: new JumpingClock() });
  const logger = createCapturingLogger();
  await sink.open({ pipeline: 'p', runId: 'r', logger });
  s3.failNext(fault);
  expect(await sink.write([spooled(1, '1')], new AbortController().signal)).toEqual({ refused: 0, retries: 1 });
  const said = logger.lines.find(({ message }) => message === 'Cannot write to S3; trying again');
  expect(said?.level).toBe(level);
  await sink.close('stopped');
});
