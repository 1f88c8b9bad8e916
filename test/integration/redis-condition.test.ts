import { connect } from 'node:net';

import { describe, expect, test } from 'vitest';

import { systemClock } from '../../src/base/index.js';
import { createRedisHub, listen } from '../../src/hub/index.js';
import type { Hub, RedisHubOptions } from '../../src/hub/index.js';
import { createCapturingLogger } from '../support/capturing-logger.js';
import { hasRedis, startRedis, tell } from '../support/redis-server.js';
import type { RedisServer } from '../support/redis-server.js';
import { StreamClient } from '../support/stream-client.js';

const PATIENCE = { timeout: 15_000 };
const PREFIX = 'p';

interface Fixture extends AsyncDisposable {
  readonly hub: Hub;
  readonly url: string;
  readonly logger: ReturnType<typeof createCapturingLogger>;
  /** A metric's value as `/metrics` has it; `labels` as it writes them. */
  readonly metric: (name: string, labels?: string) => Promise<number>;
}

async function startHub(redis: RedisServer, options: Partial<RedisHubOptions> = {}): Promise<Fixture> {
  const logger = createCapturingLogger();
  const hub = await createRedisHub({ logger, ...options, redis: { url: redis.url, prefix: PREFIX } });
  const server = await listen(hub, { port: 0 });
  return {
    hub,
    url: server.url,
    logger,
    metric: async (name, labels = '') => {
      const text = await (await fetch(`${server.url}/metrics`)).text();
      const line = text.split('\n').find((one) => one.startsWith(`tidegate_backplane_${name}${labels} `));
      return Number(line?.split(' ').at(-1));
    },
    async [Symbol.asyncDispose]() {
      await server.close();
      await hub.close();
    },
  };
}

/** Publishes bytes as they are, which commands in one line could not hold. */
async function publishRaw(port: number, channel: string, message: Buffer): Promise<void> {
  const socket = connect(port, '127.0.0.1');
  socket.write(`*3\r\n$7\r\nPUBLISH\r\n$${channel.length}\r\n${channel}\r\n$${message.length}\r\n`);
  socket.end(Buffer.concat([message, Buffer.from('\r\n')]));
  await new Promise((resolve) => socket.resume().once('close', resolve));
}

describe.skipIf(!hasRedis)('[redis] metrics', () => {
  test('tidegate_backplane_ready, outages, errors and epochs tell that Redis was away and came back empty', async () => {
    await using redis = await startRedis();
    await using fixture = await startHub(redis);
    const { hub, metric } = fixture;
    await hub.publish('a', { data: 'x' });
    expect([await metric('ready'), await metric('outages_total'), await metric('epochs_total')]).toEqual([1, 0, 0]);
    await redis.kill();
    await expect.poll(() => metric('ready')).toBe(0);
    expect(await metric('outages_total')).toBe(1);
    await expect.poll(() => metric('errors_total', '{reason="ECONNREFUSED"}'), PATIENCE).toBeGreaterThan(0);
    await redis.start();
    await expect.poll(() => metric('ready'), PATIENCE).toBe(1);
    expect([await metric('outages_total'), await metric('epochs_total')]).toEqual([1, 1]);
  });

  test('tidegate_backplane_errors_total counts by reason what Redis refused', async () => {
    await using redis = await startRedis();
    await using fixture = await startHub(redis);
    const { hub, metric } = fixture;
    await tell(redis.port, 'CONFIG SET maxmemory 1');
    await expect(hub.publish('a', { data: 'x' })).rejects.toMatchObject({ code: 'backplane-unavailable' });
    expect(await metric('errors_total', '{reason="OOM"}')).toBeGreaterThan(0);
  });

  test('tidegate_backplane_catch_ups_total counts that a message was missed, and nothing is lost by it', async () => {
    await using redis = await startRedis();
    await using fixture = await startHub(redis);
    const { hub, url, metric } = fixture;
    await using client = await StreamClient.open(`${url}/subscribe/a`);
    await hub.publish('a', { data: 'first' });
    expect(await metric('catch_ups_total')).toBe(0);
    // As if events had been placed that this node was not told of.
    await tell(redis.port, `HINCRBY {${PREFIX}}:meta head 5`);
    await hub.publish('a', { data: 'second' });
    await client.until(({ data }) => data.includes('second'));
    expect(client.data).toEqual(['first', 'second']);
    expect(await metric('catch_ups_total')).toBe(1);
  });

  test('tidegate_backplane_messages_refused_total counts what is not of a hub, and the hub goes on', async () => {
    await using redis = await startRedis();
    await using fixture = await startHub(redis);
    const { hub, url, logger, metric } = fixture;
    await using client = await StreamClient.open(`${url}/subscribe/a`);
    await hub.publish('a', { data: 'before' });
    const node = /\{p\}:node:[\w-]+/.exec(await tell(redis.port, 'PUBSUB CHANNELS'))?.[0] ?? '';
    const messages = [
      Buffer.from('{"type":"demo","data":"not for a hub"}'),
      Buffer.from('null'),
      Buffer.from('{"type":"line\\nbreak"}'),
      Buffer.alloc(0),
      Buffer.alloc(10 * 1024 * 1024, 'x'),
      Buffer.alloc(20, 0xff),
    ];
    const channels = ['{p}:events', '{p}:all', node];
    for (const channel of channels) for (const message of messages) await publishRaw(redis.port, channel, message);
    await expect
      .poll(() => metric('messages_refused_total'), PATIENCE)
      // Two of them are JSON objects, which a node leaves alone.
      .toBe(channels.length * messages.length - 2);
    await hub.publish('a', { data: 'after' });
    await client.until(({ data }) => data.includes('after'));
    expect(client.data).toEqual(['before', 'after']);
    expect(await metric('outages_total')).toBe(0);
    expect(logger.lines.filter(({ message }) => message.includes('not of a hub'))).toHaveLength(1);
  });

  test('tidegate_backplane_clock_skew_seconds tells how far the clock is off, and the log says so once', async () => {
    await using redis = await startRedis();
    const clock = { ...systemClock, now: () => Date.now() + 3_600_000 };
    await using fixture = await startHub(redis, { clock });
    expect(await fixture.metric('clock_skew_seconds')).toBeCloseTo(3600, -1);
    expect(fixture.logger.lines.filter(({ message }) => message.includes('clock here is far'))).toHaveLength(1);
    await using punctual = await startHub(redis);
    expect(punctual.hub.ready()).toBeDefined();
    // Of all nodes, the one that is furthest off.
    expect(await punctual.metric('clock_skew_seconds')).toBeCloseTo(3600, -1);
  });
});
