import { expect, test } from 'vitest';

import { HubServer } from '../support/hub-server.js';

test('a channel that is ended gives its subscribers the rest, says so, and closes', async () => {
  await using hub = await HubServer.start();
  await using client = await (await hub.subscribe('a')).event('tidegate.live');
  await hub.publish('a', 'one');
  const response = await fetch(`${hub.url}/channels/a`, { method: 'DELETE' });
  expect(response.status).toBe(204);
  await client.ended();
  expect(client.data).toEqual(['one']);
  expect(client.events.at(-1)).toMatchObject({ type: 'tidegate.end', data: '{"channel":"a"}' });
});

test('a reconnect after the end gets 204, which keeps a native EventSource away; before it, the rest', async () => {
  await using hub = await HubServer.start();
  await using client = await hub.subscribe('answer');
  await hub.publish('answer', 'to');
  await hub.publish('answer?end=true', 'ken');
  await client.ended();
  const cursorOfFirst = client.events.find(({ data }) => data === 'to')?.lastEventId ?? '';
  expect((await hub.get('/subscribe/answer', { 'Last-Event-ID': client.lastEventId })).status).toBe(204);
  expect((await hub.get('/subscribe/answer')).status).toBe(204);
  await using again = await hub.subscribe('answer', { 'Last-Event-ID': cursorOfFirst });
  await again.ended();
  expect(again.types).toEqual(['tidegate.open', 'message', 'tidegate.end']);
  await using late = await hub.subscribe('answer?last=all');
  await late.ended();
  expect(late.data).toEqual(['to', 'ken']);
  await using last = await hub.subscribe('answer?last=1');
  await last.ended();
  expect(last.data).toEqual(['ken']);
});

test('publishing to a channel that has ended is refused, but for what it holds already', async () => {
  await using hub = await HubServer.start();
  await hub.publishJson('a?end=true', { data: 'x', idempotencyKey: 'k' });
  expect((await hub.publish('a', 'y')).body).toMatchObject({ code: 'channel-ended', status: 409 });
  expect((await hub.publishJson('', { channels: ['b', 'a'], data: 'y' })).body).toMatchObject({
    code: 'channel-ended',
  });
  expect((await hub.get('/channels/b/history')).body['events'] ?? []).toEqual([]);
  // A retry whose first answer was lost.
  expect((await hub.publishJson('a?end=true', { data: 'x', idempotencyKey: 'k' })).body).toMatchObject({
    published: 0,
    duplicates: 1,
  });
});

test('of several channels, the end of one leaves the others; the last one closes', async () => {
  await using hub = await HubServer.start();
  await using client = await (await hub.subscribe('?channel=a&channel=b')).event('tidegate.live');
  await hub.hub.end('a');
  await client.event('tidegate.end');
  await hub.publish('b', 'still here');
  await client.until(({ data }) => data.includes('still here'));
  await hub.hub.end('b');
  await client.ended();
  expect(client.events.filter(({ type }) => type === 'tidegate.end').map(({ data }) => data)).toEqual([
    '{"channel":"a"}',
    '{"channel":"b"}',
  ]);
  expect((await hub.get('/subscribe?channel=a&channel=b', { 'Last-Event-ID': client.lastEventId })).status).toBe(204);
});

test('a channel whose time to live is over ends by itself', async () => {
  await using hub = await HubServer.start({ channelTtlMs: 60, heartbeatMs: 32 });
  await using client = await hub.subscribe('a');
  await hub.publish('a', 'one');
  await client.ended();
  expect(client.types.at(-1)).toBe('tidegate.end');
});

test('ending what has ended changes nothing; ending what was never there is a 404', async () => {
  await using hub = await HubServer.start();
  await hub.publish('a?end=true', 'x');
  const end = (channel: string): Promise<Response> => fetch(`${hub.url}/channels/${channel}`, { method: 'DELETE' });
  expect((await end('a')).status).toBe(204);
  expect((await end('nobody')).status).toBe(404);
  expect((await hub.get('/channels/a')).body).toMatchObject({ isEnded: true, events: 1 });
});
