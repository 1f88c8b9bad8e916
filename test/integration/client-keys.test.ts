// The hashes in Redis by which others see who is connected, as the notification service kept them.
import { describe, expect, test } from 'vitest';

import { DEFAULT_LIMITS } from '../../src/hub/index.js';
import { BridgingHub } from '../support/bridging-hub.js';
import { hasRedis, startRedis, tell } from '../support/redis-server.js';
import { startRedisNode } from '../support/redis-nodes.js';
import { connectionTo } from '../conformance/backplane-fixture.js';

const PATIENCE = { timeout: 15_000 };
const KEY = 'shop:client:ann';

/** The fields and values of a hash, in the order in which they were written. */
async function readHash(port: number, key: string): Promise<readonly string[]> {
  return (await tell(port, `HGETALL ${key}`)).split('\r\n').filter((_, at) => at > 0 && at % 2 === 0);
}

const HASH = ['application_id', 'shop', 'user_id', 'ann', 'channel_id', 'shop:channel:ann'];

describe.skipIf(!hasRedis)('[redis]', () => {
  test('a user has a hash from the first connection to the last, over all hubs', async () => {
    await using redis = await startRedis();
    await using here = await BridgingHub.start({ url: redis.url });
    await using there = await BridgingHub.start({ url: redis.url });
    const first = await here.connect('shop', 'ann');
    expect(await readHash(redis.port, KEY)).toEqual(HASH);
    const second = await there.connect('shop', 'ann');
    expect(await readHash(redis.port, KEY)).toEqual(HASH);
    await using _bob = await there.connect('shop', 'bob');
    await second[Symbol.asyncDispose]();
    // Once the one that left is not listed any more.
    const listed = (): Promise<string> => tell(redis.port, 'HGET {tidegate}:counts u:4:shopann');
    await expect.poll(listed, PATIENCE).toBe('$1\r\n1\r\n');
    expect(await readHash(redis.port, KEY)).toEqual(HASH);
    await first[Symbol.asyncDispose]();
    await expect.poll(() => tell(redis.port, `EXISTS ${KEY}`), PATIENCE).toBe(':0\r\n');
    expect(await tell(redis.port, 'EXISTS shop:client:bob')).toBe(':1\r\n');
  });

  test('a hash goes with the hub that was killed, once its lease is over, unless the user has another connection', async () => {
    await using redis = await startRedis();
    const shared = { urls: [redis.url], prefix: 'p', leaseMs: 3000, bridgeUsers: true };
    await using killed = await startRedisNode(shared);
    await using left = await startRedisNode(shared);
    const identity = { application: 'shop', user: 'ann' };
    const staying = { ...connectionTo('a'), identity };
    await left.join(staying);
    await killed.join({ ...connectionTo('a'), identity });
    await killed.join({ ...connectionTo('a'), identity: { application: 'shop', user: 'bob' } });
    expect(await tell(redis.port, `EXISTS ${KEY} shop:client:bob`)).toBe(':2\r\n');
    // `killed` never renews its lease.
    const upkeep = setInterval(() => left.keepUp(), 50);
    await expect.poll(() => tell(redis.port, 'EXISTS shop:client:bob'), PATIENCE).toBe(':0\r\n');
    expect(await readHash(redis.port, KEY)).toEqual(HASH);
    clearInterval(upkeep);
    left.leave(staying);
    await expect.poll(() => tell(redis.port, `EXISTS ${KEY}`), PATIENCE).toBe(':0\r\n');
  });

  test('of a killed hub with more connections than one script takes back, the hash stays while one is left', async () => {
    await using redis = await startRedis();
    const limits = { ...DEFAULT_LIMITS, connectionsPerUser: 0 };
    const shared = { urls: [redis.url], prefix: 'p', leaseMs: 3000, bridgeUsers: true, limits };
    await using killed = await startRedisNode(shared);
    await using left = await startRedisNode(shared);
    const identity = { application: 'shop', user: 'ann' };
    const staying = { ...connectionTo('a'), identity };
    await left.join(staying);
    await Promise.all(Array.from({ length: 1200 }, () => killed.join({ ...connectionTo('a'), identity })));
    const upkeep = setInterval(() => left.keepUp(), 50);
    await expect.poll(() => tell(redis.port, 'ZCARD {p}:nodes'), PATIENCE).toBe(':1\r\n');
    clearInterval(upkeep);
    expect(await readHash(redis.port, KEY)).toEqual(HASH);
  });

  test('names the Redis channel on which anybody reaches the user', async () => {
    await using redis = await startRedis();
    await using hub = await BridgingHub.start({ url: redis.url });
    await using client = await hub.connect('shop', 'ann');
    const channel = (await readHash(redis.port, KEY)).at(-1) ?? '';
    await tell(redis.port, `PUBLISH ${channel} "{\\"id\\":\\"1\\",\\"type\\":\\"note\\",\\"data\\":{\\"a\\":1}}"`);
    await client.until(({ data }) => data.length > 0);
    expect(client.data).toEqual(['{"a":1}']);
  });

  test('a key of another type is left alone, said once and counted', async () => {
    await using redis = await startRedis();
    await tell(redis.port, `SET ${KEY} theirs`);
    await using hub = await BridgingHub.start({ url: redis.url });
    for (let times = 0; times < 3; times += 1) {
      const client = await hub.connect('shop', 'ann');
      await client[Symbol.asyncDispose]();
    }
    await using _bob = await hub.connect('shop', 'bob');
    expect(await tell(redis.port, 'EXISTS shop:client:bob')).toBe(':1\r\n');
    expect(await tell(redis.port, `GET ${KEY}`)).toBe('$6\r\ntheirs\r\n');
    expect(await hub.metric('client_key_failures_total')).toBe(3);
    expect(hub.lines.filter(({ message }) => message.includes('another type'))).toHaveLength(1);
  });

  test('names that could be read in two ways, or are of the hub itself, get no hash', async () => {
    await using redis = await startRedis();
    await using hub = await BridgingHub.start({ url: redis.url, prefix: 'p' });
    for (const [application, user] of [
      ['a', 'b:client:c'],
      ['a:client:b', 'c'],
      ['a:client', 'client:b'],
      ['a:channel:b', 'c'],
      ['a', 'channel:b:channel:c'],
      ['{p}', 'ann'],
      ['{p}:k', 'ann'],
    ] as const) {
      await using _client = await hub.connect(application, user);
      expect(await tell(redis.port, `EXISTS ${application}:client:${user}`)).toBe(':0\r\n');
    }
    await using _odd = await hub.connect('a:b', 'c d');
    expect(await tell(redis.port, 'EXISTS "a:b:client:c d"')).toBe(':1\r\n');
  });

  test('hashes are there again in a Redis that came back empty', async () => {
    await using redis = await startRedis();
    await using hub = await BridgingHub.start({ url: redis.url });
    await using _client = await hub.connect('shop', 'ann');
    await redis.kill();
    await redis.start();
    await expect.poll(() => readHash(redis.port, KEY), PATIENCE).toEqual(HASH);
  });

  test('no hash is kept where nobody asked for it', async () => {
    await using redis = await startRedis();
    await using hub = await BridgingHub.start({ url: redis.url, bridgeUsers: false });
    await using _client = await hub.connect('shop', 'ann');
    expect(await tell(redis.port, `EXISTS ${KEY}`)).toBe(':0\r\n');
  });
});
