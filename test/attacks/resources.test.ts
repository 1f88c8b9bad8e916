import { once } from 'node:events';
import { createServer } from 'node:http';
import { connect } from 'node:net';
import type { AddressInfo, Socket } from 'node:net';

import { describe, expect, test } from 'vitest';

import { createHub } from '../../src/hub/index.js';
import { createLogger } from '../../src/runtime/index.js';
import { HubServer } from '../support/hub-server.js';
import { bearerOf, JWT_AUTH, startJwtHub, tokenOf } from '../support/jwt-hub.js';
import { startJwksServer } from '../support/jwks-server.js';
import { askRaw } from '../support/raw-request.js';
import { StreamClient } from '../support/stream-client.js';
import { fails, WebhookReceiver } from '../support/webhook-receiver.js';

/** Processor time of `count` calls, in milliseconds: on a busy machine it says more than how long they took. */
async function cpuMs(count: number, act: () => Promise<unknown>): Promise<number> {
  const before = process.cpuUsage();
  for (let at = 0; at < count; at += 1) await act();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1000;
}

describe('a stranger', () => {
  test('holds up the hub by asking for its description, which needs no token (fell once)', async () => {
    await using hub = await startJwtHub();
    const ask = (path: string) => async (): Promise<string> => (await fetch(`${hub.url}${path}`)).text();
    for (const path of ['/health', '/openapi.json']) await cpuMs(30, ask(path));
    const health = await cpuMs(40, ask('/health'));
    expect(await cpuMs(40, ask('/openapi.json'))).toBeLessThan(health * 3);
  });

  test.each([
    ['/sse'],
    ['/subscribe/a'],
    ['/publish/a'],
    ['/channels?limit=x'],
    ['/connections/shop'],
    ['/metrics'],
    ['/tokens/revoke'],
  ])('makes the hub read a body, a query or a channel without a token, at %s', async (target) => {
    await using hub = await startJwtHub({ limits: { bodyBytes: 10, bodiesBytes: 10 } });
    for (const method of ['GET', 'POST', 'DELETE', 'PUT']) {
      const headers = ['Content-Length: 99999999', 'Content-Type: application/json'];
      expect(await askRaw(hub.port, { method, target, headers })).toMatchObject({ status: 401, code: 'token-missing' });
    }
    expect(await hub.metrics()).toContain('tidegate_channels 0\n');
  });

  test('uses up all channels by subscribing to names that nobody publishes to', async () => {
    await using hub = await HubServer.start({ limits: { channels: 16 } });
    const clients: StreamClient[] = [];
    for (let at = 0; at < 16; at += 1) clients.push(await hub.subscribe(`empty-${at}`));
    expect(clients.filter(({ status }) => status === 503).length).toBeGreaterThan(4);
    for (const name of ['new-1', 'new-2']) expect((await hub.publish(name, 'x')).status).toBe(200);
    await Promise.all(clients.map((client) => client[Symbol.asyncDispose]()));
  });

  test('asks for more channels on one connection, or in one publish, than are allowed', async () => {
    await using hub = await HubServer.start();
    const channels = Array.from({ length: 101 }, (_, at) => `c${at}`);
    const query = channels.map((name) => `channel=${name}`).join('&');
    expect((await hub.get(`/subscribe?${query}`)).body).toMatchObject({ code: 'too-many-channels-asked' });
    expect((await hub.publishJson('', { channels, data: '' })).body).toMatchObject({ code: 'too-many-channels-asked' });
    expect(await hub.metrics()).toContain('tidegate_channels 0\n');
  });

  test('fills the metrics with names of its own, or writes lines there', async () => {
    await using hub = await HubServer.start();
    const odd = encodeURIComponent('x"}\ny 1');
    for (const target of [
      `/subscribe/${odd}`,
      `/subscribe/zzz-name?since=${odd}`,
      `/${odd}`,
      `/channels/zzz-name`,
      `/connections/zzz-name`,
    ])
      await hub.get(target);
    await hub.publish('zzz-name?event=zzz-name&id=zzz-name', 'zzz-name');
    expect((await hub.get('/metrics', { 'User-Agent': 'zzz-name' })).body['text']).not.toMatch(/zzz-name|^y 1/m);
  });
});

describe('a client that never reads', () => {
  test('keeps a page of history in the memory of the hub for ever (fell once)', async () => {
    await using hub = createHub({ stallTimeoutMs: 200 });
    await hub.publish('a', { data: '\u0001'.repeat(1_000_000) });
    const server = createServer(hub.handler).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const accepted = once(server, 'connection') as Promise<[Socket]>;
    const client = connect({ port: (server.address() as AddressInfo).port, host: '127.0.0.1' });
    client.on('error', () => undefined);
    client.pause();
    client.write('GET /channels/a/history HTTP/1.1\r\nHost: h\r\n\r\n');
    const [socket] = await accepted;
    socket.on('error', () => undefined);
    await once(socket, 'close', { signal: AbortSignal.timeout(5000) });
    expect(socket.destroyed).toBe(true);
    client.destroy();
    server.close();
  });
});

