import { setImmediate as turn } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { createRedisCheckpointStore, createS3CheckpointStore } from '../../src/ingest/index.js';
import type { CheckpointStore } from '../../src/ingest/index.js';
import { FakeS3 } from '../support/fake-s3.js';
import { createMemorySink } from '../support/pipeline-parts.js';
import { hasRedis, startRedis } from '../support/redis-server.js';
import { startPipeline } from '../support/running-pipeline.js';

/** The pipeline runs on while its checkpoint cannot be saved, and it is saved once it can. */
async function goOnWithout(
  create: () => CheckpointStore,
  { leave, comeBack }: { readonly leave: () => Promise<void>; readonly comeBack: () => Promise<void> },
): Promise<{ readonly written: number; readonly saved: string | undefined }> {
  const sink = createMemorySink();
  {
    await using run = startPipeline({ sinks: [{ sink }], checkpoint: create() });
    run.publish(1);
    await run.until((stats) => stats.checkpoint.saves > 1);
    await leave();
    run.publish(2);
    await run.until((stats) => stats.checkpoint.failures > 1);
    run.publish(3);
    await run.until(() => sink.data.length === 3);
    expect(run.logger.lines).toContainEqual(
      expect.objectContaining({ level: 'error', message: 'Cannot save the checkpoint; it is tried again' }),
    );
    const { saves } = run.stats().checkpoint;
    await comeBack();
    await run.until((stats) => stats.checkpoint.saves > saves);
    expect(await run.stop()).toEqual({ kind: 'stopped' });
  }
  const next = create();
  const saved = (await next.load())?.lastEventId;
  await next.close?.();
  return { written: sink.data.length, saved };
}

describe('createPipeline()', () => {
  it('goes on while the S3 that its checkpoint is in fails', async () => {
    await using s3 = await FakeS3.start();
    const faults = Array.from({ length: 12 }, (_, at) =>
      at % 2 === 0 ? ('internal-error' as const) : ('torn-before' as const),
    );
    const credentials = { accessKeyId: 'a', secretAccessKey: 'b' };
    const place = { bucket: 'bucket', key: 'p.json', pipeline: 'p', endpoint: s3.endpoint };
    const outcome = await goOnWithout(() => createS3CheckpointStore({ ...place, credentials }), {
      leave: () => Promise.resolve(s3.failNext(...faults)),
      comeBack: async () => {
        while (s3.faultsLeft > 0) await turn();
      },
    });
    expect(outcome).toEqual({ written: 3, saved: '3' });
  });

  it.skipIf(!hasRedis)('goes on while the Redis that its checkpoint is in is away [redis]', async () => {
    await using redis = await startRedis(['--appendonly', 'yes', '--appendfsync', 'always']);
    const outcome = await goOnWithout(() => createRedisCheckpointStore({ url: redis.url, key: 'p', pipeline: 'p' }), {
      leave: () => redis.kill(),
      comeBack: () => redis.start(),
    });
    expect(outcome).toEqual({ written: 3, saved: '3' });
  });
});
