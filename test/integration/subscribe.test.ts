import { expect, test } from 'vitest';

import { HubServer } from '../support/hub-server.js';

test('a stream opens with its cursor, its channels and a retry, in one write', async () => {
  await using hub = await HubServer.start({ retryMs: 1234 });
  await using client = await (await hub.subscribe('a')).event('tidegate.live');
  expect(client.status).toBe(200);
  expect(client.headers).toMatchObject({
    'content-type': 'text/event-stream; charset=utf-8',
    'cache-control': 'no-cache, no-transform',
    'x-accel-buffering': 'no',
  });
  expect(client.types).toEqual(['tidegate.open', 'tidegate.live']);
  expect(JSON.parse(client.events[0]?.data ?? '')).toEqual({ channels: ['a'], heartbeatMs: 15_000 });
  expect(client.lastEventId).toMatch(/^~[0-9a-z]{10}-0$/);
  expect(client.retries).toEqual([1234]);
  expect(client.reads).toBe(1);
});

test('events come with their cursor as id, in order, also when nobody was there at the time', async () => {
  await using hub = await HubServer.start();
  await using client = await hub.subscribe('a');
  await client.event('tidegate.live');
  for (let at = 1; at <= 50; at += 1) await hub.publish('a', `event ${at}`);
  await client.until(({ data }) => data.length === 50);
  expect(client.data).toEqual(Array.from({ length: 50 }, (_, at) => `event ${at + 1}`));
  const ids = client.events.slice(2).map(({ lastEventId }) => lastEventId);
  expect(ids.map((id) => Number(id.split('-')[1]))).toEqual(Array.from({ length: 50 }, (_, at) => at + 1));
});

test('a publisher’s own id goes out as it is, and the cursor follows', async () => {
  await using hub = await HubServer.start();
  await using client = await hub.subscribe('a');
  const { body } = await hub.publishJson('a', { id: 'order-17', event: 'order', data: { total: 1 } });
  await client.event('tidegate.cursor');
  expect(client.events.slice(-2)).toEqual([
    { type: 'order', data: '{"total":1}', lastEventId: 'order-17' },
    { type: 'tidegate.cursor', data: '{}', lastEventId: body['cursor'] },
  ]);
  expect(body['id']).toBe('order-17');
});

test('an idle stream gets comments, which leave its id alone; a busy one gets none', async () => {
  await using hub = await HubServer.start({ heartbeatMs: 40 });
  await using client = await hub.subscribe('a');
  await client.until(({ comments }) => comments.length >= 3);
  expect(client.lastEventId).toMatch(/-0$/);
  expect(client.types).toEqual(['tidegate.open', 'tidegate.live']);
});

test('a burst of events in one turn is one write per subscriber', async () => {
  await using hub = await HubServer.start();
  const clients = await Promise.all(Array.from({ length: 20 }, () => hub.subscribe('a')));
  for (const client of clients) await client.event('tidegate.live');
  const writesBefore = await metric(hub, 'tidegate_writes_total');
  const lines = Array.from({ length: 100 }, (_, at) => JSON.stringify({ data: `event ${at}` }));
  await hub.publish('a', lines.join('\n'), { 'Content-Type': 'application/x-ndjson' });
  for (const client of clients) await client.until(({ data }) => data.length === 100);
  expect((await metric(hub, 'tidegate_writes_total')) - writesBefore).toBe(20);
  expect(await metric(hub, 'tidegate_events_delivered_total')).toBe(2000);
  for (const client of clients) {
    expect(client.reads).toBe(2);
    await client[Symbol.asyncDispose]();
  }
});

test('envelope=json says in the data which channel an event came from, and ends each flush with the cursor', async () => {
  await using hub = await HubServer.start();
  await using client = await hub.subscribe('a?envelope=json');
  const { body } = await hub.publishJson('a', { event: 'price', data: { x: 1 }, retry: 770 });
  await client.event('tidegate.cursor');
  const [event, cursor] = client.events.slice(-2);
  expect(event?.type).toBe('price');
  expect(JSON.parse(event?.data ?? '')).toEqual({ channel: 'a', id: body['id'], event: 'price', data: '{"x":1}' });
  expect(cursor).toEqual({ type: 'tidegate.cursor', data: '{}', lastEventId: body['cursor'] });
  expect(client.retries).toContain(770);
});

test('an event to several channels reaches the subscribers of each', async () => {
  await using hub = await HubServer.start();
  await using a = await hub.subscribe('a');
  await using b = await hub.subscribe('b');
  const { body } = await hub.publishJson('', { channels: ['a', 'b'], data: 'both' });
  expect(body['events']).toMatchObject([
    { channel: 'a', published: 1 },
    { channel: 'b', published: 1 },
  ]);
  await a.until(({ data }) => data.includes('both'));
  await b.until(({ data }) => data.includes('both'));
});

test('the hub lets go of a subscriber that leaves, and of a channel that has nothing left', async () => {
  await using hub = await HubServer.start();
  const client = await hub.subscribe('a');
  expect((await hub.get('/channels')).body).toMatchObject({ channels: [{ name: 'a', subscribers: 1 }] });
  await client[Symbol.asyncDispose]();
  await expect.poll(() => metric(hub, 'tidegate_subscribers')).toBe(0);
  expect(await metric(hub, 'tidegate_channels')).toBe(0);
});

async function metric(hub: HubServer, name: string): Promise<number> {
  const { body } = await hub.get('/metrics');
  return Number(new RegExp(`^${name} (\\d+)$`, 'm').exec(String(body['text']))?.[1]);
}
