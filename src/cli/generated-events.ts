import { createBatchingPublisher } from '../client/index.js';
import { connectRedisPublisher } from '../hub/index.js';
import { hubAccessOf } from './client-options.js';
import type { Settings } from './config/index.js';
import { CliError } from './errors.js';

/** Where made-up events go. */
export interface EventTarget extends AsyncDisposable {
  /** Resolves when it can take another. */
  whenReady(): Promise<void>;
  publish(data: string): Promise<unknown>;
  /** Resolves when everything is settled. */
  drain(): Promise<void>;
}

/** Messages on their way to Redis at one time. */
const UNDER_WAY_MAX = 1000;

/** A channel of a hub, or a channel of Redis. @throws CliError `failed` where Redis does not answer. */
export async function openTarget(settings: Settings, channel: string, cwd: string): Promise<EventTarget> {
  if (settings.redis !== undefined) return openRedisTarget(settings.redis, channel);
  const publisher = createBatchingPublisher(await hubAccessOf(settings, cwd));
  return {
    whenReady: () => publisher.whenReady(),
    publish: (data) => publisher.publish(channel, { data }),
    drain: () => publisher.drain(),
    [Symbol.asyncDispose]: () => publisher[Symbol.asyncDispose](),
  };
}

async function openRedisTarget(url: string, channel: string): Promise<EventTarget> {
  const publisher = await connectRedisPublisher(url).catch((error: unknown) => {
    throw new CliError('failed', error instanceof Error ? error.message : String(error));
  });
  const underWay = new Set<Promise<unknown>>();
  return {
    async whenReady() {
      while (underWay.size >= UNDER_WAY_MAX) await Promise.race(underWay);
    },
    publish(data) {
      const published = publisher.publish(channel, messageOf(channel, data));
      const settled = published.catch(() => undefined).finally(() => underWay.delete(settled));
      underWay.add(settled);
      return published;
    },
    async drain() {
      await Promise.all(underWay);
    },
    [Symbol.asyncDispose]: () => publisher[Symbol.asyncDispose](),
  };
}

/** To a user's Redis channel it is a notification, as a hub with `redis.bridgeUsers` reads it; else the data as it is. */
function messageOf(channel: string, data: string): string {
  if (!channel.includes(':channel:')) return data;
  const { id, type } = JSON.parse(data) as { readonly id: number; readonly type: string };
  return `{"id":"${id}","type":${JSON.stringify(type)},"data":${data}}`;
}
