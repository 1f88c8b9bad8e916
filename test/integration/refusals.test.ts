import { describe, expect, test } from 'vitest';

import { HubServer } from '../support/hub-server.js';
import { EVENT_SOURCE_HEADERS as EVENT_SOURCE } from '../support/stream-requests.js';

describe('a refusal that a native EventSource can hear', () => {
  test('is 200, tidegate.error with a reason, and a day to stay away where coming back is useless', async () => {
    await using hub = await HubServer.start();
    await using client = await hub.subscribe('a?since=nonsense', EVENT_SOURCE);
    await client.ended();
    expect(client.status).toBe(200);
    expect(client.headers['cache-control']).toBe('no-store');
    expect(client.headers['content-type']).toBe('text/event-stream; charset=utf-8');
    expect(client.types).toEqual(['tidegate.error']);
    expect(JSON.parse(client.events[0]?.data ?? '')).toMatchObject({
      code: 'invalid-cursor',
      retryable: false,
      message: expect.stringContaining('nonsense') as string,
    });
    expect(client.retries).toEqual([86_400_000]);
  });

  test('asks to come back soon, at a time of its own, where that may help', async () => {
    await using hub = await HubServer.start({ limits: { connections: 1 }, retryMs: 1000 });
    await using first = await (await hub.subscribe('a')).event('tidegate.live');
    await using client = await hub.subscribe('a', EVENT_SOURCE);
    await client.ended();
    expect(JSON.parse(client.events[0]?.data ?? '')).toMatchObject({ code: 'too-many-connections', retryable: true });
    expect(client.retries[0]).toBeGreaterThanOrEqual(500);
    expect(client.retries[0]).toBeLessThanOrEqual(1500);
    expect(first.isEnded).toBe(false);
  });

  test.each([
    ['curl', { Accept: '*/*' }],
    ['an SDK that can set headers', { ...EVENT_SOURCE, Authorization: 'Bearer x' }],
    ['a client that is no browser', { Accept: 'text/event-stream' }],
    [
      "Node's fetch, which sends one header of Fetch Metadata",
      { 'Sec-Fetch-Mode': 'cors', 'Cache-Control': 'no-cache' },
    ],
    ["a page's fetch", { ...EVENT_SOURCE, 'Cache-Control': 'max-age=0' }],
  ])('is the plain status for %s', async (_who, headers) => {
    await using hub = await HubServer.start();
    await using client = await hub.subscribe('a?since=nonsense', headers);
    await client.ended();
    expect(client.status).toBe(400);
    expect(JSON.parse(client.raw)).toMatchObject({ code: 'invalid-cursor' });
    expect(client.headers['content-type']).toBe('application/problem+json');
  });

  test('is told as the client chooses, on both subscribe routes', async () => {
    await using hub = await HubServer.start();
    for (const path of ['/subscribe/a', '/sse']) {
      const asked = await hub.get(`${path}?since=never&refusals=status`, EVENT_SOURCE);
      expect([asked.status, asked.body['code']]).toEqual([400, 'invalid-cursor']);
      const streamed = await hub.get(`${path}?since=never&refusals=stream`);
      expect([streamed.status, streamed.headers.get('content-type')]).toMatchObject([
        200,
        expect.stringContaining('text/event-stream') as string,
      ]);
      expect((await hub.get(`${path}?refusals=maybe`)).body).toMatchObject({ code: 'invalid-query' });
    }
  });

  test('is counted by its code', async () => {
    await using hub = await HubServer.start();
    await hub.get('/subscribe/a?last=x', EVENT_SOURCE);
    await hub.get('/subscribe/a?last=x');
    expect((await hub.get('/metrics')).body['text']).toContain('tidegate_refusals_total{code="invalid-query"} 2');
  });
});

