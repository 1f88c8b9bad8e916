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

interface Place {
  readonly endpoint: string;
  readonly bucket?: string;
  /** How the next request fails (default: its connection is torn). */
  readonly failOnce?: () => void;
  /** Large objects, as all are here, go in parts. */
  readonly inParts?: boolean;
}

async function fixtureAt({ endpoint, bucket = 'bucket', failOnce, inParts = false }: Place): Promise<SinkFixture> {
  const folder = await createTemporaryFolder();
  const link = await CuttableLink.open(() => Number(new URL(endpoint).port));
  const archive = new S3Archive(endpoint, bucket);
  return {
    create: () =>
      createS3Sink({
        bucket,
        endpoint: link.url,
        journal: join(folder.path, 'journal'),
        clock: new JumpingClock(),
        ...(inParts ? { multipartBytes: 0 } : {}),
      }),
    read: () => archive.lines(),
    failOnce: failOnce ?? (() => link.refuseNext()),
    async [Symbol.asyncDispose]() {
      archive[Symbol.dispose]();
      await link[Symbol.asyncDispose]();
      await folder[Symbol.asyncDispose]();
    },
  };
}

async function fixtureOnFake(options: Partial<Place> & { readonly losesAnswer?: boolean }): Promise<SinkFixture> {
  const fake = await FakeS3.start();
  const failure = options.losesAnswer === true ? { failOnce: () => fake.failNext('torn-after') } : {};
  const fixture = await fixtureAt({ endpoint: fake.endpoint, ...options, ...failure });
  return {
    ...fixture,
    async [Symbol.asyncDispose]() {
      await fixture[Symbol.asyncDispose]();
      await fake[Symbol.asyncDispose]();
    },
  };
}

describeSink('createS3Sink() on a fake with a torn connection', () => fixtureOnFake({}));
describeSink('createS3Sink() on a fake that loses its answer', () => fixtureOnFake({ losesAnswer: true }));
describeSink('createS3Sink() on a fake, in parts', () => fixtureOnFake({ inParts: true, losesAnswer: true }));

describe.skipIf(!hasMoto)(`with moto ${MOTO}`, () => {
  let moto: MotoServer | undefined;
  let buckets = 0;
  beforeAll(async () => {
    moto = await MotoServer.start();
  }, 60_000);
  afterAll(() => moto?.[Symbol.asyncDispose]());

  async function fixtureOnMoto(options: Partial<Place>): Promise<SinkFixture> {
    buckets += 1;
    const place = { endpoint: moto?.endpoint ?? '', bucket: `bucket-${buckets}` };
    using archive = new S3Archive(place.endpoint, place.bucket);
    await archive.createBucket();
    return fixtureAt({ ...place, ...options });
  }

  describeSink('createS3Sink() on moto', () => fixtureOnMoto({}));
  describeSink('createS3Sink() on moto, in parts', () => fixtureOnMoto({ inParts: true }));
});
