import { HubError } from '../../errors.js';
import { addressOf, explain } from './startup.js';

/** Publishes on channels of Redis, as programs beside Tidegate do. */
export interface RedisPublisher extends AsyncDisposable {
  /** How many heard it. @throws HubError `backplane-unavailable`. */
  publish(channel: string, message: string): Promise<number>;
}

const COMMAND_MS = 5000;

/**
 * Connects to the Redis at `url`, or to any node of a cluster.
 * @throws Error with one sentence where it does not answer; it shows where that is, and never a user or a password.
 */
export async function connectRedisPublisher(url: string): Promise<RedisPublisher> {
  const { CONNECT_MS, openRedis, reasonOf } = await import('./driver.js');
  const redis = openRedis(
    { urls: [url], sentinels: [], master: '' },
    {
      connectTimeout: CONNECT_MS,
      commandTimeout: COMMAND_MS,
      disableClientInfo: true,
      enableOfflineQueue: false,
      autoResendUnfulfilledCommands: false,
      maxRetriesPerRequest: null,
      // Who publishes is told, and decides.
      retryStrategy: () => null,
    },
  );
  const place = { address: addressOf({ urls: [url], sentinels: [] }), setting: '--redis' };
  const failed = (reason?: string): Error => new Error(explain(reason, place));
  try {
    await new Promise((resolve, reject) => {
      redis.once('ready', resolve);
      redis.on('error', (error: unknown) => reject(failed(reasonOf(error))));
      redis.once('end', () => reject(failed()));
    });
  } catch (error) {
    redis.disconnect();
    throw error;
  }
  return {
    async publish(channel, message) {
      try {
        return await redis.publish(channel, message);
      } catch (error) {
        throw new HubError('backplane-unavailable', `Cannot publish: Redis does not answer (${reasonOf(error)})`);
      }
    },
    async [Symbol.asyncDispose]() {
      redis.disconnect();
      return Promise.resolve();
    },
  };
}
