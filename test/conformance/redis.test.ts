import { afterAll, beforeAll, describe } from 'vitest';

import { systemClock } from '../../src/base/index.js';
import { connectToRedis } from '../../src/hub/backplane/redis/connect.js';
import { NO_RULES } from '../../src/hub/channel-rules.js';
import { hasRedis, startRedis } from '../support/redis-server.js';
import type { RedisServer } from '../support/redis-server.js';
import { describeBackplane } from './backplane.js';

describe.skipIf(!hasRedis)('[redis]', () => {
  let server: RedisServer | undefined;
  beforeAll(async () => {
    server = await startRedis();
  });
  afterAll(() => server?.[Symbol.asyncDispose]());

  describeBackplane('RedisBackplane', async (settings) => {
    const options = {
      ...settings,
      urls: [server?.url ?? ''],
      isCluster: false,
      sentinels: [],
      master: '',
      commandTimeoutMs: 2000,
      prefix: crypto.randomUUID(),
      leaseMs: 30_000,
      waitReplicas: 0,
      rules: NO_RULES,
      clock: systemClock,
    };
    const nodes = await Promise.all([1, 2].map(() => connectToRedis(options)));
    return {
      nodes,
      async [Symbol.asyncDispose]() {
        for (const node of nodes) await node[Symbol.asyncDispose]();
      },
    };
  });
});
