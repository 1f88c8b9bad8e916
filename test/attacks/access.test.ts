import { EventEmitter, once } from 'node:events';

import { describe, expect, test } from 'vitest';

import { mintToken } from '../../src/hub/index.js';
import type { AuthOptions, HubOptions } from '../../src/hub/index.js';
import { MemoryBackplane } from '../../src/hub/backplane/memory.js';
import { createHandlers } from '../../src/hub/http/handler.js';
import { createBareListener } from '../../src/hub/http/bare-listener.js';
import { listen } from '../../src/hub/http/listen.js';
import { HubCore } from '../../src/hub/hub.js';
import { settingsOf } from '../../src/hub/settings.js';
import { CERTIFICATE } from '../support/certificate.js';
import { answerOf, Http2Client } from '../support/http2-client.js';
import { HubServer } from '../support/hub-server.js';
import { RawConnection } from '../support/raw-connection.js';
import { askRaw } from '../support/raw-request.js';
import { StreamClient } from '../support/stream-client.js';

const SECRET = 'a secret of more than thirty-two bytes, for tests alone';
const AUTH: AuthOptions = { mode: 'jwt', token: { keys: { algorithm: 'HS256', secret: SECRET } } };

const tokenOf = (grants: object, application = 'shop'): Promise<string> =>
  mintToken({
    secret: SECRET,
    application,
    user: 'ann',
    lifetimeMs: 600_000,
    nowMs: Date.now(),
    grants: { ...grants },
  });

const chunk = (text: string): string => `${text.length.toString(16)}\r\n${text}\r\n`;
const typeOf = (text = ''): string | undefined => /content-type: ([^\r]+)/i.exec(text)?.[1];

const startHub = (options: HubOptions = {}): Promise<HubServer> => HubServer.start({ auth: AUTH, ...options });

describe('a stranger', () => {
  test('reads the list of channels by an escaped letter (fell once)', async () => {
    await using hub = await startHub();
    await hub.hub.publish('private', { data: 'secret' });
    const { status, text } = await askRaw(hub.port, { method: 'GET', target: '/%63hannels?all=true' });
    expect(status).toBe(401);
    expect(text).not.toContain('private');
  });

  test('reads the history of a channel by an escaped letter (fell once)', async () => {
    await using hub = await startHub();
    await hub.hub.publish('private', { data: 'secret' });
    const { status, text } = await askRaw(hub.port, { method: 'GET', target: '/%63hannels/private/history' });
    expect(status).toBe(401);
    expect(text).not.toContain('secret');
  });

  test('reads the list of channels by a path that climbs (fell once)', async () => {
    await using hub = await startHub();
    expect(await askRaw(hub.port, { method: 'GET', target: '/x/../channels' })).toMatchObject({
      status: 400,
      code: 'invalid-target',
    });
  });

  test('ends a channel by an escaped letter (fell once)', async () => {
    await using hub = await startHub();
    await hub.hub.publish('private', { data: 'secret' });
    expect((await askRaw(hub.port, { method: 'DELETE', target: '/%63hannels/private' })).status).toBe(401);
    expect(await hub.hub.end('private')).toBe(true);
  });

  test('revokes tokens by an escaped letter (fell once)', async () => {
    await using hub = await startHub();
    const body = '{"application":"shop"}';
    const headers = ['Content-Type: application/json'];
    expect((await askRaw(hub.port, { method: 'POST', target: '/%74okens/revoke', headers, body })).status).toBe(401);
    const token = await tokenOf({});
    await using client = await StreamClient.open(`${hub.url}/sse`, { headers: { Authorization: `Bearer ${token}` } });
    await client.event('tidegate.live');
  });

  test('learns which paths exist from the difference between 401, 404 and 405', async () => {
    await using hub = await startHub();
    const statuses = await Promise.all(
      ['/channels', '/channelz', '/status', '/admin', '/health/x'].flatMap((target) =>
        ['GET', 'PUT'].map(async (method) => (await askRaw(hub.port, { method, target })).status),
      ),
    );
    expect(new Set(statuses)).toEqual(new Set([401]));
  });

  test('learns the load of the hub from its metrics', async () => {
    await using hub = await startHub();
    expect(await askRaw(hub.port, { method: 'GET', target: '/metrics' })).toMatchObject({ status: 401 });
  });

  test('smuggles a second host past the check of names, in a second Host line', async () => {
    await using hub = await HubServer.start({ hosts: ['hub.example'] });
    for (const lines of [
      ['Host: hub.example', 'Host: evil.example'],
      ['Host: evil.example', 'Host: hub.example'],
      ['Host: hub.example', 'Host: hub.example'],
    ]) {
      const answer = await askRaw(hub.port, { method: 'GET', target: '/channels', headers: lines });
      expect(answer).toMatchObject({ status: 400, code: 'invalid-host' });
    }
  });

  test('names a listed host in the header and its own in an absolute target', async () => {
    await using hub = await HubServer.start({ hosts: ['hub.example'] });
    const ask = (target: string, host: string) =>
      askRaw(hub.port, { method: 'GET', target, headers: [`Host: ${host}`] });
    expect(await ask('http://evil.example/channels', 'hub.example')).toMatchObject({ code: 'host-not-allowed' });
    expect(await ask('http://hub.example/channels', 'evil.example')).toMatchObject({ status: 200 });
    expect(await ask('http://evil.example/subscribe/a', 'hub.example')).toMatchObject({ code: 'host-not-allowed' });
  });

  test('publishes for a page of its own by an absolute target that names the page', async () => {
    await using hub = await HubServer.start();
    const headers = ['Host: evil.example', 'Origin: http://evil.example', 'Content-Type: text/plain'];
    const absolute = await askRaw(hub.port, {
      method: 'POST',
      target: `http://127.0.0.1:${hub.port}/publish/a`,
      headers,
      body: 'x',
    });
    expect(absolute).toMatchObject({ status: 403, code: 'foreign-origin' });
  });

  test.each(['a b', 'hub/x', 'user@hub', 'hub\\x', '[::1', 'hub:80:80', 'hub:x'])('sends the host %j', async (host) => {
    await using hub = await HubServer.start();
    for (const target of ['/subscribe/a', '/channels'])
      expect(await askRaw(hub.port, { method: 'GET', target, headers: [`Host: ${host}`] })).toMatchObject({
        status: 400,
      });
  });
});

