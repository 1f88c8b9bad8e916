import { createHash } from 'node:crypto';

import { describe, expect, test } from 'vitest';

import { subscribe } from '../../src/client/index.js';
import { mintToken, parseApiKey } from '../../src/hub/index.js';
import type { HubOptions } from '../../src/hub/index.js';
import { checkDelivery } from '../support/checker.js';
import type { ReceivedItem } from '../support/checker.js';
import { HubServer } from '../support/hub-server.js';
import type { Answer } from '../support/hub-server.js';
import { StreamClient } from '../support/stream-client.js';
import { EVENT_SOURCE_HEADERS } from '../support/stream-requests.js';

const SECRET = 'a secret of more than thirty-two bytes, for tests alone';
const KEY = 'k'.repeat(43);
const KEY_HASH = createHash('sha256').update(KEY).digest('hex');

interface Who {
  readonly application?: string;
  readonly user?: string;
  readonly lifetimeMs?: number;
  readonly grants?: Readonly<Record<string, unknown>>;
  readonly tokenId?: string;
}

function tokenOf({ application = 'shop', user = 'ann', lifetimeMs = 60_000, grants, tokenId }: Who): Promise<string> {
  return mintToken({ secret: SECRET, application, user, lifetimeMs, grants, tokenId, nowMs: Date.now() });
}

const bearer = async (who: Who): Promise<Record<string, string>> => ({ Authorization: `Bearer ${await tokenOf(who)}` });

function startHub(options: HubOptions = {}): Promise<HubServer> {
  const auth = {
    mode: 'jwt',
    token: { keys: { algorithm: 'HS256', secret: SECRET }, toleranceMs: 0, cookie: 'session' },
    apiKeys: [parseApiKey(`backend:${KEY_HASH}`)],
  } as const;
  return HubServer.start({ auth, heartbeatMs: 1600, retryMs: 50, ...options });
}

const asServer = { 'X-API-Key': KEY };
const codeOf = ({ status, body }: Answer): readonly unknown[] => [status, body['code']];

async function send(hub: HubServer, method: string, path: string, headers: Record<string, string>, body?: object) {
  const init = body === undefined ? {} : { body: JSON.stringify(body) };
  const type = body === undefined ? {} : { 'Content-Type': 'application/json' };
  const response = await fetch(`${hub.url}${path}`, { method, headers: { ...headers, ...type }, ...init });
  const text = await response.text();
  return { status: response.status, headers: response.headers, body: text === '' ? {} : JSON.parse(text) } as Answer;
}

describe('who nobody knows', () => {
  test.each(['/subscribe/a', '/sse', '/channels', '/channels/a', '/channels/a/history', '/connections/shop'])(
    'does not read %s',
    async (path) => {
      await using hub = await startHub();
      const answer = await hub.get(path);
      expect(codeOf(answer)).toEqual([401, 'token-missing']);
      expect(answer.headers.get('www-authenticate')).toBe('Bearer');
      const expired = await bearer({ lifetimeMs: -5000, grants: { subscribe: ['*'] } });
      expect(codeOf(await hub.get(path, expired))).toEqual([401, 'token-expired']);
    },
  );

  test.each([
    ['POST', '/publish/a'],
    ['POST', '/publish'],
    ['POST', '/publish/users/shop/ann'],
    ['POST', '/tokens/revoke'],
    ['DELETE', '/channels/a'],
    ['DELETE', '/connections/shop/ann/1'],
  ])('does not %s %s', async (method, path) => {
    await using hub = await startHub();
    expect(codeOf(await send(hub, method, path, {}, { data: '1' }))).toEqual([401, 'token-missing']);
  });

  test('is told in the stream, where a native EventSource would not hear a status', async () => {
    await using hub = await startHub();
    await using client = await StreamClient.open(`${hub.url}/subscribe/a`, { headers: EVENT_SOURCE_HEADERS });
    await client.event('tidegate.error');
    expect(client.status).toBe(200);
    expect(JSON.parse(client.events[0]?.data ?? '')).toMatchObject({ code: 'token-missing' });
  });

  test('may ask whether the hub lives', async () => {
    await using hub = await startHub();
    for (const path of ['/health', '/ready', '/openapi.json']) expect((await hub.get(path)).status).toBe(200);
    expect(codeOf(await hub.get('/metrics'))).toEqual([401, 'token-missing']);
    expect(await hub.metrics()).not.toContain(SECRET);
  });
});

