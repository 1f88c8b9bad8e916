import { once } from 'node:events';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';

import { describe, expect, test } from 'vitest';

import { systemClock } from '../../src/base/index.js';
import type { Clock } from '../../src/base/index.js';
import { createRedisHub, listen } from '../../src/hub/index.js';
import type { Backplane } from '../../src/hub/backplane/backplane.js';
import { ChannelRules } from '../../src/hub/channel-rules.js';
import type { Connection } from '../../src/hub/connection.js';
import { readFrame } from '../../src/hub/form.js';
import { DEFAULT_HISTORY } from '../../src/hub/limits.js';
import { createCapturingLogger } from '../support/capturing-logger.js';
import { startRedisNode, startRedisNodes } from '../support/redis-nodes.js';
import { hasRedis, startRedis, startRedisCluster, startWatchedRedis, tell } from '../support/redis-server.js';
import { StreamClient } from '../support/stream-client.js';
import { connectionTo } from '../conformance/backplane-fixture.js';

const PATIENCE = { timeout: 15_000 };

function publish(node: Backplane, channel: string, data: string) {
  return node.publish({ channels: [channel], events: [{ data }] });
}

function dataOf(node: Backplane, channel: string): readonly string[] {
  const frames = node.store.channels.get(channel)?.history.framesAfter(0) ?? [];
  return Array.from(frames, (frame) => readFrame(frame).data);
}

function connectionOf(application: string, user: string): Connection {
  return { ...connectionTo('a'), identity: { application, user } };
}

async function callsOf(port: number, command: string): Promise<number> {
  const text = await tell(port, 'INFO commandstats');
  return Number(new RegExp(`^cmdstat_${command}:calls=(\\d+)`, 'm').exec(text)?.[1] ?? 0);
}

function clockAhead(byMs: number): Clock {
  return { ...systemClock, now: () => Date.now() + byMs };
}

function refusalOf(url: string, prefix = 'p'): Promise<string> {
  return createRedisHub({ redis: { url, prefix } }).then(
    () => 'none',
    (error: Error) => error.message,
  );
}

/** Upkeep as a hub does it, until the returned function is called. */
function keepUp(...nodes: readonly Backplane[]): Disposable {
  const timer = setInterval(() => nodes.forEach((node) => node.keepUp()), 50);
  return { [Symbol.dispose]: () => clearInterval(timer) };
}

