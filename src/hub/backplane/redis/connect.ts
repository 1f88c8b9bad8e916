import { HubError } from '../../errors.js';
import { RedisBackplane } from './redis.js';
import type { RedisBackplaneOptions } from './redis.js';

/** How long Redis may take to be there when a node starts. */
const START_MS = 10_000;

/** Connects a node to Redis. @throws Error with one sentence where it cannot be used. */
export async function connectToRedis(options: RedisBackplaneOptions): Promise<RedisBackplane> {
  // Loaded only where it is asked for.
  const { RedisLink } = await import('./client.js');
  const backplane = new RedisBackplane(options);
  const { meta, channels } = backplane.keys;
  let reason = 'it does not answer';
  const link = new RedisLink({
    ...options,
    metaKey: meta,
    channels,
    handlers: {
      onUp: () => backplane.up(),
      onDown: () => backplane.down(),
      onMessage: (channel, message) => backplane.take(channel, message),
      onError: (said) => (reason = said),
    },
  });
  backplane.use(link);
  try {
    await backplane.whenReady(START_MS);
    return backplane;
  } catch (error) {
    await backplane[Symbol.asyncDispose]();
    throw error instanceof HubError ? new Error(`Cannot use Redis: ${reason}`) : error;
  }
}
