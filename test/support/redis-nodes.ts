import { systemClock } from '../../src/base/index.js';
import { connectToRedis } from '../../src/hub/backplane/redis/connect.js';
import type { RedisBackplaneOptions } from '../../src/hub/backplane/redis/options.js';
import type { RedisBackplane } from '../../src/hub/backplane/redis/redis.js';
import { NO_RULES } from '../../src/hub/channel-rules.js';
import { DEFAULT_HISTORY, DEFAULT_LIMITS } from '../../src/hub/limits.js';

export type RedisNodeOptions = Partial<RedisBackplaneOptions> & Pick<RedisBackplaneOptions, 'urls'>;

/** One node, on keys of its own where no prefix is given. */
export function startRedisNode(options: RedisNodeOptions): Promise<RedisBackplane> {
  return connectToRedis({
    isCluster: false,
    sentinels: [],
    master: '',
    commandTimeoutMs: 2000,
    prefix: crypto.randomUUID(),
    leaseMs: 30_000,
    waitReplicas: 0,
    history: DEFAULT_HISTORY,
    limits: DEFAULT_LIMITS,
    channelTtlMs: 0,
    rules: NO_RULES,
    bridgeUsers: false,
    bridgeChannels: [],
    clock: systemClock,
    ...options,
  });
}

export interface RedisNodes extends AsyncDisposable {
  readonly nodes: readonly [RedisBackplane, RedisBackplane];
}

/** Two nodes of one hub, each with connections of its own. */
export async function startRedisNodes(options: RedisNodeOptions): Promise<RedisNodes> {
  const shared = { prefix: crypto.randomUUID(), ...options };
  const nodes = await Promise.all([startRedisNode(shared), startRedisNode(shared)]);
  return {
    nodes,
    async [Symbol.asyncDispose]() {
      for (const node of nodes) await node[Symbol.asyncDispose]();
    },
  };
}