describe.skipIf(!hasRedis)('[redis]', () => {
  test('a node whose listening connection is cut again and again misses nothing and repeats nothing', async () => {
    await using redis = await startRedis();
    await using fixture = await startRedisNodes({ urls: [redis.url] });
    const [here, there] = fixture.nodes;
    await there.join(connectionTo('a', 'b'));
    const sent: string[] = [];
    for (let number = 0; number < 400; number += 1) {
      if (number % 50 === 10) await tell(redis.port, 'CLIENT KILL TYPE pubsub');
      const data = String(number);
      sent.push(data);
      await publish(here, number % 3 === 0 ? 'b' : 'a', data).catch(() =>
        publish(here, number % 3 === 0 ? 'b' : 'a', data),
      );
    }
    await expect.poll(() => dataOf(there, 'a'), PATIENCE).toEqual(sent.filter((data) => Number(data) % 3 !== 0));
    await expect.poll(() => dataOf(there, 'b'), PATIENCE).toEqual(sent.filter((data) => Number(data) % 3 === 0));
  });

  test('a Redis that comes back empty begins another epoch, and no offset is used twice', async () => {
    await using redis = await startRedis();
    await using fixture = await startRedisNodes({ urls: [redis.url] });
    const [here, there] = fixture.nodes;
    const [channel] = await there.join(connectionTo('a'));
    const [before] = await publish(here, 'a', 'before');
    await expect.poll(() => dataOf(there, 'a')).toEqual(['before']);
    const { epoch, headOffset } = there.store;
    await redis.kill();
    await expect.poll(() => [here.isReady, there.isReady], PATIENCE).toEqual([false, false]);
    expect(dataOf(there, 'a')).toEqual(['before']);
    await redis.start();
    await expect.poll(() => [here.isReady, there.isReady], PATIENCE).toEqual([true, true]);
    expect(here.store.epoch).toBe(there.store.epoch);
    expect(there.store.epoch).not.toBe(epoch);
    expect(channel?.history.evictedOffset).toBeGreaterThan(headOffset);
    expect(there.store.epochAt(headOffset)).toBe(epoch);
    const [after] = await publish(here, 'a', 'after');
    await expect.poll(() => dataOf(there, 'a')).toEqual(['after']);
    const offsets = [before, after].map((published) => Number(published?.cursor.split('-')[1]));
    expect(offsets[1]).toBeGreaterThan(offsets[0] ?? 0);
    const page = { after: '', limit: 9, isAll: false, visible: ['*'] };
    expect((await here.listChannels(page)).channels).toMatchObject([{ name: 'a', subscribers: 1 }]);
  });

  test('a Redis that comes back with less than was told begins another epoch above what was told', async () => {
    await using redis = await startRedis();
    const prefix = 'p';
    await using fixture = await startRedisNodes({ urls: [redis.url], prefix });
    const [here, there] = fixture.nodes;
    await there.join(connectionTo('a'));
    for (let number = 0; number < 20; number += 1) await publish(here, 'a', String(number));
    await expect.poll(() => there.store.headOffset).toBe(20);
    const { epoch } = there.store;
    // As a failover to a replica that lagged would leave it.
    await tell(redis.port, `HSET {${prefix}}:meta head 15`);
    await tell(redis.port, 'CLIENT KILL TYPE pubsub');
    await expect
      .poll(() => [here, there].every((node) => node.isReady && node.store.epoch !== epoch), PATIENCE)
      .toBe(true);
    expect(here.store.epoch).toBe(there.store.epoch);
    const [published] = await publish(here, 'a', 'new');
    expect(Number(published?.cursor.split('-')[1])).toBeGreaterThan(20);
  });

  test('while Redis is away a publish is refused in time, and with a code', async () => {
    await using redis = await startRedis();
    await using node = await startRedisNode({ urls: [redis.url], commandTimeoutMs: 200 });
    await redis.kill();
    await expect.poll(() => node.isReady).toBe(false);
    await expect(publish(node, 'a', 'x')).rejects.toMatchObject({ code: 'backplane-unavailable' });
    await expect(node.join(connectionTo('a'))).rejects.toMatchObject({ code: 'backplane-unavailable' });
  });

  test('a publish that waits is placed once Redis is back, and only once', async () => {
    await using redis = await startRedis(['--appendonly', 'yes', '--appendfsync', 'always']);
    await using node = await startRedisNode({ urls: [redis.url], commandTimeoutMs: 10_000 });
    await node.join(connectionTo('a'));
    await redis.kill();
    await expect.poll(() => node.isReady).toBe(false);
    const waiting = publish(node, 'a', 'patient');
    await redis.start();
    expect((await waiting)[0]?.isDuplicate).toBe(false);
    await expect.poll(() => dataOf(node, 'a')).toEqual(['patient']);
  });

  test('what a node had counted is taken back once its lease is over', async () => {
    await using redis = await startRedis();
    const shared = { urls: [redis.url], prefix: 'p', leaseMs: 1000 };
    await using survivor = await startRedisNode(shared);
    await using dying = await startRedisNode(shared);
    const ann = connectionOf('app', 'ann');
    await survivor.join(connectionTo('tidegate.connections.app'));
    await dying.join(ann);
    await dying.join(connectionTo('b'));
    const listed = async () => (await survivor.listConnections({ application: 'app', limit: 9 })).connections;
    expect(await listed()).toEqual([ann]);
    // A node that nobody keeps up does not renew its lease.
    using _upkeep = keepUp(survivor);
    await expect.poll(listed, PATIENCE).toEqual([]);
    await expect.poll(() => dataOf(survivor, 'tidegate.connections.app').length, PATIENCE).toBe(2);
    // Its own one connection, and the channel of that.
    const counted = await tell(redis.port, 'HGETALL {p}:counts');
    expect(counted.match(/^(?:t|c:.*|u:.*)\r\n\$\d+\r\n\d+/gm)?.toSorted()).toEqual([
      'c:tidegate.connections.app\r\n$1\r\n1',
      't\r\n$1\r\n1',
    ]);
  });

  test('a node that was thought dead is counted again as it is', async () => {
    await using redis = await startRedis();
    const shared = { urls: [redis.url], prefix: 'p', leaseMs: 1000 };
    await using first = await startRedisNode(shared);
    await using second = await startRedisNode(shared);
    await first.join(connectionOf('app', 'ann'));
    const listed = async () => (await second.listConnections({ application: 'app', limit: 9 })).connections.length;
    {
      using _upkeep = keepUp(second);
      await expect.poll(listed, PATIENCE).toBe(0);
    }
    using _upkeep = keepUp(first, second);
    await expect.poll(listed, PATIENCE).toBe(1);
    expect(await tell(redis.port, 'HGET {p}:counts t')).toContain('1\r\n');
  });

  test('a thousand who come back to one channel have it read once', async () => {
    await using redis = await startRedis();
    await using fixture = await startRedisNodes({ urls: [redis.url] });
    const [here, there] = fixture.nodes;
    for (let number = 0; number < 100; number += 1) await publish(here, 'a', String(number));
    const before = await callsOf(redis.port, 'lrange');
    await Promise.all(Array.from({ length: 1000 }, () => there.join(connectionTo('a'))));
    expect(dataOf(there, 'a')).toHaveLength(100);
    // A hundred events are read in four steps of one script.
    expect((await callsOf(redis.port, 'lrange')) - before).toBe(4);
  });

  test('clocks that are hours apart neither age a history nor turn time back', async () => {
    await using redis = await startRedis();
    const shared = { urls: [redis.url], prefix: 'p', history: { ...DEFAULT_HISTORY, ageMs: 60_000 } };
    await using late = await startRedisNode({ ...shared, clock: clockAhead(-3_600_000) });
    await using early = await startRedisNode({ ...shared, clock: clockAhead(3_600_000) });
    await early.join(connectionTo('a'));
    for (const node of [early, late, early, late]) await publish(node, 'a', 'x');
    await expect.poll(() => early.store.headOffset).toBe(4);
    early.keepUp();
    expect(dataOf(early, 'a')).toHaveLength(4);
    const times = [...(early.store.channels.get('a')?.history.framesAfter(0) ?? [])].map(({ timeMs }) => timeMs);
    expect(times).toEqual(times.toSorted((a, b) => a - b));
    for (const timeMs of times) expect(Math.abs(timeMs - Date.now())).toBeLessThan(60_000);
  });

  test('a channel with one event of 200 bytes takes less than 1 KB of Redis', async () => {
    await using redis = await startRedis();
    await using node = await startRedisNode({ urls: [redis.url] });
    const used = async () => Number(/used_memory:(\d+)/.exec(await tell(redis.port, 'INFO memory'))?.[1]);
    const channels = 20_000;
    const before = await used();
    const data = 'x'.repeat(200);
    for (let from = 0; from < channels; from += 100) {
      const names = Array.from({ length: 100 }, (_, at) => `users.user-${from + at}`);
      await Promise.all(names.map((name) => publish(node, name, data)));
    }
    expect(((await used()) - before) / channels).toBeLessThan(1024);
  });

  test('a quiet channel ends by itself, and what is old is forgotten, but for that it was there', async () => {
    await using redis = await startRedis();
    const history = { ...DEFAULT_HISTORY, ageMs: 1500 };
    await using node = await startRedisNode({ urls: [redis.url], history, channelTtlMs: 300 });
    using _upkeep = keepUp(node);
    const [channel] = await node.join(connectionTo('a'));
    await publish(node, 'a', 'x');
    await publish(node, 'b', 'x');
    await expect.poll(() => channel?.isEnded, PATIENCE).toBe(true);
    const page = { after: '', limit: 9, isAll: true, visible: ['*'] };
    await expect
      .poll(async () => (await node.listChannels(page)).channels.map(({ name }) => name), PATIENCE)
      .not.toContain('b');
    const [again] = await node.join(connectionTo('b'));
    expect(again?.history.evictedOffset).toBeGreaterThan(0);
  });

  test('a channel that a version before this one has written, without a publisher, goes on', async () => {
    await using redis = await startRedis();
    await using node = await startRedisNode({ urls: [redis.url], prefix: 'p' });
    await publish(node, 'a', 'old');
    const shorten = "redis.call('LSET', KEYS[1], 0, string.sub(redis.call('LINDEX', KEYS[1], 0), 1, 73))";
    await tell(redis.port, `EVAL "${shorten}" 1 {p}:c:a`);
    await publish(node, 'a', 'new');
    const [channel] = await node.join(connectionTo('a'));
    expect(channel?.eventCount).toBe(2);
  });

  test('of more than 100,000 forgotten names the newest losses are kept by name, in some 20 MB', async () => {
    await using redis = await startRedis();
    const losses = '2 {p}:lost {p}:lost:order';
    const fill = `for at = 1, 100000 do
      redis.call('HSET', KEYS[1], 'n' .. at, struct.pack('<dd', at, at))
      redis.call('ZADD', KEYS[2], at, 'n' .. at)
    end`;
    await tell(redis.port, `EVAL "${fill.replaceAll(/\s+/g, ' ')}" ${losses}`);
    await tell(redis.port, 'HSET {p}:meta head 200000');
    const history = { ...DEFAULT_HISTORY, ageMs: 100 };
    await using node = await startRedisNode({ urls: [redis.url], history, prefix: 'p' });
    await publish(node, 'a', 'x');
    const page = { after: '', limit: 9, isAll: true, visible: ['*'] };
    await expect.poll(async () => (await node.listChannels(page)).channels, PATIENCE).toEqual([]);
    const joined = await node.join(connectionTo('a', 'n1', 'n2', 'n100000', 'never'));
    expect(joined.map(({ history: { evictedOffset } }) => evictedOffset)).toEqual([200_001, 1, 2, 100_000, 1]);
    const bytesOf = async (key: string) =>
      Number(/\d+/.exec(await tell(redis.port, `MEMORY USAGE ${key} SAMPLES 0`))?.[0]);
    expect((await bytesOf('{p}:lost')) + (await bytesOf('{p}:lost:order'))).toBeLessThan(25e6);
  });

  test('a Redis whose memory is full refuses publishes for as long as it is', async () => {
    await using redis = await startRedis();
    await using node = await startRedisNode({ urls: [redis.url] });
    await node.join(connectionTo('a'));
    await tell(redis.port, 'CONFIG SET maxmemory 1');
    await expect(publish(node, 'a', 'x')).rejects.toMatchObject({ code: 'backplane-unavailable' });
    await tell(redis.port, 'CONFIG SET maxmemory 0');
    await publish(node, 'a', 'y');
    await expect.poll(() => dataOf(node, 'a')).toEqual(['y']);
  });

  test('a channel that keeps the newest of each key has just those, however old, on a node that comes later', async () => {
    await using redis = await startRedis();
    const rules = new ChannelRules([{ match: 'prices', slow: 'latest', key: '/s' }]);
    const shared = { urls: [redis.url], prefix: 'p', rules, history: { ...DEFAULT_HISTORY, ageMs: 200 } };
    await using first = await startRedisNode(shared);
    using _upkeep = keepUp(first);
    const told = ['a', 'b', 'a', 'c', 'b', 'a'].map((s, price) => ({ data: JSON.stringify({ s, price }) }));
    await first.publish({ channels: ['prices'], events: told.slice(0, 3) });
    for (const event of told.slice(3)) await first.publish({ channels: ['prices'], events: [event] });
    await publish(first, 'other', 'x');
    // By then the prices are older than anything else may get.
    const all = async () => (await first.listChannels({ after: '', limit: 9, isAll: true, visible: ['*'] })).channels;
    await expect.poll(async () => (await all()).map(({ name }) => name), PATIENCE).toEqual(['prices']);
    await using second = await startRedisNode(shared);
    await second.join(connectionTo('prices'));
    expect(dataOf(second, 'prices')).toEqual([3, 4, 5].map((at) => told[at]?.data));
    expect((await all())[0]).toMatchObject({ events: 3 });
    expect(await tell(redis.port, 'LLEN {p}:c:prices')).toContain(':4\r\n');
  });

  test('on a cluster, messages go by sharded pub/sub from Redis 7 on, and a cut connection is made up for', async () => {
    await using cluster = await startRedisCluster();
    const urls = cluster.nodes.map(({ url }) => url);
    await using fixture = await startRedisNodes({ urls, isCluster: true });
    const [here, there] = fixture.nodes;
    await there.join(connectionTo('a'));
    for (let number = 0; number < 50; number += 1) {
      if (number === 25) for (const { port } of cluster.nodes) await tell(port, 'CLIENT KILL TYPE pubsub');
      const send = () => publish(here, 'a', String(number));
      await send().catch(send);
    }
    await expect.poll(() => dataOf(there, 'a'), PATIENCE).toEqual(Array.from({ length: 50 }, (_, at) => String(at)));
    const told = await tell(cluster.nodes[0]?.port ?? 0, 'INFO server');
    const command = told.includes('redis_version:6.') ? 'publish' : 'spublish';
    const calls = await Promise.all(cluster.nodes.map(({ port }) => callsOf(port, command)));
    expect(Math.max(...calls)).toBeGreaterThan(49);
  });
});

