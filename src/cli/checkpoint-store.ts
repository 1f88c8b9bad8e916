import { join, resolve } from 'node:path';
import { createFileCheckpointStore, createRedisCheckpointStore, createS3CheckpointStore } from '../ingest/index.js';
import type { CheckpointStore } from '../ingest/index.js';
import type { Settings } from './config/index.js';
import { placeOf } from './dead-letters.js';

/** Where the pipeline of `settings` keeps the id to resume from: a file, an object of S3 or a key of Redis. */
export function createCheckpointStore(settings: Settings, cwd: string): CheckpointStore {
  const pipeline = settings['pipeline.name'];
  const [bucket, url, file] = [
    settings['checkpoint.s3.bucket'],
    settings['checkpoint.redis.url'],
    settings['checkpoint.file'],
  ];
  if (bucket !== undefined) {
    const key = settings['checkpoint.s3.key'] ?? `tidegate/${pipeline}.checkpoint.json`;
    const place = placeOf(settings['checkpoint.s3.region'], settings['checkpoint.s3.endpoint']);
    return createS3CheckpointStore({ bucket, key, pipeline, ...place });
  }
  if (url !== undefined) {
    const key = settings['checkpoint.redis.key'] ?? `tidegate:checkpoint:${pipeline}`;
    return createRedisCheckpointStore({ url, key, pipeline });
  }
  const path = file ?? join(settings['data.dir'], `${pipeline}.checkpoint.json`);
  return createFileCheckpointStore({ path: resolve(cwd, path), pipeline });
}
