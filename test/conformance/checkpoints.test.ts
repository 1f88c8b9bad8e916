import { describe, expect, it } from 'vitest';
import { createRedisCheckpointStore, createS3CheckpointStore } from '../../src/ingest/index.js';
import type { Checkpoint, CheckpointStore } from '../../src/ingest/index.js';
import { CuttableLink } from '../support/cuttable-link.js';
import { FakeS3 } from '../support/fake-s3.js';
import { hasRedis, startRedis } from '../support/redis-server.js';
import { describeOnS3, S3_CREDENTIALS } from '../support/s3-servers.js';
import type { S3Place } from '../support/s3-servers.js';
import { describeCheckpointStore } from './checkpoint.js';
import type { CheckpointFixture } from './checkpoint.js';

const checkpoint = (lastEventId: string): Checkpoint => ({
  lastEventId,
  receivedAt: '2026-11-20T00:00:00.000Z',
  gaps: [],
  updatedAt: '2026-11-20T00:00:01.000Z',
});

const onS3 = (s3: { readonly endpoint: string; readonly bucket?: string }, pipeline = 'p'): CheckpointStore =>
  createS3CheckpointStore({
    bucket: s3.bucket ?? 'bucket',
    key: 'checkpoints/p.json',
    pipeline,
    endpoint: s3.endpoint,
    credentials: S3_CREDENTIALS,
  });

/** Stores on `server`, which are closed before it is. */
function fixture(server: AsyncDisposable, create: (pipeline: string) => CheckpointStore): CheckpointFixture {
  const stores: CheckpointStore[] = [];
  return {
    create(pipeline = 'p') {
      const store = create(pipeline);
      stores.push(store);
      return store;
    },
    async [Symbol.asyncDispose]() {
      for (const store of stores) await store.close?.();
      await server[Symbol.asyncDispose]();
    },
  };
}

describeOnS3('createS3CheckpointStore()', ({ createPlace, lacks }) => {
  if (lacks.includes('conditions')) return neverTaken(createPlace);
  return describeCheckpointStore('with conditional writes', async () => {
    const place = await createPlace();
    return fixture(place, (pipeline) => onS3(place, pipeline));
  });
});

function neverTaken(createPlace: () => Promise<S3Place>): void {
  it('save() is not told of another writer: this server ignores conditions', async () => {
    const place = await createPlace();
    await using stores = fixture(place, () => onS3(place));
    const [first, second] = [stores.create(), stores.create()];
    await Promise.all([first.load(), second.load()]);
    await first.save(checkpoint('first'));
    await second.save(checkpoint('second'));
    await first.save(checkpoint('first again'));
    expect(await stores.create().load()).toMatchObject({ lastEventId: 'first again' });
  });
}

describe('createS3CheckpointStore()', () => {
  it.each(['torn-before', 'torn-after', 'slow-down', 'internal-error', 'conflict'] as const)(
    'save() can be repeated after %s',
    async (fault) => {
      await using s3 = await FakeS3.start();
      const store = onS3(s3);
      await store.load();
      await store.save(checkpoint('1'));
      s3.failNext(fault);
      await expect(store.save(checkpoint('2'))).rejects.toThrow(/\(/);
      await store.save(checkpoint('3'));
      expect(await onS3(s3).load()).toMatchObject({ lastEventId: '3' });
      await store.close?.();
    },
  );

  it('save() notices that somebody deleted it, and load() that it cannot be read', async () => {
    await using s3 = await FakeS3.start();
    const store = onS3(s3);
    await store.load();
    await store.save(checkpoint('1'));
    s3.objects.clear();
    await expect(store.save(checkpoint('2'))).rejects.toMatchObject({ code: 'checkpoint-taken' });
    s3.failNext('internal-error');
    await expect(onS3(s3).load()).rejects.toMatchObject({ code: 'checkpoint-unreadable' });
    await store.close?.();
  });
});

describe.skipIf(!hasRedis)('[redis]', () => {
  describeCheckpointStore('createRedisCheckpointStore()', async () => {
    const redis = await startRedis();
    return fixture(redis, (pipeline) => createRedisCheckpointStore({ url: redis.url, key: 'p', pipeline }));
  });

  it('createRedisCheckpointStore() comes through a lost connection and a Redis that restarts', async () => {
    await using redis = await startRedis(['--appendonly', 'yes', '--appendfsync', 'always']);
    await using link = await CuttableLink.open(() => redis.port);
    const create = (): CheckpointStore =>
      createRedisCheckpointStore({ url: link.url.replace('http:', 'redis:'), key: 'p', pipeline: 'p' });
    const store = create();
    await store.load();
    await store.save(checkpoint('1'));
    await redis.kill();
    await expect(store.save(checkpoint('2'))).rejects.toThrow('Redis');
    await redis.start();
    // The connection comes back by itself, a little later.
    for (let isSaved = false; !isSaved;)
      isSaved = await store.save(checkpoint('3')).then(
        () => true,
        () => new Promise<boolean>((resolve) => setImmediate(resolve, false)),
      );
    const next = create();
    expect(await next.load()).toMatchObject({ lastEventId: '3' });
    await store.close?.();
    await next.close?.();
  });

  it('createRedisCheckpointStore() says what keeps it from loading', async () => {
    await using redis = await startRedis(['--requirepass', 'hunter2']);
    const store = createRedisCheckpointStore({
      url: redis.url.replace('//', '//:wrong-one@'),
      key: 'p',
      pipeline: 'p',
    });
    const load = store.load();
    await expect(load).rejects.toMatchObject({ code: 'checkpoint-unreadable' });
    await expect(load).rejects.not.toThrow(/wrong-one/);
    await store.close?.();
  });
});
