import { join } from 'node:path';
import { afterAll, beforeAll, describe, vi } from 'vitest';
import { createS3Sink } from '../../src/ingest/index.js';
import { JumpingClock } from '../support/clocks.js';
import { CuttableLink } from '../support/cuttable-link.js';
import { FakeS3 } from '../support/fake-s3.js';
import { hasMoto, MOTO, MotoServer } from '../support/moto-server.js';
import { S3Archive } from '../support/s3-archive.js';
import { createTemporaryFolder } from '../support/temporary-folder.js';
import { describeSink } from './sink.js';
import type { SinkFixture } from './sink.js';

beforeAll(() => {
  vi.stubEnv('AWS_ACCESS_KEY_ID', 'test');
  vi.stubEnv('AWS_SECRET_ACCESS_KEY', 'test');
});
afterAll(() => {
  vi.unstubAllEnvs();
});

interface Server extends AsyncDisposable {
  readonly endpoint: string;
}

async function fixtureOn(server: Server, failOnce?: () => void): Promise<SinkFixture> {
  const folder = await createTemporaryFolder();
  const link = await CuttableLink.open(() => Number(new URL(server.endpoint).port));
  const archive = new S3Archive(server.endpoint);
  return {
    create: () =>
      createS3Sink({
        bucket: 'bucket',
        endpoint: link.url,
        journal: join(folder.path, 'journal'),
        clock: new JumpingClock(),
      }),
    read: () => archive.lines(),
    failOnce: failOnce ?? (() => link.refuseNext()),
    async [Symbol.asyncDispose]() {
      archive[Symbol.dispose]();
      await link[Symbol.asyncDispose]();
      await server[Symbol.asyncDispose]();
      await folder[Symbol.asyncDispose]();
    },
  };
}

describeSink('createS3Sink() on a fake with a torn connection', async () => fixtureOn(await FakeS3.start()));

describeSink('createS3Sink() on a fake that loses its answer', async () => {
  const fake = await FakeS3.start();
  return fixtureOn(fake, () => fake.failNext('torn-after'));
});

describe.skipIf(!hasMoto)(`with moto ${MOTO}`, () => {
  describeSink('createS3Sink() on moto', async () => {
    const moto = await MotoServer.start();
    using archive = new S3Archive(moto.endpoint);
    await archive.createBucket();
    return fixtureOn(moto);
  });
});
