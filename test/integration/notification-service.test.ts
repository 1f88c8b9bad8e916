// What clients of the notification service that Tidegate replaces rely on, asked for as they ask.
import { expect, test } from 'vitest';

import { mintToken } from '../../src/hub/index.js';
import type { HubOptions } from '../../src/hub/index.js';
import { HubServer } from '../support/hub-server.js';
import { StreamClient } from '../support/stream-client.js';

const SECRET = 'a secret of more than thirty-two bytes, for tests alone';

function startHub(options: HubOptions = {}): Promise<HubServer> {
  const auth = { mode: 'jwt', token: { keys: { algorithm: 'HS256', secret: SECRET } } } as const;
  return HubServer.start({ auth, heartbeatMs: 100, pingMs: 200, ...options });
}

const tokenOf = (application: string, user: string): Promise<string> =>
  mintToken({ secret: SECRET, application, user, lifetimeMs: 60_000, nowMs: Date.now() });

const isPing = ({ type }: { readonly type: string }): boolean => type === 'ping';

test('GET /sse takes the token from the query and says who the connection is', async () => {
  await using hub = await startHub();
  await using client = await StreamClient.open(`${hub.url}/sse?Authorization=${await tokenOf('shop', 'ann')}`);
  expect(client.status).toBe(200);
  expect(client.headers['content-type']).toBe('text/event-stream; charset=utf-8');
  expect(client.headers['x-connection-id']).toMatch(/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/);
  const refused = await fetch(`${hub.url}/sse?Authorization=nonsense`);
  expect(refused.status).toBe(401);
  expect((await fetch(`${hub.url}/sse`)).status).toBe(401);
});

test('GET /sse gets a ping event now and then, which leaves the Last-Event-ID as it is', async () => {
  await using hub = await startHub();
  const url = `${hub.url}/sse?Authorization=${await tokenOf('shop', 'ann')}`;
  await using client = await StreamClient.open(url);
  const opened = await client.event('tidegate.open').then(() => client.lastEventId);
  await expect.poll(() => client.events.filter(isPing).length).toBeGreaterThan(1);
  expect(client.events.find(isPing)).toMatchObject({ data: '{}' });
  expect(client.lastEventId).toBe(opened);
  // Every second heartbeat is a ping, and comments keep the others company.
  expect(client.comments.length).toBeGreaterThan(0);
});

test('GET /sse gets no ping where none is asked for, nor does any other stream', async () => {
  await using hub = await startHub({ auth: { mode: 'none' }, pingMs: 100 });
  await using channel = await hub.subscribe('a');
  await using quiet = await startHub({ pingMs: 0 });
  const query = `Authorization=${await tokenOf('shop', 'ann')}`;
  await using never = await StreamClient.open(`${quiet.url}/sse?${query}`);
  await using asking = await startHub({ pingMs: 100 });
  await using without = await StreamClient.open(`${asking.url}/sse?${query}&ping=false`);
  for (const client of [channel, never, without]) {
    await expect.poll(() => client.comments.length).toBeGreaterThan(2);
    expect(client.types).not.toContain('ping');
  }
});

test('GET /connections lists who is there by user and connection, and answers 204 where nobody is', async () => {
  await using hub = await startHub();
  const token = await mintToken({
    secret: SECRET,
    application: 'shop',
    user: 'ann',
    lifetimeMs: 60_000,
    grants: { connections: 'read' },
    nowMs: Date.now(),
  });
  const headers = { Authorization: `Bearer ${token}` };
  for (const path of ['/connections/shop', '/connections/shop/ann']) {
    const nobody = await fetch(`${hub.url}${path}`, { headers });
    expect([nobody.status, await nobody.text()]).toEqual([204, '']);
  }
  await using client = await StreamClient.open(`${hub.url}/sse`, { headers });
  const id = String(client.headers['x-connection-id']);
  const now = Math.floor(Date.now() / 1000);
  for (const path of ['/connections/shop', '/connections/shop/ann']) {
    const list = (await (await fetch(`${hub.url}${path}`, { headers })).json()) as Record<string, never>;
    expect(list).toMatchObject({
      ann: { [id]: { id, remote_addr: '127.0.0.1', application: { id: 'shop' }, user: { id: 'ann' } } },
    });
    expect(Math.abs(Number(list['ann']?.[id]?.['created_at']) - now)).toBeLessThan(3);
  }
});

test('GET / sends who wants no page to /health', async () => {
  await using hub = await startHub();
  const root = await fetch(`${hub.url}/`, { redirect: 'manual', headers: { Accept: '*/*' } });
  expect([root.status, root.headers.get('location')]).toEqual([301, '/health']);
  expect(await (await fetch(`${hub.url}/health`)).text()).toBe('{"status":"ok"}');
});
