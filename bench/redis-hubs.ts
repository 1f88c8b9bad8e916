import { startRedis, tell } from '../test/support/redis-server.js';
import { spawnNode } from './servers.js';

/** Two hubs over one Redis, each of the three in a process of its own. */
export interface RedisHubs extends AsyncDisposable {
  /** Where is published, and where is subscribed. */
  readonly publishOrigin: string;
  readonly subscribeOrigin: string;
  readonly pids: RedisPids;
}

export interface RedisPids {
  readonly publishing: number;
  readonly redis: number;
  readonly subscribing: number;
}

const PORTS = { publishing: 7393, subscribing: 7394 } as const;

/** Starts them, with their defaults: Redis keeps no file. */
export async function startRedisHubs(): Promise<RedisHubs> {
  const redis = await startRedis();
  const started: AsyncDisposable[] = [redis];
  const stop = async (): Promise<void> => {
    for (const one of started.splice(0).toReversed()) await one[Symbol.asyncDispose]();
  };
  const start = async (port: number): Promise<number> => {
    const hub = await spawnNode('tidegate', port, { redis: { url: redis.url } });
    started.push(hub);
    return hub.pid;
  };
  try {
    const pids = {
      publishing: await start(PORTS.publishing),
      redis: await redisPid(redis.port),
      subscribing: await start(PORTS.subscribing),
    };
    return {
      publishOrigin: `http://127.0.0.1:${PORTS.publishing}`,
      subscribeOrigin: `http://127.0.0.1:${PORTS.subscribing}`,
      pids,
      [Symbol.asyncDispose]: stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** Process id of the Redis that listens there. */
async function redisPid(port: number): Promise<number> {
  return Number(/^process_id:(\d+)/m.exec(await tell(port, 'INFO server'))?.[1]);
}