describe('a user of one application', () => {
  test('names another application by another spelling', async () => {
    await using hub = await startHub();
    const token = await tokenOf({ connections: 'manage', users: true }, 'else');
    const headers = [`Authorization: Bearer ${token}`, 'Content-Type: text/plain'];
    for (const application of ['shop', '%73hop', '=c2hvcA'])
      for (const [method, target] of [
        ['GET', `/connections/${application}`],
        ['GET', `/connections/${application}/ann`],
        ['DELETE', `/connections/${application}/ann/one`],
        ['POST', `/publish/users/${application}/ann`],
      ] as const)
        expect(await askRaw(hub.port, { method, target, headers, body: method === 'POST' ? 'x' : '' })).toMatchObject({
          status: 403,
          code: 'forbidden-application',
        });
    for (const application of ['=', '=c2hvcA==', '=c2hvcB', '=!', '=gA'])
      expect(await askRaw(hub.port, { method: 'GET', target: `/connections/${application}`, headers })).toMatchObject({
        status: 400,
        code: 'invalid-target',
      });
  });

  test('whose name is a URL is found, by base64url alone', async () => {
    await using hub = await startHub();
    const issuer = 'https://login.example/realms/a';
    const authorization = `Bearer ${await tokenOf({ connections: 'read', users: true }, issuer)}`;
    await using client = await StreamClient.open(`${hub.url}/sse`, { headers: { Authorization: authorization } });
    await client.event('tidegate.live');
    const segment = `=${Buffer.from(issuer).toString('base64url')}`;
    const listed = await hub.get(`/connections/${segment}`, { Authorization: authorization });
    expect(Object.keys(listed.body)).toEqual(['ann']);
    const headers = [`Authorization: ${authorization}`, 'Content-Type: text/plain'];
    const published = await askRaw(hub.port, {
      method: 'POST',
      target: `/publish/users/${segment}/ann`,
      headers,
      body: 'hi',
    });
    expect(published.status).toBe(200);
    await client.until(({ data }) => data.includes('hi'));
  });
});

