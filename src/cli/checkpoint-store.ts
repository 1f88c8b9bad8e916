import { join, resolve } from 'node:path';
import { createFileCheckpointStore, createRedisCheckpointStore, createS3CheckpointStore } from '../ingest/index.js';
import type { CheckpointStore } from '../ingest/index.js';
import type { Settings } from './config/index.js';
import { placeOf } from './dead-letters.js';
import { withoutSecrets } from './source-name.js';

type CheckpointPlace =
  | { readonly kind: 's3'; readonly bucket: string; readonly key: string }
  | { readonly kind: 'redis'; readonly url: string; readonly key: string }
  | { readonly kind: 'file'; readonly path: string };

/** Where the pipeline of `settings` keeps the id to resume from: a file, an object of S3 or a key of Redis. */
export function createCheckpointStore(settings: Settings, cwd: string): CheckpointStore {
  const pipeline = settings['pipeline.name'];
  const place = placeOfCheckpoint(settings, cwd);
  switch (place.kind) {
    case 's3': {
      const server = placeOf(settings['checkpoint.s3.region'], settings['checkpoint.s3.endpoint']);
      return createS3CheckpointStore({ bucket: place.bucket, key: place.key, pipeline, ...server });
    }
    case 'redis':
      return createRedisCheckpointStore({ url: place.url, key: place.key, pipeline });
    case 'file':
      return createFileCheckpointStore({ path: place.path, pipeline });
  }
}

/** That place for people, without secrets. */
export function nameOfCheckpoint(settings: Settings, cwd: string): string {
  const { 'leases.url': leases, 'pipeline.name': pipeline } = settings;
  if (leases !== undefined) return `${withoutSecrets(leases)} ${pipeline}`;
  const place = placeOfCheckpoint(settings, cwd);
  switch (place.kind) {
    case 's3':
      return `s3://${place.bucket}/${place.key}`;
    case 'redis':
      return `${withoutSecrets(place.url)} ${place.key}`;
    case 'file':
      return place.path;
  }
}

function placeOfCheckpoint(settings: Settings, cwd: string): CheckpointPlace {
  const pipeline = settings['pipeline.name'];
  const { 'checkpoint.s3.bucket': bucket, 'checkpoint.redis.url': url, 'checkpoint.file': file } = settings;
  if (bucket !== undefined)
    return { kind: 's3', bucket, key: settings['checkpoint.s3.key'] ?? `tidegate/${pipeline}.checkpoint.json` };
  if (url !== undefined)
    return { kind: 'redis', url, key: settings['checkpoint.redis.key'] ?? `tidegate:checkpoint:${pipeline}` };
  return { kind: 'file', path: resolve(cwd, file ?? join(settings['data.dir'], `${pipeline}.checkpoint.json`)) };
}
