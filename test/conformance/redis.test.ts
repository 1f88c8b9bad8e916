import { afterAll, beforeAll, describe } from 'vitest';

import { hasRedis, startRedis, startRedisCluster } from '../support/redis-server.js';
import { startRedisNodes } from '../support/redis-nodes.js';
import { describeBackplane } from './backplane.js';

describe.skipIf(!hasRedis)('[redis]', () => {
  let url = '';
  let clusterUrl = '';
  const running: AsyncDisposable[] = [];
  beforeAll(async () => {
    const server = await startRedis();
    const cluster = await startRedisCluster();
    running.push(server, cluster);
    url = server.url;
    clusterUrl = cluster.nodes[0]?.url ?? '';
  });
  afterAll(async () => {
    for (const one of running) await one[Symbol.asyncDispose]();
  });

  describeBackplane('RedisBackplane', (settings) => startRedisNodes({ ...settings, urls: [url] }));

  describeBackplane('RedisBackplane on a cluster', (settings) =>
    startRedisNodes({ ...settings, urls: [clusterUrl], isCluster: true }),
  );
});