describe('grants', () => {
  test('open the channels that they name, and no others', async () => {
    await using hub = await startHub();
    const headers = await bearer({ grants: { subscribe: ['news.*'], publish: ['news.mine'] } });
    await using _client = await (await hub.subscribe('news.x', headers)).event('tidegate.live');
    const forbidden = [403, 'forbidden-channel'];
    expect(codeOf(await hub.get('/subscribe/other', headers))).toEqual(forbidden);
    expect(codeOf(await hub.get('/subscribe?channel=news.x&channel=other', headers))).toEqual(forbidden);
    expect(codeOf(await hub.publish('news.x', '1', headers))).toEqual(forbidden);
    expect((await hub.publish('news.mine', '1', headers)).status).toBe(200);
    const many = await send(hub, 'POST', '/publish', headers, { channels: ['news.mine', 'news.x'], data: '1' });
    expect(codeOf(many)).toEqual(forbidden);
    expect(codeOf(await send(hub, 'DELETE', '/channels/news.x', headers))).toEqual(forbidden);
    expect(codeOf(await hub.get('/channels/other/history', headers))).toEqual(forbidden);
    await hub.publish('other', '1', { ...asServer, 'Content-Type': 'text/plain' });
    const { body } = await hub.get('/channels?all=true', headers);
    expect((body['channels'] as readonly { name: string }[]).map(({ name }) => name)).toEqual(['news.mine', 'news.x']);
  });

  test('open the metrics by `operate`', async () => {
    await using hub = await startHub();
    const watcher = await bearer({ grants: { operate: 'read' } });
    expect(String((await hub.get('/metrics', watcher)).body['text'])).toContain('tidegate_subscribers 0');
    const refused = await hub.get('/metrics', await bearer({}));
    expect(codeOf(refused)).toEqual([403, 'forbidden-operations']);
    expect(refused.body['detail']).toContain('the grant "operate" is "none", and must be "read"');
    const wrong = await bearer({ grants: { operate: 'all' } });
    expect(codeOf(await hub.get('/metrics', wrong))).toEqual([401, 'token-invalid']);
  });

  test('an API key serves beside tokens, by header alone', async () => {
    await using hub = await startHub();
    expect((await hub.publish('any', '1', { ...asServer, 'Content-Type': 'text/plain' })).status).toBe(200);
    expect(codeOf(await hub.publish('any', '1', { 'X-API-Key': 'wrong' }))).toEqual([401, 'unknown-api-key']);
    expect((await hub.get(`/channels?token=${KEY}`)).status).toBe(401);
  });

  test('a cookie reads, and publishes nothing for a page of another origin', async () => {
    await using hub = await startHub();
    const cookie = { Cookie: `session=${await tokenOf({ grants: { subscribe: ['a'], publish: ['a'] } })}` };
    await using _client = await (await hub.subscribe('a', cookie)).event('tidegate.live');
    const foreign = { ...cookie, Origin: 'https://evil.example' };
    expect(codeOf(await hub.publish('a', '1', foreign))).toEqual([403, 'foreign-origin']);
    expect(codeOf(await hub.publish('a', '1', cookie))[0]).toBe(403);
  });
});

describe('a user’s own stream', () => {
  test('carries what is published to that user, on each connection, with history and resume', async () => {
    await using hub = await startHub();
    const [ann, bob] = [await bearer({}), await bearer({ user: 'bob' })];
    const open = (headers: Record<string, string>): Promise<StreamClient> =>
      StreamClient.open(`${hub.url}/sse`, { headers });
    await using first = await (await open(ann)).event('tidegate.live');
    await using second = await (await open(ann)).event('tidegate.live');
    await using other = await (await open(bob)).event('tidegate.live');
    expect(first.headers['x-connection-id']).toMatch(/^[0-9a-f-]{36}$/);
    const published = await send(hub, 'POST', '/publish/users/shop/ann', asServer, { data: 'for ann' });
    expect(published.status).toBe(200);
    for (const client of [first, second]) await client.until(({ data }) => data.includes('for ann'));
    await send(hub, 'POST', '/publish/users/shop/ann', asServer, { data: 'second' });
    await using resumed = await open({ ...ann, 'Last-Event-ID': String(published.body['cursor']) });
    await resumed.event('tidegate.live');
    expect(resumed.data).toEqual(['second']);
    expect(other.data).toEqual([]);
    // No list shows it, and no channel route reaches it.
    expect((await hub.get('/channels?all=true', asServer)).body['channels']).toEqual([]);
    for (const path of ['/subscribe/%2Fusers%2Fshop%2Fann', '/channels/%2Fusers%2Fshop%2Fann/history'])
      expect((await hub.get(path, asServer)).status).toBeGreaterThanOrEqual(400);
  });

  test('is nobody else’s, whatever stands in iss and sub', async () => {
    await using hub = await startHub();
    const tricky = [
      { application: 'shop/ann', user: '' },
      { application: 'shop', user: 'ann/../bob' },
      { application: 'shop:client', user: 'ann' },
      { application: 'shop%2Fann', user: 'x' },
    ].filter(({ user }) => user !== '');
    await send(hub, 'POST', '/publish/users/shop/ann', asServer, { data: 'for ann' });
    for (const who of tricky) {
      const headers = await bearer(who);
      await using client = await StreamClient.open(`${hub.url}/sse?last=all`, { headers });
      await client.event('tidegate.live');
      expect(client.data).toEqual([]);
    }
  });

  test('is published to by its own application, where the grant says so', async () => {
    await using hub = await startHub();
    const event = { data: '1' };
    const to = (path: string, who: Who) => bearer(who).then((headers) => send(hub, 'POST', path, headers, event));
    expect((await to('/publish/users/shop/ann', { user: 'x', grants: { users: true } })).status).toBe(200);
    expect(codeOf(await to('/publish/users/shop/ann', { user: 'x' }))).toEqual([403, 'forbidden-channel']);
    const foreign = { application: 'other', grants: { users: true } };
    expect(codeOf(await to('/publish/users/shop/ann', foreign))).toEqual([403, 'forbidden-application']);
  });
});