test.each([
  ['GET', '/publish/a', 405, 'method-not-allowed', 'POST, OPTIONS'],
  ['POST', '/subscribe/a', 405, 'method-not-allowed', 'GET, HEAD, OPTIONS'],
  ['GET', '/nowhere', 404, 'not-found', null],
  ['GET', '/channels/none', 404, 'unknown-channel', null],
  ['GET', '/channels/none/history', 404, 'unknown-channel', null],
  ['GET', '/channels?limit=0', 400, 'invalid-query', null],
  ['GET', '/subscribe', 400, 'missing-channel', null],
  ['GET', '/subscribe/a%2Fb', 400, 'invalid-target', null],
  ['GET', '/subscribe/a%20b', 400, 'invalid-channel', null],
  ['GET', '/subscribe?channel=a&channel=a', 400, 'duplicate-channel', null],
  [
    'GET',
    `/subscribe?${Array.from({ length: 101 }, (_, at) => `channel=c${at}`).join('&')}`,
    400,
    'too-many-channels-asked',
    null,
  ],
])('%s %s is %i %s', async (method, path, status, code, allow) => {
  await using hub = await HubServer.start();
  const response = await fetch(`${hub.url}${path}`, { method });
  expect(response.status).toBe(status);
  expect(response.headers.get('allow')).toBe(allow);
  expect(await response.json()).toMatchObject({ code, status });
});

test('a subscription without a channel is told how to name one', async () => {
  await using hub = await HubServer.start();
  const response = await fetch(`${hub.url}/subscribe`);
  expect(await response.json()).toMatchObject({
    detail: expect.stringContaining('Name one in the path, as ?channel=NAME'),
  });
});

describe('a page of another origin', () => {
  const FOREIGN = { Origin: 'https://evil.example' };

  test('cannot publish or end a channel: browsers send simple requests without asking', async () => {
    await using hub = await HubServer.start();
    expect((await hub.publish('a', 'x', { 'Content-Type': 'text/plain', ...FOREIGN })).body).toMatchObject({
      code: 'foreign-origin',
      status: 403,
    });
    await hub.publish('a', 'x');
    const response = await fetch(`${hub.url}/channels/a`, { method: 'DELETE', headers: FOREIGN });
    expect(await response.json()).toMatchObject({
      code: 'foreign-origin',
      // A proxy that sends another Host is the usual cause.
      detail: expect.stringContaining(`the request's Host is "${new URL(hub.url).host}"`),
    });
    expect((await hub.publish('a', 'x', { 'Content-Type': 'text/plain', Origin: hub.url })).status).toBe(200);
    expect((await hub.publish('a', 'x', { 'Content-Type': 'text/plain', Origin: 'null' })).status).toBe(403);
  });

  test('cannot read, unless it is listed; then with credentials', async () => {
    await using hub = await HubServer.start({ cors: { origins: ['https://app.example'] } });
    const foreign = await hub.get('/channels', FOREIGN);
    expect(foreign.headers.get('access-control-allow-origin')).toBeNull();
    const listed = await hub.get('/channels', { Origin: 'https://app.example' });
    expect(listed.headers.get('access-control-allow-origin')).toBe('https://app.example');
    expect(listed.headers.get('access-control-allow-credentials')).toBe('true');
    expect(listed.headers.get('access-control-expose-headers')).toContain('X-Connection-Id');
    expect(listed.headers.get('vary')).toBe('Origin');
    await using stream = await hub.subscribe('a', { Origin: 'https://app.example' });
    expect(stream.headers['access-control-allow-origin']).toBe('https://app.example');
  });

  test('any may read where all are allowed, but never with credentials', async () => {
    await using hub = await HubServer.start({ cors: { origins: ['*'] } });
    const { headers } = await hub.get('/channels', FOREIGN);
    expect(headers.get('access-control-allow-origin')).toBe('*');
    expect(headers.get('access-control-allow-credentials')).toBeNull();
  });

  test('gets its preflights answered, with the methods of the path', async () => {
    const cors = { origins: ['https://app.example'], headers: ['X-Trace'] };
    await using hub = await HubServer.start({ cors });
    for (const [path, method] of [
      ['/subscribe/a', 'GET'],
      ['/publish/a', 'POST'],
      ['/channels/a', 'DELETE'],
    ] as const) {
      const ask = (origin: string): Promise<Response> =>
        fetch(`${hub.url}${path}`, {
          method: 'OPTIONS',
          headers: { Origin: origin, 'Access-Control-Request-Method': method },
        });
      const listed = await ask('https://app.example');
      expect(listed.status).toBe(204);
      expect(listed.headers.get('access-control-allow-methods')).toContain(method);
      const allowed = listed.headers.get('access-control-allow-headers')?.split(', ');
      for (const name of ['Authorization', 'Last-Event-ID', 'Idempotency-Key', 'Content-Type', 'X-Trace'])
        expect(allowed).toContain(name);
      expect((await ask('https://evil.example')).headers.get('access-control-allow-methods')).toBeNull();
    }
  });
});