describe.skipIf(!hasRedis)('[redis] with Sentinel', () => {
  test('a failover under traffic loses no event that a replica had', { timeout: 60_000 }, async () => {
    await using redis = await startWatchedRedis();
    const [host = '', port = ''] = redis.sentinel.split(':');
    const options = { urls: ['redis://unused'], sentinels: [{ host, port: Number(port) }], master: 'mymaster' };
    await using fixture = await startRedisNodes({ ...options, waitReplicas: 1, commandTimeoutMs: 1000 });
    const [here, there] = fixture.nodes;
    await there.join(connectionTo('a'));
    const seen = new Map<number, string>();
    there.store.onChanged = ({ history }) => {
      for (const frame of history.framesAfter(0)) seen.set(frame.offset, readFrame(frame).data);
    };
    const acknowledged: string[] = [];
    const killAt = 50;
    for (let number = 0; acknowledged.length < 150; number += 1) {
      if (acknowledged.length === killAt) await redis.servers[0]?.kill();
      const data = String(number);
      await publish(here, 'a', data).then(
        () => acknowledged.push(data),
        () => undefined,
      );
    }
    const inOrder = () => [...seen].toSorted(([a], [b]) => a - b).map(([, data]) => data);
    await expect.poll(() => inOrder().at(-1), PATIENCE).toBe(acknowledged.at(-1));
    const known = new Set(acknowledged);
    expect(inOrder().filter((data) => known.has(data))).toEqual(acknowledged);
  });
});

