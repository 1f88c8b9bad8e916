import { Redis } from 'ioredis';
import { describe } from 'vitest';
import { createRedisSink } from '../../src/ingest/index.js';
import { CuttableLink } from '../support/cuttable-link.js';
import { hasRedis, startRedis } from '../support/redis-server.js';
import { describeSink } from './sink.js';

describe.skipIf(!hasRedis)('[redis]', () => {
  describeSink('createRedisSink() to a stream', async () => {
    const server = await startRedis();
    const link = await CuttableLink.open(() => server.port);
    const url = link.url.replace('http:', 'redis:');
    return {
      create: () => createRedisSink({ url, target: { kind: 'stream', key: 'events' } }),
      async read() {
        const redis = new Redis(server.url);
        const entries = await redis.xrange('events', '-', '+');
        redis.disconnect();
        return entries.map(([, fields]) => fields[fields.indexOf('data') + 1] ?? '');
      },
      failOnce: () => link.cut(),
      async [Symbol.asyncDispose]() {
        await link[Symbol.asyncDispose]();
        await server[Symbol.asyncDispose]();
      },
    };
  });
});
