import { describe, expect, test } from 'vitest';

import { hashApiKey } from '../../src/hub/auth/api-keys.js';
import type { HubOptions } from '../../src/hub/index.js';
import { HubServer } from '../support/hub-server.js';
import { bearerOf, JWT_SECRET, startJwtHub, tokenOf } from '../support/jwt-hub.js';
import { askRaw } from '../support/raw-request.js';

const LISTED = 'https://app.example';

const startCookieHub = (options: HubOptions = {}): Promise<HubServer> =>
  HubServer.start({
    auth: { mode: 'jwt', token: { keys: { algorithm: 'HS256', secret: JWT_SECRET }, cookie: 'session' } },
    cors: { origins: [LISTED] },
    ...options,
  });

const grantsOfAll = { subscribe: ['*'], publish: ['*'] };

/** Origins that look like the listed one, or like none. */
const FOREIGN = [
  'null',
  'https://app.example.evil.example',
  'https://evil-app.example',
  'https://app.example:8443',
  'http://app.example',
  'https://app.example/',
  'HTTPS://APP.EXAMPLE',
  'https://app.example, https://evil.example',
  'https://app.example@evil.example',
  '*',
];

describe('a stranger', () => {
  test('is somebody else in the header than in the query, and is taken for either', async () => {
    await using hub = await startJwtHub();
    const { Authorization } = await bearerOf({}, 'ann');
    const other = await tokenOf({ subscribe: ['*'] }, 'bob');
    for (const target of [`/channels?token=${other}`, `/channels?Authorization=${other}`, `/sse?token=${other}`])
      expect((await hub.get(target, { Authorization })).body).toMatchObject({ code: 'token-ambiguous' });
    expect((await hub.get('/channels', { Authorization, 'X-API-Key': other })).body).toMatchObject({
      code: 'token-ambiguous',
    });
    const twice = `/channels?token=${other}&token=${await tokenOf({}, 'ann')}`;
    expect((await hub.get(twice)).body).toMatchObject({ code: 'token-ambiguous' });
  });

  test('shows one token to the proxy and another to the hub, in a second Authorization line (fell once)', async () => {
    await using hub = await startJwtHub();
    const [mine, other] = await Promise.all([bearerOf({}, 'ann'), bearerOf({ subscribe: ['*'] }, 'bob')]);
    for (const target of ['/channels', '/sse', '/subscribe/a'])
      for (const lines of [
        [mine, other],
        [other, mine],
      ]) {
        const headers = lines.map(({ Authorization }) => `Authorization: ${Authorization}`);
        expect(await askRaw(hub.port, { method: 'GET', target, headers })).toMatchObject({ code: 'token-ambiguous' });
      }
  });

  test('falls back to a cookie by a token that is no good', async () => {
    await using hub = await startCookieHub();
    const Cookie = `session=${await tokenOf(grantsOfAll)}`;
    expect((await hub.get('/channels', { Cookie })).status).toBe(200);
    expect((await hub.get('/channels', { Cookie, Authorization: 'Bearer a.b.c' })).status).toBe(401);
  });

  test('sets a second cookie of the same name from a neighbouring host, and is taken for its user', async () => {
    await using hub = await startCookieHub();
    const [mine, other] = await Promise.all([tokenOf(grantsOfAll, 'ann'), tokenOf(grantsOfAll, 'eve')]);
    const { body } = await hub.get('/channels', { Cookie: `session=${other}; session=${mine}` });
    expect(body).toMatchObject({ code: 'token-ambiguous' });
  });

  test('reads an API key out of the logs of proxies, because it was taken from a URL', async () => {
    const key = 'a-key-that-a-server-keeps-to-itself';
    const keys = [
      {
        name: 'server',
        sha256: hashApiKey(key),
        application: undefined,
        grants: { ...grantsOfAll, connections: 'none', users: false, operate: 'none' },
      },
    ] as const;
    await using hub = await HubServer.start({ auth: { mode: 'apiKey', apiKeys: keys } });
    expect((await hub.get('/channels', { 'X-API-Key': key })).status).toBe(200);
    for (const target of [
      `/channels?token=${key}`,
      `/channels?Authorization=Bearer%20${key}`,
      `/channels?X-API-Key=${key}`,
    ])
      expect((await hub.get(target)).status).toBe(401);
  });
});

