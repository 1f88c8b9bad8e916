import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

import { expect, test } from 'vitest';

import { createHub, listen } from '../../src/hub/index.js';
import { HubServer } from '../support/hub-server.js';
import { StreamClient } from '../support/stream-client.js';

test('/channels lists what has subscribers, by name, page by page; all=true also what only has a history', async () => {
  await using hub = await HubServer.start();
  await using _client = await hub.subscribe('b');
  for (const channel of ['c', 'a', 'b', 'b']) await hub.publish(channel, channel);
  const names = async (query: string) => {
    const { body } = await hub.get(`/channels${query}`);
    return [(body['channels'] as readonly { name: string }[]).map(({ name }) => name), body['next']];
  };
  expect(await names('')).toEqual([['b'], null]);
  expect(await names('?all=true')).toEqual([['a', 'b', 'c'], null]);
  expect(await names('?all=true&limit=2')).toEqual([['a', 'b'], 'b']);
  expect(await names('?all=true&limit=2&after=b')).toEqual([['c'], null]);
  const { body } = await hub.get('/channels/b');
  expect(body).toMatchObject({
    name: 'b',
    subscribers: 1,
    events: 2,
    eventsPerSecond: 0.2,
    isEnded: false,
    head: expect.stringMatching(/^~.*-4$/) as string,
  });
  expect(Date.parse(String(body['oldest']))).toBeGreaterThan(Date.now() - 60_000);
});

test('/channels/{channel}/history gives pages, with what each event was, and says what is lost', async () => {
  await using hub = await HubServer.start({ history: { events: 5 } });
  await hub.publishJson('a', { data: 'lost' });
  await hub.publishJson('a', { id: 'own', event: 'e', data: { x: 1 } });
  for (const data of ['2', '3', '4', '5']) await hub.publish('a', data);
  const first = (await hub.get('/channels/a/history?limit=2')).body;
  expect(first['events']).toMatchObject([
    { id: 'own', event: 'e', data: '{"x":1}' },
    { data: '2', event: 'message' },
  ]);
  const second = (await hub.get(`/channels/a/history?limit=3&since=${String(first['next'])}`)).body;
  expect(second).toMatchObject({ events: [{ data: '3' }, { data: '4' }, { data: '5' }], gaps: [], next: null });
  expect((await hub.get('/channels/a/history?since=1h')).body['gaps']).toMatchObject([{ reason: 'epoch' }]);
  expect((await hub.get('/channels/a/history?since=x')).status).toBe(400);
});

test('health, readiness, metrics and the description of the API', async () => {
  await using hub = await HubServer.start();
  expect((await hub.get('/health')).body).toEqual({ status: 'ok' });
  expect((await hub.get('/ready')).body).toEqual({ status: 'ready' });
  expect((await hub.get('/metrics')).headers.get('content-type')).toContain('text/plain');
  const api = (await hub.get('/openapi.json')).body;
  expect(Object.keys(api['paths'] as object)).toEqual(
    expect.arrayContaining(['/subscribe/{channel}', '/publish/{channel}', '/channels/{channel}/history', '/health']),
  );
});

test('/metrics tells how long events wait, how late the loop is, and what the limits are', async () => {
  await using hub = await HubServer.start({ limits: { connections: 7 } });
  await using client = await (await hub.subscribe('a')).event('tidegate.live');
  await hub.publish('a', 'x');
  await client.until(({ data }) => data.length === 1);
  const text = String((await hub.get('/metrics')).body['text']);
  expect(text).toContain('tidegate_publish_to_flush_seconds_count 1');
  expect(Number(/^tidegate_publish_to_flush_seconds_sum (\S+)$/m.exec(text)?.[1])).toBeGreaterThan(0);
  expect(Number(/^tidegate_event_loop_lag_p99_seconds (\S+)$/m.exec(text)?.[1])).toBeGreaterThanOrEqual(0);
  expect(text).toContain('tidegate_limit{limit="connections"} 7');
});

test('/ sends who takes no HTML to /health', async () => {
  await using hub = await HubServer.start();
  const { status, headers } = await hub.get('/', { Accept: '*/*' });
  expect(status).toBe(301);
  expect(headers.get('location')).toBe('/health');
});

test('createHub() lives in a server that has other work, below a path of its own', async () => {
  await using hub = createHub({ basePath: '/events' });
  const server = createServer((request, response) => {
    if (request.url?.startsWith('/events')) hub.handler(request, response);
    else response.end('the app');
  });
  await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  await using client = await StreamClient.open(`${url}/events/subscribe/a`);
  await hub.publish('a', { event: 'order', data: 'from code' });
  await client.event('order');
  expect(client.data).toEqual(['from code']);
  expect(await (await fetch(`${url}/`)).text()).toBe('the app');
  expect(await (await fetch(`${url}/events/health`)).json()).toEqual({ status: 'ok' });
  expect((await fetch(`${url}/events`, { redirect: 'manual' })).headers.get('location')).toBe('/events/');
  expect(await (await fetch(`${url}/eventsx`)).text()).toContain('not-found');
  await expect(hub.publish('a', { event: 'tidegate.x', data: '' })).rejects.toMatchObject({
    code: 'invalid-event-type',
  });
  await hub.close();
  server.close();
});

test('listen() says which port is taken', async () => {
  await using hub = await HubServer.start();
  await expect(listen(hub.hub, { port: hub.port })).rejects.toMatchObject({ code: 'EADDRINUSE' });
});

test('history over all channels stays within its total', async () => {
  await using hub = await HubServer.start({ history: { totalBytes: 100_000 } });
  for (let at = 0; at < 1000; at += 1) await hub.hub.publish(`channel-${at % 50}`, { data: 'x'.repeat(1000) });
  const { body } = await hub.get('/metrics');
  expect(Number(/^tidegate_history_bytes (\d+)$/m.exec(String(body['text']))?.[1])).toBeLessThanOrEqual(100_000);
});
