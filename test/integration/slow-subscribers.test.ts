import { expect, test } from 'vitest';

import { checkDelivery } from '../support/checker.js';
import { HubServer } from '../support/hub-server.js';
import { StreamClient } from '../support/stream-client.js';

const KEY_BYTES = 10_000;
const padded = (at: number): string => `${at} `.padEnd(KEY_BYTES, 'x');

test('a subscriber that reads nothing holds nobody up, and is told what it missed when it reads again', async () => {
  await using hub = await HubServer.start({ history: { events: 500 } });
  await using stuck = await (await hub.subscribe('a')).event('tidegate.live');
  await using healthy = await (await hub.subscribe('a')).event('tidegate.live');
  stuck.pause();
  const published: { channel: string; key: string }[] = [];
  for (let at = 0; at < 4000; at += 1) {
    published.push({ channel: 'a', key: padded(at) });
    await hub.hub.publish('a', { data: padded(at) });
    if (at % 50 === 49) await healthy.until(({ data }) => data.length > at - 100);
  }
  await healthy.until(({ data }) => data.length === 4000);
  stuck.resume();
  await stuck.until(({ lastEventId }) => lastEventId === healthy.lastEventId);
  const gap = JSON.parse(stuck.events.find(({ type }) => type === 'tidegate.gap')?.data ?? '{}');
  expect(gap).toMatchObject({ reason: 'too-slow', channel: 'a' });
  const delivered = [healthy, stuck].map((client, at) => ({
    name: ['healthy', 'stuck'][at] ?? '',
    channels: ['a'],
    received: client.received('a'),
  }));
  expect(checkDelivery(published, delivered)).toEqual([]);
  expect((await hub.get('/metrics')).body['text']).toContain('tidegate_gaps_total{reason="too-slow"} 1');
});

test('a hundred stuck subscribers cost the history and what is on its way, not a queue each', async () => {
  const history = { events: 200, bytes: 4 * 1024 * 1024 };
  await using hub = await HubServer.start({ history });
  const stuck = await Promise.all(Array.from({ length: 100 }, () => hub.subscribe('a')));
  for (const client of stuck) (await client.event('tidegate.live')).pause();
  const before = process.memoryUsage();
  // 40 MB: as queues, 4 GB.
  for (let at = 0; at < 4000; at += 1) {
    await hub.hub.publish('a', { data: padded(at) });
    if (at % 20 === 19) await new Promise(setImmediate);
  }
  const after = process.memoryUsage();
  const grown = after.arrayBuffers + after.heapUsed - before.arrayBuffers - before.heapUsed;
  expect(grown).toBeLessThan(64 * 1024 * 1024);
  for (const client of stuck) await client[Symbol.asyncDispose]();
});

test('a subscriber that stays stuck is cut off', async () => {
  await using hub = await HubServer.start({ stallTimeoutMs: 150, heartbeatMs: 80 });
  await using stuck = await (await hub.subscribe('a')).event('tidegate.live');
  stuck.pause();
  for (let at = 0; at < 2000; at += 1) {
    await hub.hub.publish('a', { data: padded(at) });
    if (at % 20 === 19) await new Promise(setImmediate);
  }
  await expect
    .poll(async () => (await hub.get('/metrics')).body['text'], { timeout: 5000 })
    .toContain('tidegate_subscribers 0');
  expect((await hub.get('/metrics')).body['text']).toContain('tidegate_subscribers_stalled_total 1');
});

test('a backfill larger than a flush is sent flush by flush, whole', async () => {
  await using hub = await HubServer.start();
  const published = Array.from({ length: 300 }, (_, at) => ({ channel: 'a', key: padded(at) }));
  for (const { key } of published) await hub.hub.publish('a', { data: key });
  await using client = await StreamClient.open(`${hub.url}/subscribe/a?last=all`);
  await client.event('tidegate.live');
  expect(checkDelivery(published, [{ name: 'late', channels: ['a'], received: client.received('a') }])).toEqual([]);
});