describe('a page of another site', () => {
  test.each(FOREIGN)('reads across origins as %j, which is not listed', async (origin) => {
    await using hub = await startCookieHub();
    const headers = [`Origin: ${origin}`, `Cookie: session=${await tokenOf(grantsOfAll)}`];
    for (const target of ['/channels', '/sse', '/subscribe/a', '/health', '/channels/none/history']) {
      const { text } = await askRaw(hub.port, { method: 'GET', target, headers });
      expect(text).not.toMatch(/access-control-allow/i);
      expect(text).toMatch(/vary: [^\r]*origin/i);
      expect([target, text.includes('"code":"foreign-origin"')]).toEqual([target, target !== '/health']);
    }
    const preflight = {
      method: 'OPTIONS',
      target: '/publish/a',
      headers: [...headers, 'Access-Control-Request-Method: POST'],
    };
    expect((await askRaw(hub.port, preflight)).text).not.toMatch(/access-control/i);
  });

  test('reads with credentials because every origin is listed', async () => {
    await using hub = await startCookieHub({ cors: { origins: ['*'] } });
    const Cookie = `session=${await tokenOf(grantsOfAll)}`;
    const answer = await hub.get('/health', { Origin: 'https://evil.example', Cookie });
    expect(answer.headers.get('access-control-allow-origin')).toBe('*');
    expect(answer.headers.get('access-control-allow-credentials')).toBeNull();
    expect((await hub.get('/channels', { Origin: 'https://evil.example', Cookie })).status).toBe(403);
  });

  test.each(['text/plain', 'application/x-www-form-urlencoded', 'multipart/form-data; boundary=x', ''])(
    'publishes by a form of type %j',
    async (type) => {
      await using hub = await HubServer.start();
      const content = type === '' ? [] : [`Content-Type: ${type}`];
      for (const origin of ['https://evil.example', 'null', 'https://hub.evil.example', `http://hub:1`]) {
        const headers = [...content, `Origin: ${origin}`];
        const answer = await askRaw(hub.port, { method: 'POST', target: '/publish/a', headers, body: 'x' });
        expect(answer).toMatchObject({ status: 403, code: 'foreign-origin' });
      }
      expect(await hub.metrics()).toContain('tidegate_events_published_total 0\n');
    },
  );

  test('publishes, ends or revokes by the cookie of a user, from a page without an origin too', async () => {
    await using hub = await startCookieHub();
    const cookie = `Cookie: session=${await tokenOf({ ...grantsOfAll, connections: 'manage' })}`;
    for (const origin of [[], ['Origin: null'], ['Origin: http://hub'], ['Sec-Fetch-Site: same-origin']])
      for (const [method, target] of [
        ['POST', '/publish/a'],
        ['DELETE', '/channels/a'],
        ['POST', '/tokens/revoke'],
      ] as const) {
        const headers = [cookie, 'Content-Type: application/json', ...origin];
        const answer = await askRaw(hub.port, { method, target, headers, body: '{"application":"shop"}' });
        expect(answer).toMatchObject({ status: 403, code: 'foreign-origin' });
      }
  });

  test('loads the stream of a user as a picture or a script, by the cookie', async () => {
    await using hub = await startCookieHub();
    const headers = { Cookie: `session=${await tokenOf(grantsOfAll)}`, 'Sec-Fetch-Site': 'cross-site' };
    for (const target of ['/sse?refusals=status', '/channels', '/subscribe/a?refusals=status'])
      expect((await hub.get(target, headers)).status).toBe(403);
  });

  test('runs a stream as a script, in which each line is valid JavaScript (fell once)', async () => {
    await using hub = await HubServer.start();
    await hub.hub.publish('a', { data: 'secret' });
    for (const target of ['/subscribe/a', '/sse', '/channels/a/history', '/channels', '/none', '/health', '/metrics'])
      for (const more of [[], ['TE: trailers']]) {
        const { text } = await askRaw(hub.port, { method: 'GET', target, headers: more });
        expect([target, /\r\nx-content-type-options: nosniff\r\n/i.test(text)]).toEqual([target, true]);
      }
  });

  test('is shown as HTML by the hub, in a path, a parameter or an id that it made', async () => {
    await using hub = await HubServer.start();
    const script = encodeURIComponent('<script>alert(1)</script>');
    for (const target of [
      `/${script}`,
      `/channels/${script}`,
      `/subscribe/a?refusals=${script}`,
      `/subscribe/a?since=${script}`,
      `/channels?limit=${script}`,
      `/connections/${script}`,
    ]) {
      const { headers } = await hub.get(target, { Accept: 'text/html' });
      expect(headers.get('content-type') ?? '').not.toContain('html');
    }
    const { headers } = await hub.publish('a?id=<b>', '<script>', { 'Content-Type': 'text/html' });
    expect(headers.get('content-type')).toBe('application/json');
  });
});

describe('a cache between the hub and its callers', () => {
  test('hands what one API key may read to the next caller (fell once)', async () => {
    await using hub = await startJwtHub();
    await hub.hub.publish('a', { data: 'secret' });
    const headers = await bearerOf({ ...grantsOfAll, connections: 'read', operate: 'read' });
    for (const target of ['/channels', '/channels/a', '/channels/a/history', '/metrics', '/connections/shop', '/none'])
      expect([target, (await hub.get(target, headers)).headers.get('cache-control')]).toEqual([target, 'no-store']);
    const answer = await fetch(`${hub.url}/sse`, { headers });
    expect(answer.headers.get('cache-control')).toContain('no-cache');
    await answer.body?.cancel();
  });
});

describe('a page whose host name was pointed at this machine (DNS rebinding)', () => {
  test.each([
    'evil.example',
    'hub.example.evil.example',
    'evilhub.example',
    '127.0.0.1.evil.example',
    'localhost.evil.example',
    '0x7f.1',
    '2130706433.evil.example',
    'hub.example%00.evil.example',
    'hub.example.:80.evil.example',
    'evil.example:80',
  ])('reads the list of channels as %j', async (host) => {
    await using hub = await HubServer.start({ hosts: ['hub.example'] });
    for (const target of ['/channels', '/subscribe/a', '/health']) {
      const { status, code } = await askRaw(hub.port, { method: 'GET', target, headers: [`Host: ${host}`] });
      expect([target, status, code === 'host-not-allowed' || code === 'invalid-host']).toEqual([
        target,
        code === 'invalid-host' ? 400 : 421,
        true,
      ]);
    }
  });

  test('publishes, as its origin and its host are the same', async () => {
    await using hub = await HubServer.start({ hosts: [] });
    const headers = ['Host: evil.example', 'Origin: http://evil.example', 'Content-Type: text/plain'];
    const answer = await askRaw(hub.port, { method: 'POST', target: '/publish/a', headers, body: 'x' });
    expect(answer).toMatchObject({ status: 421, code: 'host-not-allowed' });
  });
});