describe('a stream ends', () => {
  test('when its token expires, and a client with a fresh one loses nothing', async () => {
    await using hub = await startHub();
    const stop = new AbortController();
    const received: ReceivedItem[] = [];
    let tokens = 0;
    const token = (): Promise<string> => {
      tokens += 1;
      return tokenOf({ lifetimeMs: 1000, grants: { subscribe: ['a'] } });
    };
    const reading = (async () => {
      const options = { url: hub.url, channels: ['a'], last: 'all', token, signal: stop.signal } as const;
      for await (const delivery of subscribe(options)) {
        if (delivery.kind === 'event') received.push({ kind: 'event', channel: 'a', key: delivery.data });
        if (delivery.kind === 'gap') received.push({ kind: 'gap', channel: 'a' });
      }
    })();
    const published: { channel: string; key: string }[] = [];
    for (let at = 0; tokens < 3 || at < 100; at += 1) {
      published.push({ channel: 'a', key: String(at) });
      await hub.hub.publish('a', { data: String(at) });
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    await expect.poll(() => received.length, { timeout: 10_000 }).toBeGreaterThanOrEqual(published.length);
    stop.abort();
    await reading;
    expect(checkDelivery(published, [{ name: 'client', channels: ['a'], received }])).toEqual([]);
    expect(received.some(({ kind }) => kind === 'gap')).toBe(false);
  });

  test.each([
    ['its token', { application: 'shop', jti: 'one' }],
    ['its user', { application: 'shop', user: 'ann' }],
    ['its application', { application: 'shop' }],
  ])('within a second when %s is revoked, and is refused from then on', async (_what, revocation) => {
    await using hub = await startHub();
    const mine = await bearer({ tokenId: 'one' });
    await using client = await StreamClient.open(`${hub.url}/sse`, { headers: mine });
    await client.event('tidegate.live');
    await using other = await StreamClient.open(`${hub.url}/sse`, { headers: await bearer({ application: 'else' }) });
    await other.event('tidegate.live');
    expect((await send(hub, 'POST', '/tokens/revoke', asServer, revocation)).status).toBe(204);
    const startedMs = performance.now();
    await client.event('tidegate.error');
    expect(performance.now() - startedMs).toBeLessThan(1000);
    expect(JSON.parse(client.events.at(-1)?.data ?? '')).toMatchObject({ code: 'token-revoked' });
    expect(codeOf(await hub.get('/sse', mine))).toEqual([401, 'token-revoked']);
    expect(other.isEnded).toBe(false);
  });

  test('revoking is for who manages that application', async () => {
    await using hub = await startHub();
    const revoke = async (who: Who, body: object) =>
      codeOf(await send(hub, 'POST', '/tokens/revoke', await bearer(who), body));
    expect(await revoke({}, { application: 'shop' })).toEqual([403, 'forbidden-connections']);
    const foreign = { application: 'else', grants: { connections: 'manage' } };
    expect(await revoke(foreign, { application: 'shop' })).toEqual([403, 'forbidden-application']);
    const manager = { grants: { connections: 'manage' } };
    expect((await revoke(manager, { application: 'shop', jti: 'x', user: 'y' }))[0]).toBe(400);
    expect((await revoke(manager, { application: 'shop', typo: 'x' }))[0]).toBe(400);
  });
});

describe('connections', () => {
  test('are listed by user and connection as the notification service has them, by page, for their application', async () => {
    await using hub = await startHub({ nodeId: 'tide-1' });
    const reader = await bearer({ user: 'boss', grants: { connections: 'read' } });
    expect((await hub.get('/connections/shop', reader)).status).toBe(204);
    const open = async (user: string): Promise<StreamClient> =>
      StreamClient.open(`${hub.url}/sse`, { headers: { ...(await bearer({ user })), 'User-Agent': 'test/1' } });
    await using ann = await (await open('ann')).event('tidegate.live');
    await using bob = await (await open('bob')).event('tidegate.live');
    const [annId, bobId] = [ann, bob].map((client) => String(client.headers['x-connection-id']));
    const { status, body } = await hub.get('/connections/shop', reader);
    expect(status).toBe(200);
    expect(body).toMatchObject({
      ann: {
        [annId ?? '']: {
          id: annId,
          application: { id: 'shop' },
          user: { id: 'ann' },
          user_agent: 'test/1',
          node: 'tide-1',
        },
      },
      bob: { [bobId ?? '']: { id: bobId } },
    });
    const shown = (body['ann'] as Record<string, { created_at: number; remote_addr: string }>)[annId ?? ''];
    expect(shown?.remote_addr).toBe('127.0.0.1');
    expect(Math.abs((shown?.created_at ?? 0) - Date.now() / 1000)).toBeLessThan(10);
    const first = await hub.get('/connections/shop?limit=1', reader);
    expect(Object.keys(first.body)).toEqual(['ann']);
    const next = /<([^>]+)>; rel="next"/.exec(first.headers.get('link') ?? '')?.[1];
    expect(Object.keys((await hub.get(next ?? '', reader)).body)).toEqual(['bob']);
    expect(Object.keys((await hub.get('/connections/shop/bob', reader)).body)).toEqual(['bob']);
    expect((await hub.get(`/connections/shop/ann/${annId}`, reader)).body).toMatchObject({
      id: annId,
      events_behind: 0,
    });
    const foreign = await bearer({ application: 'else', grants: { connections: 'manage' } });
    expect(codeOf(await hub.get('/connections/shop', foreign))).toEqual([403, 'forbidden-application']);
    expect(codeOf(await hub.get('/connections/shop', await bearer({})))).toEqual([403, 'forbidden-connections']);
  });

  test('end when somebody who may manage them says so, and stay away', async () => {
    await using hub = await startHub();
    await using client = await StreamClient.open(`${hub.url}/sse`, { headers: await bearer({}) });
    await client.event('tidegate.live');
    const path = `/connections/shop/ann/${String(client.headers['x-connection-id'])}`;
    const reader = await bearer({ user: 'boss', grants: { connections: 'read' } });
    expect(codeOf(await send(hub, 'DELETE', path, reader))).toEqual([403, 'forbidden-connections']);
    expect((await send(hub, 'DELETE', path, asServer)).status).toBe(204);
    await client.event('tidegate.error');
    expect(JSON.parse(client.events.at(-1)?.data ?? '')).toMatchObject({ code: 'disconnected', retryable: false });
    await expect.poll(async () => (await hub.get('/connections/shop', asServer)).status).toBe(204);
    expect(codeOf(await send(hub, 'DELETE', path, asServer))).toEqual([404, 'unknown-connection']);
  });

  test('announce themselves on tidegate.connections, to those with the grant', async () => {
    await using hub = await startHub();
    const channel = 'tidegate.connections.shop';
    expect(codeOf(await hub.get(`/subscribe/${channel}`, await bearer({ grants: { subscribe: ['*'] } })))).toEqual([
      403,
      'forbidden-channel',
    ]);
    await using watcher = await hub.subscribe(
      channel,
      await bearer({ user: 'boss', grants: { subscribe: [channel] } }),
    );
    await watcher.event('tidegate.live');
    const client = await StreamClient.open(`${hub.url}/sse`, { headers: await bearer({}) });
    await client.event('tidegate.live');
    await watcher.event('join');
    await client[Symbol.asyncDispose]();
    await watcher.event('leave');
    const told = watcher.events.filter(({ type }) => type === 'join' || type === 'leave');
    const data = told.map((event) => JSON.parse(event.data) as { user: string; id: string });
    expect(data.filter(({ user }) => user === 'ann')).toHaveLength(2);
    expect(new Set(data.filter(({ user }) => user === 'ann').map(({ id }) => id))).toEqual(
      new Set([client.headers['x-connection-id']]),
    );
  });

  test('of one user are limited', async () => {
    await using hub = await startHub({ limits: { connectionsPerUser: 1 } });
    await using _first = await (
      await StreamClient.open(`${hub.url}/sse`, { headers: await bearer({}) })
    ).event('tidegate.live');
    expect(codeOf(await hub.get('/sse', await bearer({})))).toEqual([429, 'too-many-connections-of-user']);
    await using _other = await StreamClient.open(`${hub.url}/sse`, { headers: await bearer({ user: 'bob' }) });
  });
});
