import { connectToPrimary } from './backplane/workers.js';
import { MemoryBackplane } from './backplane/memory.js';
import { Primary } from './backplane/primary.js';
import { connectToRedis } from './backplane/redis/connect.js';
import { redisSettingsOf } from './backplane/redis/settings.js';
import type { RedisOptions } from './backplane/redis/settings.js';
import { checkChannel } from './event.js';
import { createBareListener } from './http/bare-listener.js';
import { createHandlers } from './http/handler.js';
import { HubCore, UPKEEP_SHARES } from './hub.js';
import type { Hub } from './hub.js';
import { settingsOf } from './settings.js';
import type { HubOptions } from './settings.js';

/** A hub with its history in memory. Give its `handler` to a server, or both to {@link listen}. */
export function createHub(options: HubOptions = {}): Hub {
  return hubOf(new HubCore(options));
}

/**
 * Starts the process that orders the events of several workers and keeps their history, on the Unix socket `path`:
 * who can open it is trusted. Of `options` it takes history, limits and `channelTtlMs`; the workers take the rest.
 */
export async function startPrimary(options: HubOptions, path: string): Promise<AsyncDisposable> {
  const settings = settingsOf(options);
  const backplane = new MemoryBackplane({ ...settings, nowMs: () => settings.clock.now() });
  const primary = new Primary(backplane, Math.max(1, settings.heartbeatMs / UPKEEP_SHARES));
  await primary.listen(path);
  return primary;
}

export interface WorkerOptions extends HubOptions {
  /** Where the primary listens. */
  readonly primaryPath: string;
  /** How many workers there are. */
  readonly workers: number;
  /** The primary is gone: cut all connections, so that clients come back to the next and hear of the gap. */
  readonly onPrimaryLost: () => void;
}

/** A hub of several: it holds sockets, and the primary its history. @throws Error where the primary does not answer. */
export async function createWorkerHub({
  primaryPath,
  workers,
  onPrimaryLost,
  ...options
}: WorkerOptions): Promise<Hub> {
  const { history, rules, clock } = settingsOf(options);
  const backplane = await connectToPrimary({
    path: primaryPath,
    workers,
    history,
    rules,
    nowMs: () => clock.now(),
    onLost: onPrimaryLost,
  });
  return hubOf(new HubCore(options, backplane));
}

export interface RedisHubOptions extends HubOptions {
  readonly redis: RedisOptions;
}

/**
 * A hub of several machines, whose events Redis orders and keeps. While Redis is away, subscribers stay, and publishes
 * wait a while and are then refused.
 * @throws TypeError where an option cannot be used; Error, with one sentence, where Redis cannot.
 */
export async function createRedisHub({ redis, ...options }: RedisHubOptions): Promise<Hub> {
  const settings = settingsOf(options);
  const backplane = await connectToRedis({ ...settings, ...redisSettingsOf(redis) });
  return hubOf(new HubCore(options, backplane));
}

function hubOf(core: HubCore): Hub {
  const close = async (): Promise<void> => {
    core.close();
    await core.backplane[Symbol.asyncDispose]();
  };
  const handlers = createHandlers(core);
  return {
    ready: () => core.ready(),
    handler: handlers.all,
    operationsHandler: handlers.operations,
    bareHandler: createBareListener(core),
    publish: (channel, event) => core.publishOne(channel, event),
    end: async (channel) => core.backplane.end(checkChannel(channel)),
    drain: () => core.drain(),
    close,
    [Symbol.asyncDispose]: close,
  };
}
