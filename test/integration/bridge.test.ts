// Several hubs on a real Redis, on which others publish as the notification service had it.
import { describe, expect, test } from 'vitest';

import { BridgingHub } from '../support/bridging-hub.js';
import { hasRedis, startRedis, startRedisCluster, startWatchedRedis, tell } from '../support/redis-server.js';
import { RedisTeller } from '../support/redis-teller.js';
import { StreamClient } from '../support/stream-client.js';

const PATIENCE = { timeout: 15_000 };

const bodyOf = (number: number): string => JSON.stringify({ id: `n${number}`, type: 'note', data: { number } });

/** The numbers of the notes that a client has, in order. */
function numbersOf(client: StreamClient): readonly number[] {
  return client.events
    .filter(({ type }) => type === 'note')
    .map(({ data }) => (JSON.parse(data) as { number: number }).number);
}

const upTo = (count: number): readonly number[] => Array.from({ length: count }, (_, at) => at);

/** Whether everything up to the newest marker is published: then who has just come back counts too. */
async function hasAllMarkers(port: number): Promise<boolean> {
  const values = (await tell(port, 'HMGET {tidegate}:bridge begun term')).split('\r\n');
  return values[2] === values[4];
}

/** Whether the hub was the one that publishes at least once. */
const hasHeld = (hub: BridgingHub): boolean => hub.lines.some(({ message }) => message.includes('bridges Redis'));

/** Resolves when both hubs listen to a Redis that was restarted, and one has gone on there. */
async function untilBridgedAgain(hub: BridgingHub, port: number): Promise<void> {
  await expect.poll(() => tell(port, 'PUBSUB NUMSUB {tidegate}:bridge'), PATIENCE).toContain(':2\r\n');
  await expect.poll(() => hub.metric('bridge_holes_total'), PATIENCE).toBeGreaterThan(0);
  await expect.poll(() => hasAllMarkers(port), PATIENCE).toBe(true);
}

/** Resolves when one of the hubs publishes for all. */
async function untilBridging(hub: BridgingHub): Promise<void> {
  await expect.poll(() => hub.metric('bridge_held'), PATIENCE).toBe(1);
}