describe.skipIf(!hasRedis)('[redis] createRedisHub()', () => {
  test('says in one sentence that the password is wrong, and never says the password', async () => {
    await using redis = await startRedis(['--requirepass', 'right']);
    const sentence = await refusalOf(`redis://:wrong-secret@127.0.0.1:${redis.port}`);
    const at = `Cannot connect to Redis at 127.0.0.1:${redis.port}`;
    expect(sentence).toBe(`${at}: it refuses the user and password. Correct them in redis.url.`);
    expect(await refusalOf(redis.url)).toContain(`${at}: it wants a password.`);
    await using hub = await createRedisHub({ redis: { url: `redis://:right@127.0.0.1:${redis.port}` } });
    expect((await hub.publish('a', { data: 'x' })).isDuplicate).toBe(false);
  });

  test('refuses a replica, and a key that is not its own', async () => {
    await using master = await startRedis();
    await using replica = await startRedis(['--replicaof', '127.0.0.1', String(master.port)]);
    expect(await refusalOf(replica.url)).toContain('it is a replica');
    await tell(master.port, 'SET {p}:meta text');
    expect(await refusalOf(master.url)).toContain('its key {p}:meta is a string');
    await tell(master.port, 'SET {q}:channels text');
    await using hub = await createRedisHub({ redis: { url: master.url, prefix: 'q' } });
    await expect(hub.publish('a', { data: 'x' })).rejects.toThrow('WRONGTYPE');
  });

  test('says within 3 s where nobody listens', async () => {
    const redis = await startRedis();
    await redis[Symbol.asyncDispose]();
    const startedMs = performance.now();
    const url = `redis://user:hunter2@127.0.0.1:${redis.port}`;
    expect(await refusalOf(url)).toBe(
      `Cannot connect to Redis at 127.0.0.1:${redis.port}: connection refused. Start it or set redis.url.`,
    );
    expect(performance.now() - startedMs).toBeLessThan(3000);
    expect(await refusalOf('redis://:hunter2@redis.invalid')).toMatch(
      /^Cannot connect to Redis at redis.invalid:6379: there is no such host. Correct redis.url.$/,
    );
  });

  test('says within 3 s that TLS is spoken on one side only, or that nothing answers', async () => {
    await using redis = await startRedis();
    const startedMs = performance.now();
    const sentence = await refusalOf(`rediss://:hunter2@127.0.0.1:${redis.port}`);
    expect(sentence).toMatch(/^Cannot connect to Redis at 127.0.0.1:\d+: .*rediss:\/\//);
    const silent = createServer().listen(0, '127.0.0.1');
    await once(silent, 'listening');
    const { port } = silent.address() as AddressInfo;
    const silence = await refusalOf(`redis://:hunter2@127.0.0.1:${port}`);
    expect(silence).toContain(`Cannot connect to Redis at 127.0.0.1:${port}: it does not answer`);
    expect(silence).not.toContain('hunter2');
    expect(performance.now() - startedMs).toBeLessThan(6000);
    silent.close();
  });

  test('keeps its subscribers while Redis is away, and tells them in place that another epoch has begun', async () => {
    await using redis = await startRedis();
    await using hub = await createRedisHub({ redis: { url: redis.url, commandTimeoutMs: 200 } });
    const server = await listen(hub, { port: 0 });
    const status = async (): Promise<number> => (await fetch(`${server.url}/ready`)).status;
    await using client = await StreamClient.open(`${server.url}/subscribe/a`);
    await hub.publish('a', { data: 'before' });
    await client.until(({ data }) => data.includes('before'));
    const cursor = client.lastEventId;
    await redis.kill();
    await expect.poll(status).toBe(503);
    const body = await fetch(`${server.url}/publish/a`, { method: 'POST', body: 'x' });
    expect([body.status, body.headers.get('retry-after')]).toEqual([503, '2']);
    await redis.start();
    await expect.poll(status, PATIENCE).toBe(200);
    await client.event('tidegate.gap');
    await hub.publish('a', { data: 'after' });
    await client.until(({ data }) => data.includes('after'));
    const gap = client.events.find(({ type }) => type === 'tidegate.gap');
    expect(JSON.parse(gap?.data ?? '')).toMatchObject({ reason: 'epoch', channel: 'a', requested: cursor });
    expect(client.data).toEqual(['before', 'after']);
    await server.close();
  });

  test('warns of a Redis that keeps no file, or gives up keys', async () => {
    await using redis = await startRedis(['--maxmemory', '100mb', '--maxmemory-policy', 'allkeys-lru']);
    const logger = createCapturingLogger();
    await using _hub = await createRedisHub({ logger, redis: { url: redis.url } });
    const said = logger.lines.map(({ message }) => message).join('\n');
    expect(said).toContain('appendonly no');
    expect(said).toContain('allkeys-lru');
  });
});