describe('a token that is revoked', () => {
  test('while its stream is being opened gets none', async () => {
    const options: HubOptions = { auth: AUTH };
    const settings = settingsOf(options);
    const events = new EventEmitter();
    const opening = once(events, 'opening');
    const revoked = once(events, 'revoked');
    /** Answers a join late, as a Redis far away does. */
    class LateBackplane extends MemoryBackplane {
      override async join(...joined: Parameters<MemoryBackplane['join']>) {
        const channels = await super.join(...joined);
        events.emit('opening');
        await revoked;
        return channels;
      }
    }
    const backplane = new LateBackplane({ ...settings, nowMs: () => settings.clock.now() });
    const core = new HubCore(options, backplane);
    const server = await listen(
      { handler: createHandlers(core).all, bareHandler: createBareListener(core) },
      { port: 0 },
    );
    const headers = { Authorization: `Bearer ${await tokenOf({ subscribe: ['a'] })}` };
    const asked = fetch(`${server.url}/subscribe/a`, { headers });
    await opening;
    const nowMs = Date.now() + 1000;
    await backplane.revoke({ target: { application: 'shop' }, issuedBeforeMs: nowMs, expiresAtMs: nowMs + 60_000 });
    events.emit('revoked');
    const answer = await asked;
    expect([answer.status, await answer.json()]).toMatchObject([401, { code: 'token-revoked' }]);
    expect(core.subscribers.size).toBe(0);
    core.close();
    await server.close();
  });

  test('in the middle of a publish that lasts publishes nothing more', async () => {
    await using hub = await startHub();
    const boss = await tokenOf({ publish: ['a'], connections: 'manage' });
    const head = `POST /publish/a HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${boss}\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n`;
    await using raw = new RawConnection(hub).send(head + chunk('data: one\n\n'));
    await expect.poll(async () => (await hub.metrics()).includes('tidegate_events_published_total 1\n')).toBe(true);
    const revoke = await fetch(`${hub.url}/tokens/revoke`, {
      method: 'POST',
      headers: { Authorization: `Bearer ${boss}`, 'Content-Type': 'application/json' },
      body: '{"application":"shop"}',
    });
    expect(revoke.status).toBe(204);
    raw.send(chunk('data: two\n\n'));
    expect(await raw.until(/"code":"token-revoked"/)).toMatch(/"published":1/);
  });
});

describe.skipIf(CERTIFICATE === undefined)('over HTTP/2 (needs openssl), a stranger', () => {
  const tls = CERTIFICATE ?? { cert: '', key: '' };

  test.each([
    ['/%63hannels?all=true', 401],
    ['/channels', 401],
    ['/x/../channels', 400],
    ['/channels/', 400],
    ['//channels', 400],
    ['/channels%00', 400],
    ['/channels#x', 400],
  ])('gets nowhere by the path %j', async (path, status) => {
    await using hub = await HubServer.start({ auth: AUTH, tls });
    await using client = new Http2Client(hub.url, tls.cert);
    expect((await client.send('GET', path)).status).toBe(status);
  });

  test.each(['https://127.0.0.1/channels', 'channels', '*'])('is cut off for the path %j', async (path) => {
    await using hub = await HubServer.start({ auth: AUTH, tls });
    await using client = new Http2Client(hub.url, tls.cert);
    await expect(client.send('GET', path)).rejects.toThrow('NGHTTP2_PROTOCOL_ERROR');
  });

  test('names two hosts, one in :authority and one in Host', async () => {
    await using hub = await HubServer.start({ tls, hosts: ['hub.example'] });
    await using client = new Http2Client(hub.url, tls.cert);
    const ask = (headers: Record<string, string>) =>
      answerOf(client.session.request({ ':path': '/channels', ...headers }, { endStream: true }));
    expect((await ask({ ':authority': 'hub.example', host: 'evil.example' })).status).toBe(400);
    expect((await ask({ ':authority': 'evil.example' })).status).toBe(421);
    expect((await ask({ ':authority': 'hub.example' })).status).toBe(200);
  });
});

describe('what RFC 9110 asks of a server', () => {
  test('HEAD is answered wherever GET is, with the same head and no body', async () => {
    await using hub = await HubServer.start();
    await hub.hub.publish('a', { data: '1' });
    for (const target of [
      '/',
      '/health',
      '/ready',
      '/metrics',
      '/openapi.json',
      '/channels',
      '/channels/a',
      '/channels/a/history',
      '/subscribe/a',
      '/sse',
      '/subscribe?channel=a',
    ]) {
      const [head, get] = await Promise.all(
        ['HEAD', 'GET'].map((method) => askRaw(hub.port, { method, target, headers: ['Connection: close'] })),
      );
      expect([target, head?.status]).toEqual([target, get?.status]);
      expect(head?.text.split('\r\n\r\n')[1]).toBe('');
      expect(typeOf(head?.text)).toBe(typeOf(get?.text));
    }
    expect((await askRaw(hub.port, { method: 'HEAD', target: '/subscribe/a?last=x' })).status).toBe(400);
    expect(await hub.metrics()).toContain('tidegate_subscribers 0\n');
  });

  test('OPTIONS * and OPTIONS on a path say what is allowed', async () => {
    await using hub = await startHub();
    expect((await askRaw(hub.port, { method: 'OPTIONS', target: '*' })).text).toMatch(
      /^HTTP\/1\.1 204 [^]*Allow: GET, HEAD, POST, DELETE, OPTIONS\r\n/,
    );
    expect((await askRaw(hub.port, { method: 'OPTIONS', target: '/channels/a' })).text).toMatch(
      /^HTTP\/1\.1 204 [^]*Allow: GET, HEAD, DELETE, OPTIONS\r\n/,
    );
    expect((await askRaw(hub.port, { method: 'GET', target: '*' })).status).toBe(400);
  });
});