describe.skipIf(!hasRedis)('[redis]', () => {
  test('what is published on a Redis channel reaches the user on every hub, once', async () => {
    await using redis = await startRedis();
    await using here = await BridgingHub.start({ url: redis.url });
    await using there = await BridgingHub.start({ url: redis.url });
    await using third = await BridgingHub.start({ url: redis.url });
    await using teller = await RedisTeller.open(redis.port);
    await using ann = await here.connect('shop', 'ann');
    await using annToo = await there.connect('shop', 'ann');
    await using bob = await third.connect('shop', 'bob');
    await untilBridging(here);
    for (const number of upTo(300)) void teller.publish('shop:channel:ann', bodyOf(number));
    for (const client of [ann, annToo])
      await expect.poll(() => numbersOf(client).length, PATIENCE).toBeGreaterThanOrEqual(300);
    await teller.publish('shop:channel:bob', bodyOf(7));
    await expect.poll(() => numbersOf(bob), PATIENCE).toEqual([7]);
    expect([numbersOf(ann), numbersOf(annToo)]).toEqual([upTo(300), upTo(300)]);
    expect(ann.events.find(({ type }) => type === 'note')).toMatchObject({ data: '{"number":0}', lastEventId: 'n0' });
    await using late = await there.connect('shop', 'ann', '?last=all');
    expect(numbersOf(late)).toEqual(upTo(300));
    expect(await here.metric('bridge_published_total')).toBe(301);
  });

  test.each([
    ['{"id":"1","type":"a","data":{"k":"v"}}', 'a', '{"k":"v"}'],
    ['{"id":2,"type":"a","data":[1, 2.50]}', 'a', '[1, 2.50]'],
    ['{"data":"text"}', 'message', '"text"'],
    ['{"id":"","type":"","data":null}', 'message', 'null'],
    ['{"id":null,"type":null,"data":12345678901234567890,"more":1}', 'message', '12345678901234567890'],
  ])('any JSON is data: %s', async (json, type, data) => {
    await using redis = await startRedis();
    await using hub = await BridgingHub.start({ url: redis.url });
    await using teller = await RedisTeller.open(redis.port);
    await using ann = await hub.connect('shop', 'ann');
    await untilBridging(hub);
    await teller.publish('shop:channel:ann', json);
    await expect
      .poll(() => ann.events.find((event) => !event.type.startsWith('tidegate.')), PATIENCE)
      .toMatchObject({ type, data });
  });

  test('what cannot be published is counted by code, said once a second, and holds nothing up', async () => {
    await using redis = await startRedis();
    await using hub = await BridgingHub.start({ url: redis.url });
    await using teller = await RedisTeller.open(redis.port);
    await using ann = await hub.connect('shop', 'ann');
    await untilBridging(hub);
    const to = 'shop:channel:ann';
    const bad: readonly (readonly [code: string, channel: string | Buffer, message: string | Buffer])[] = [
      ['invalid-json', to, 'no JSON'],
      ['invalid-json', to, '["a"]'],
      ['invalid-json', to, ''],
      ['missing-data', to, '{"id":"1"}'],
      ['invalid-event-type', to, '{"type":"a\\nid: 9","data":{}}'],
      ['invalid-event-type', to, '{"type":"tidegate.end","data":{}}'],
      ['invalid-event-type', to, '{"type":{},"data":{}}'],
      ['invalid-id', to, '{"id":"a\\r\\nb","data":{}}'],
      ['invalid-id', to, '{"id":"a\\u0000","data":{}}'],
      ['invalid-id', to, `{"id":"${'x'.repeat(600)}","data":{}}`],
      ['event-too-large', to, `{"data":"${'x'.repeat(10 * 1024 * 1024)}"}`],
      ['event-too-large', to, `{"data":"${'x'.repeat(1024 * 1024)}"}`],
      ['invalid-encoding', to, Buffer.from([0x7b, 0xff, 0x7d])],
      ['invalid-channel', ':channel:ann', '{"data":1}'],
      ['invalid-channel', 'shop:channel:', '{"data":1}'],
      ['invalid-channel', 'shop:channel:ann:channel:eve', '{"data":1}'],
      ['invalid-channel', `shop:channel:${'u'.repeat(257)}`, '{"data":1}'],
      ['invalid-channel', Buffer.concat([Buffer.from('shop:channel:'), Buffer.from([0xff])]), '{"data":1}'],
    ];
    for (const [, channel, message] of bad) await teller.publish(channel, message);
    await teller.publish(to, bodyOf(1));
    await expect.poll(() => numbersOf(ann), PATIENCE).toEqual([1]);
    const codes = bad.map(([code]) => code);
    for (const code of new Set(codes)) {
      const times = codes.filter((one) => one === code).length;
      expect([code, await hub.metric(`bridge_refusals_total{code="${code}"}`)]).toEqual([code, times]);
    }
    const lines = hub.lines.filter(({ message }) => message.includes('Redis channel'));
    expect(lines.length).toBeGreaterThan(0);
    expect(lines.length).toBeLessThanOrEqual(3);
    expect(JSON.stringify(lines)).not.toContain('xxxx');
    expect(ann.types.filter((type) => !type.startsWith('tidegate.'))).toEqual(['note']);
  });

  test('names with odd characters reach who bears them', async () => {
    await using redis = await startRedis();
    await using hub = await BridgingHub.start({ url: redis.url });
    await using teller = await RedisTeller.open(redis.port);
    const names: readonly (readonly [string, string])[] = [
      ['a:b', 'c:d'],
      ['shop/x', '%00'],
      ['läden', '日本'],
      ['a*', '[x]?'],
    ];
    await untilBridging(hub);
    for (const [application, user] of names) {
      await using client = await hub.connect(application, user);
      expect(await teller.publish(`${application}:channel:${user}`, bodyOf(1))).toBe(1);
      await expect.poll(() => numbersOf(client), PATIENCE).toEqual([1]);
    }
  });

  test('a hub whose listening connection is cut again and again leaves nothing out while another listens', async () => {
    await using redis = await startRedis();
    await using here = await BridgingHub.start({ url: redis.url });
    await using there = await BridgingHub.start({ url: redis.url });
    await using teller = await RedisTeller.open(redis.port);
    await using ann = await here.connect('shop', 'ann');
    await untilBridging(here);
    const listeners = async (): Promise<readonly string[]> =>
      [...(await tell(redis.port, 'CLIENT LIST')).matchAll(/^id=(\d+) .* sub=1 psub=1 /gm)].map(([, id = '']) => id);
    for (const number of upTo(400)) {
      await teller.publish('shop:channel:ann', bodyOf(number));
      if (number % 40 !== 20) continue;
      await expect.poll(async () => (await listeners()).length, PATIENCE).toBe(2);
      await expect.poll(() => hasAllMarkers(redis.port), PATIENCE).toBe(true);
      const ids = await listeners();
      // Both have heard all so far: only one at a time is cut.
      await teller.send('CLIENT', 'KILL', 'ID', ids[(number / 40) % 2 < 1 ? 0 : 1] ?? '');
    }
    await expect.poll(() => numbersOf(ann).length, PATIENCE).toBeGreaterThanOrEqual(400);
    expect(numbersOf(ann)).toEqual(upTo(400));
    expect(await there.metric('bridge_holes_total')).toBe(0);
  });

  test('hubs that all believe they are the one publish each message once', async () => {
    await using redis = await startRedis();
    await using here = await BridgingHub.start({ url: redis.url });
    await using there = await BridgingHub.start({ url: redis.url });
    await using third = await BridgingHub.start({ url: redis.url });
    await using teller = await RedisTeller.open(redis.port);
    await using ann = await here.connect('shop', 'ann');
    await untilBridging(here);
    let count = 0;
    // A lease that is gone before its time is taken by whoever looks next, while its holder goes on.
    for (; count < 400 || ![here, there, third].every(hasHeld); count += 1) {
      await teller.publish('shop:channel:ann', bodyOf(count));
      if (count % 5 === 0) await teller.send('DEL', '{tidegate}:bridge:lease');
    }
    await expect.poll(() => numbersOf(ann).length, PATIENCE).toBeGreaterThanOrEqual(count);
    expect(numbersOf(ann)).toEqual(upTo(count));
  });

  test('a Redis that is killed and comes back is bridged again, and what was told before comes once', async () => {
    await using redis = await startRedis(['--appendonly', 'yes', '--appendfsync', 'always']);
    await using here = await BridgingHub.start({ url: redis.url });
    await using there = await BridgingHub.start({ url: redis.url });
    await using ann = await there.connect('shop', 'ann');
    await untilBridging(here);
    await using before = await RedisTeller.open(redis.port);
    await Promise.all(upTo(100).map((number) => before.publish('shop:channel:ann', bodyOf(number))));
    await expect.poll(() => numbersOf(ann).length, PATIENCE).toBe(100);
    await redis.kill();
    await redis.start();
    await untilBridgedAgain(here, redis.port);
    await using after = await RedisTeller.open(redis.port);
    for (const number of upTo(200).slice(100)) await after.publish('shop:channel:ann', bodyOf(number));
    await expect.poll(() => numbersOf(ann).length, PATIENCE).toBeGreaterThanOrEqual(200);
    expect(numbersOf(ann)).toEqual(upTo(200));
  });

  test('of a Redis that is killed under traffic, what hubs had heard is there once, and nothing but the last is lost', async () => {
    await using redis = await startRedis(['--appendonly', 'yes', '--appendfsync', 'always']);
    await using here = await BridgingHub.start({ url: redis.url });
    await using there = await BridgingHub.start({ url: redis.url });
    await using ann = await there.connect('shop', 'ann');
    await untilBridging(here);
    await using before = await RedisTeller.open(redis.port);
    let answered = 0;
    for (const number of upTo(2000))
      void before.publish('shop:channel:ann', bodyOf(number)).then((heard) => (answered += heard === 2 ? 1 : 0));
    await expect.poll(() => answered, { ...PATIENCE, interval: 1 }).toBeGreaterThan(300);
    await redis.kill();
    await redis.start();
    await untilBridgedAgain(here, redis.port);
    await using after = await RedisTeller.open(redis.port);
    await after.publish('shop:channel:ann', bodyOf(5000));
    await expect.poll(() => numbersOf(ann).at(-1), PATIENCE).toBe(5000);
    const first = numbersOf(ann).slice(0, -1);
    expect(first).toEqual(upTo(first.length));
    expect(first.length).toBeGreaterThan(300);
  });

  test('after a failover by Sentinel the new master is bridged', async () => {
    await using watched = await startWatchedRedis();
    const redis = { sentinels: [watched.sentinel] };
    await using here = await BridgingHub.start(redis);
    await using there = await BridgingHub.start(redis);
    await using ann = await there.connect('shop', 'ann');
    await untilBridging(here);
    const [master] = watched.servers;
    await using before = await RedisTeller.open(master?.port ?? 0);
    for (const number of upTo(50)) await before.publish('shop:channel:ann', bodyOf(number));
    await expect.poll(() => numbersOf(ann), PATIENCE).toEqual(upTo(50));
    await expect.poll(() => master?.port && tell(master.port, 'INFO replication'), PATIENCE).toMatch(/lag=[01]\r\n/);
    await master?.kill();
    // What is told until the hubs have found the new master is lost, as nobody listens there.
    let next = 50;
    const tellMasters = async (): Promise<number> => {
      for (const { port } of watched.servers.slice(1)) {
        if (!(await tell(port, 'INFO replication')).includes('role:master')) continue;
        await using teller = await RedisTeller.open(port);
        await teller.publish('shop:channel:ann', bodyOf(next++));
      }
      return numbersOf(ann).length;
    };
    await expect.poll(tellMasters, { timeout: 30_000, interval: 100 }).toBeGreaterThan(60);
    expect(numbersOf(ann)).toEqual([...new Set(numbersOf(ann))].toSorted((a, b) => a - b));
  }, 60_000);

  test('a listed Redis channel goes to a channel of the hub, as it is', async () => {
    await using redis = await startRedis();
    const bridged = { url: redis.url, bridgeUsers: false, bridgeChannels: ['sse', 'a:b=prices'] };
    await using here = await BridgingHub.start(bridged, {
      auth: { mode: 'none' },
      serverProperty: 'server',
      nodeId: 'n1',
    });
    await using there = await BridgingHub.start(bridged, {
      auth: { mode: 'none' },
      serverProperty: 'server',
      nodeId: 'n2',
    });
    await using teller = await RedisTeller.open(redis.port);
    await untilBridging(here);
    const clients = await Promise.all([here, there].map(({ url }) => StreamClient.open(`${url}/sse`)));
    for (const client of clients) await client.event('tidegate.live');
    await teller.publish('sse', '{"price":1.50}');
    await teller.publish('a:b', 'two\nlines');
    for (const [at, client] of clients.entries()) {
      await expect.poll(() => client.data, PATIENCE).toEqual([`{"price":1.50,"server":"n${at + 1}"}`]);
      await client[Symbol.asyncDispose]();
    }
    const page = await (await fetch(`${there.url}/channels/prices/history?last=all`)).json();
    expect((page as { events: { data: string }[] }).events.map(({ data }) => data)).toEqual(['two\nlines']);
  });

  test('on a cluster a message published at any node reaches the user once', async () => {
    await using cluster = await startRedisCluster();
    const url = cluster.nodes.map((node) => node.url).join(',');
    await using here = await BridgingHub.start({ url, cluster: true });
    await using there = await BridgingHub.start({ url, cluster: true });
    await using ann = await there.connect('shop', 'ann');
    await untilBridging(here);
    for (const number of upTo(30)) {
      await using teller = await RedisTeller.open(cluster.nodes[number % 3]?.port ?? 0);
      await teller.publish('shop:channel:ann', bodyOf(number));
    }
    await expect.poll(() => numbersOf(ann).length, PATIENCE).toBeGreaterThanOrEqual(30);
    expect(numbersOf(ann).toSorted((a, b) => a - b)).toEqual(upTo(30));
  });
});