describe('a user', () => {
  test('keeps a head of eighty kilobytes in the memory and the lists of the hub by its User-Agent (fell once)', async () => {
    await using hub = await startJwtHub();
    const agent = 'x'.repeat(60_000);
    const headers = { ...(await bearerOf({ connections: 'read' })), 'User-Agent': agent };
    await using client = await StreamClient.open(`${hub.url}/sse`, { headers });
    await client.event('tidegate.live');
    const listed = JSON.stringify((await hub.get('/connections/shop', headers)).body);
    expect(listed).toContain('"user_agent":"xxx');
    expect(listed.length).toBeLessThan(1000);
  });

  test('opens a connection more than one user may have, with another token', async () => {
    await using hub = await startJwtHub({ limits: { connectionsPerUser: 1 } });
    await using client = await StreamClient.open(`${hub.url}/sse`, { headers: await bearerOf({}) });
    await client.event('tidegate.live');
    const other = await bearerOf({ subscribe: ['*'] });
    for (const path of ['/sse', '/subscribe/a', '/subscribe?channel=b'])
      expect((await hub.get(path, other)).body).toMatchObject({ code: 'too-many-connections-of-user' });
  });
});

describe.each(['__proto__', 'constructor', 'toString', 'hasOwnProperty'])('the name %j', (name) => {
  test('is found in every hub, or changes all its objects, as a channel', async () => {
    await using hub = await HubServer.start();
    expect((await hub.get(`/channels/${name}`)).body).toMatchObject({ code: 'unknown-channel' });
    await hub.publishJson(name, { data: '1', idempotencyKey: name, id: name, event: name });
    await hub.publishJson(name, { data: '1', idempotencyKey: name, id: name, event: name });
    const { body } = await hub.get(`/channels/${name}/history`);
    expect(body).toMatchObject({ channel: name, events: [{ id: name, event: name, data: '1' }] });
    await using client = await hub.subscribe(`${name}?envelope=json&last=all`);
    await client.event('tidegate.live');
    expect(JSON.parse(client.data[0] ?? '')).toMatchObject({ channel: name, id: name });
    for (const query of [`${name}=1`, `token=${name}`, `refusals=${name}`, `limit=${name}`])
      expect((await hub.get(`/channels?${query}`)).status).toBeLessThan(500);
  });

  test('is found in every hub, or changes all its objects, as a user and an application', async () => {
    await using hub = await startJwtHub();
    const headers = await bearerOf({ connections: 'manage' }, name, name);
    expect((await hub.get(`/connections/${name}/${name}/${name}`, headers)).status).toBe(404);
    await using client = await StreamClient.open(`${hub.url}/sse`, { headers });
    await client.event('tidegate.live');
    const { body } = await hub.get(`/connections/${name}`, headers);
    expect(Object.keys(body)).toEqual([name]);
    const revoke = await fetch(`${hub.url}/tokens/revoke`, {
      method: 'POST',
      headers: { ...headers, 'Content-Type': 'application/json' },
      body: JSON.stringify({ application: name, user: name }),
    });
    expect(revoke.status).toBe(204);
    await client.ended();
  });
});

describe('the log of the hub', () => {
  test.each(['json', 'pretty'] as const)(
    'holds a token, a cookie or a secret, or a line that a client wrote, as %s',
    async (format) => {
      const lines: string[] = [];
      const logger = createLogger({ level: 'debug', format, destination: { write: (text) => lines.push(text) } });
      await using receiver = await WebhookReceiver.start(fails);
      await using keys = await startJwksServer((response) => response.writeHead(500).end('x\nforged line'));
      const secret = 'whsec_bm9ib2R5IG11c3QgcmVhZCB0aGlzIHNlY3JldCBrZXk=';
      const webhooks = {
        authorize: { url: receiver.url, secret, timeoutMs: 500 },
        notify: { url: receiver.url, secret },
      };
      await using hub = await HubServer.start({ auth: JWT_AUTH, logger, webhooks });
      await using other = await HubServer.start({
        auth: { mode: 'jwt', token: { keys: { algorithm: 'ES256', jwksUrl: keys.url } } },
        logger,
      });
      const token = await tokenOf({ subscribe: ['*'] });
      for (const one of [hub, other])
        for (const path of [
          `/sse?token=${token}`,
          `/subscribe/forged%0Aline?token=${token}`,
          `/channels/a/history?token=${token}&since=x%0Aforged`,
        ])
          await one.get(path, { Cookie: `session=${token}`, 'User-Agent': 'forged' });
      expect(lines.length).toBeGreaterThan(0);
      for (const line of lines) expect(line.trimEnd()).not.toMatch(/\n|forged|in-the-url|whsec_|eyJ|bm9ib2R5/);
    },
  );
});
