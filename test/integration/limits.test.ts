import { expect, test } from 'vitest';

import { HubServer } from '../support/hub-server.js';

test('limits.connectionsPerAddress refuses one address more, and takes it when one has gone', async () => {
  await using hub = await HubServer.start({ limits: { connectionsPerAddress: 2 } });
  await using _first = await (await hub.subscribe('a')).event('tidegate.live');
  const second = await (await hub.subscribe('b')).event('tidegate.live');
  const refused = await hub.get('/subscribe/c');
  expect(refused.status).toBe(429);
  expect(refused.body['code']).toBe('too-many-connections-from-address');
  expect(refused.headers.get('retry-after')).not.toBeNull();
  await second[Symbol.asyncDispose]();
  await expect.poll(async () => (await hub.get('/metrics')).body['text']).toContain('tidegate_subscribers 1\n');
  await using _third = await (await hub.subscribe('c')).event('tidegate.live');
});

test('a refused subscription is counted nowhere and leaves no channel behind', async () => {
  await using hub = await HubServer.start({ limits: { connectionsPerAddress: 1, channels: 2 } });
  for (let tried = 0; tried < 3; tried += 1) {
    expect((await hub.get('/subscribe?channel=a&channel=b&channel=c')).body['code']).toBe('too-many-channels');
    expect((await hub.get('/subscribe/a?since=nonsense')).body['code']).toBe('invalid-cursor');
  }
  expect((await hub.get('/channels?all=true')).body['channels']).toEqual([]);
  await using _client = await (await hub.subscribe('a')).event('tidegate.live');
});

test('limits.publishPerSecond lets a batch through whole, then refuses until its debt is paid', async () => {
  let nowMs = 1_000_000;
  const clock = { now: () => nowMs, after: () => () => undefined };
  await using hub = await HubServer.start({ limits: { publishPerSecond: 10 }, clock });
  const batch = Array.from({ length: 30 }, (_, at) => JSON.stringify({ data: String(at) })).join('\n');
  const ndjson = { 'Content-Type': 'application/x-ndjson' };
  expect((await hub.publish('a', batch, ndjson)).body['published']).toBe(30);
  const refused = await hub.publish('a', 'one more');
  expect(refused.status).toBe(429);
  expect(refused.body['code']).toBe('publish-rate-exceeded');
  expect(refused.headers.get('retry-after')).not.toBeNull();
  nowMs += 2000;
  expect((await hub.publish('a', 'too early')).status).toBe(429);
  nowMs += 100;
  expect((await hub.publish('a', 'now')).status).toBe(200);
  expect((await hub.get('/channels/a')).body['events']).toBe(31);
  // The program that the hub is embedded in is no publisher that could be too fast.
  for (let at = 0; at < 50; at += 1) await hub.hub.publish('a', { data: 'own' });
});

test('every limit is a metric', async () => {
  await using hub = await HubServer.start();
  const metrics = String((await hub.get('/metrics')).body['text']);
  for (const limit of ['connections', 'connectionsPerAddress', 'publishPerSecond', 'channels', 'channelsPerConnection'])
    expect(metrics).toContain(`tidegate_limit{limit="${limit}"}`);
  for (const limit of ['eventBytes', 'historyEvents', 'historyBytes', 'historyAgeMs', 'historyTotalBytes'])
    expect(metrics).toContain(`tidegate_limit{limit="${limit}"}`);
});
