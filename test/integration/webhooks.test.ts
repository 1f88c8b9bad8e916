import { describe, expect, test } from 'vitest';

import { mintToken } from '../../src/hub/index.js';
import type { HubOptions, WebhookOptions } from '../../src/hub/index.js';
import { createCapturingLogger } from '../support/capturing-logger.js';
import { HubServer } from '../support/hub-server.js';
import type { Answer } from '../support/hub-server.js';
import { StreamClient } from '../support/stream-client.js';
import { EVENT_SOURCE_HEADERS } from '../support/stream-requests.js';
import { answers, fails, hangs, signatureOf, WebhookReceiver } from '../support/webhook-receiver.js';
import type { ReceivedWebhook, ReceiverAnswer } from '../support/webhook-receiver.js';

const TOKEN_SECRET = 'a secret of more than thirty-two bytes, for tests alone';
const KEY = Buffer.from('the key of webhooks, in 32 bytes');
const SECRET = `whsec_${KEY.toString('base64')}`;

function startHub(webhooks: WebhookOptions, options: HubOptions = {}): Promise<HubServer> {
  const auth = { mode: 'jwt', token: { keys: { algorithm: 'HS256', secret: TOKEN_SECRET } } } as const;
  return HubServer.start({ auth, heartbeatMs: 1600, retryMs: 50, drainMs: 50, webhooks, ...options });
}

async function bearer(user = 'ann', more: Readonly<Record<string, unknown>> = {}): Promise<Record<string, string>> {
  const grants = { subscribe: ['*'], publish: ['*'], connections: 'manage', users: true, ...more };
  const times = { lifetimeMs: 60_000, nowMs: Date.now() };
  const token = await mintToken({
    secret: TOKEN_SECRET,
    application: 'shop',
    user,
    grants,
    tokenId: undefined,
    ...times,
  });
  return { Authorization: `Bearer ${token}` };
}

const PATIENCE = { timeout: 10_000 };
const codeOf = ({ status, body }: Answer): readonly unknown[] => [status, body['code']];
const plain = { 'Content-Type': 'text/plain' };
const dataOf = ({ body }: ReceivedWebhook): Readonly<Record<string, unknown>> =>
  body['data'] as Record<string, unknown>;

async function metric(hub: HubServer, name: string): Promise<number> {
  const text = await hub.metrics();
  const line = text.split('\n').find((one) => one.startsWith(`${name} `));
  return line === undefined ? 0 : Number(line.slice(name.length));
}

describe('notifications', () => {
  test('tell of a connection that opened and closed, signed, with who it was', async () => {
    await using receiver = await WebhookReceiver.start();
    await using hub = await startHub({ notify: { url: receiver.url, secret: SECRET } });
    const client = await hub.subscribe('?channel=a&channel=b', { ...(await bearer()), 'User-Agent': 'test' });
    await receiver.until(1);
    await client[Symbol.asyncDispose]();
    await receiver.until(2);
    const [opened, closed] = receiver.received;
    expect(receiver.received.map(({ body }) => body['type'])).toEqual([
      'tidegate.connection.opened',
      'tidegate.connection.closed',
    ]);
    for (const one of receiver.received) expect(one.headers['webhook-signature']).toBe(signatureOf(one, KEY));
    expect(opened && dataOf(opened)).toMatchObject({
      application: 'shop',
      user: 'ann',
      channels: ['a', 'b'],
      userAgent: 'test',
    });
    expect(opened?.body['subject']).toBe(closed?.body['subject']);
    expect(opened?.body['subject']).toBe(client.headers['x-connection-id']);
    expect(receiver.received.map(({ text }) => text).join('')).not.toContain('eyJ');
  });

  test('are left out where they were not asked for, and for who was refused', async () => {
    await using receiver = await WebhookReceiver.start();
    await using hub = await startHub({ notify: { url: receiver.url, secret: SECRET, events: ['closed'] } });
    expect((await hub.get('/subscribe/a')).status).toBe(401);
    const client = await hub.subscribe('a', await bearer());
    await client.event('tidegate.live');
    await client[Symbol.asyncDispose]();
    await receiver.until(1);
    expect(receiver.received.map(({ body }) => body['type'])).toEqual(['tidegate.connection.closed']);
  });

  test('of those that a drain sends away are delivered before the hub stops, at the second attempt too', async () => {
    const tried = new Set<unknown>();
    const delivered: unknown[] = [];
    await using receiver = await WebhookReceiver.start((response, { body }) => {
      const isFailing = body['type'] === 'tidegate.connection.closed' && !tried.has(body['id']);
      tried.add(body['id']);
      if (!isFailing) delivered.push(body['type']);
      response.writeHead(isFailing ? 503 : 204).end();
    });
    await using hub = await startHub({ notify: { url: receiver.url, secret: SECRET } });
    const headers = await bearer();
    const clients = await Promise.all(Array.from({ length: 3 }, () => hub.subscribe('a', headers)));
    await hub.hub.drain();
    expect(delivered.filter((type) => type === 'tidegate.connection.closed')).toHaveLength(3);
    await Promise.all(clients.map((client) => client[Symbol.asyncDispose]()));
  });

  test('cost the subscribers nothing where the receiver hangs, and are counted where they are dropped', async () => {
    await using receiver = await WebhookReceiver.start(hangs);
    await using hub = await startHub({ notify: { url: receiver.url, secret: SECRET, waitingMax: 3, concurrency: 1 } });
    const headers = await bearer();
    for (let count = 0; count < 6; count += 1) {
      await using client = await hub.subscribe('a', headers);
      await client.event('tidegate.live');
    }
    await expect.poll(() => metric(hub, 'tidegate_webhooks_dropped_total{reason="overflow"}'), PATIENCE).toBe(9);
    expect(await metric(hub, 'tidegate_webhooks_waiting')).toBe(3);
  });
});

describe('the authorizer', () => {
  const deny = answers({ allow: false, reason: 'not "today"\n' });
  const allow = answers({ allow: true });

  test('is asked after the grants, signed, and told who wants what from where, but no token', async () => {
    await using receiver = await WebhookReceiver.start(allow);
    await using hub = await startHub({ authorize: { url: receiver.url, secret: SECRET } });
    const headers = await bearer('ann', { subscribe: ['a'], publish: ['b', 'c'] });
    expect(codeOf(await hub.get('/subscribe/other', headers))).toEqual([403, 'forbidden-channel']);
    expect(receiver.received).toHaveLength(0);
    await using client = await hub.subscribe('a', headers);
    await client.event('tidegate.live');
    expect((await hub.publish('b', 'x', { ...plain, ...headers })).status).toBe(200);
    const many = JSON.stringify({ channels: ['b', 'c'], data: 'x' });
    expect((await hub.publish('', many, { 'Content-Type': 'application/json', ...headers })).status).toBe(200);
    expect((await hub.publish('users/shop/bob', 'x', { ...plain, ...headers })).status).toBe(200);
    const who = { caller: 'user', application: 'shop', user: 'ann', address: '127.0.0.1' };
    expect(receiver.received.map(({ body }) => body)).toEqual([
      { action: 'subscribe', ...who, channels: ['a'], connection: client.headers['x-connection-id'] },
      { action: 'publish', ...who, channels: ['b'] },
      { action: 'publish', ...who, channels: ['b', 'c'] },
      { action: 'publish', ...who, channels: ['/users/shop/bob'] },
    ]);
    for (const one of receiver.received) expect(one.headers['webhook-signature']).toBe(signatureOf(one, KEY));
    expect(receiver.received.map(({ text, headers: sent }) => text + JSON.stringify(sent)).join('')).not.toContain(
      'eyJ',
    );
  });

  test('denies: a refusal with its reason, and nothing is joined, published, read or ended', async () => {
    await using receiver = await WebhookReceiver.start(allow);
    await using hub = await startHub({ authorize: { url: receiver.url } });
    const headers = await bearer();
    await hub.publish('a', 'kept', { ...plain, ...headers });
    receiver.answer = deny;
    const denied = [403, 'denied-by-webhook'];
    const answer = await hub.get('/subscribe/a', headers);
    expect(codeOf(answer)).toEqual(denied);
    expect(answer.body['detail']).toBe('Cannot subscribe here: not "today"');
    expect(codeOf(await hub.get('/sse', headers))).toEqual(denied);
    expect(codeOf(await hub.publish('a?end=true', 'x', { ...plain, ...headers }))).toEqual(denied);
    expect(codeOf(await hub.publish('a', 'data: x\n\n', { 'Content-Type': 'text/event-stream', ...headers }))).toEqual(
      denied,
    );
    expect(
      codeOf(
        await hub.publish('', '{"channels":["a"],"data":"x"}', { 'Content-Type': 'application/json', ...headers }),
      ),
    ).toEqual(denied);
    expect(codeOf(await hub.get('/channels/a/history', headers))).toEqual(denied);
    expect(codeOf(await hub.get('/channels/a', headers))).toEqual(denied);
    expect((await fetch(`${hub.url}/channels/a`, { method: 'DELETE', headers })).status).toBe(403);
    receiver.answer = allow;
    const { body } = await hub.get('/channels/a/history', headers);
    expect(body['events']).toMatchObject([{ data: 'kept' }]);
    expect((await hub.get('/connections/shop', headers)).status).toBe(204);
    expect(await metric(hub, 'tidegate_authorization_verdicts_total{verdict="denied"}')).toBe(8);
    expect(await metric(hub, 'tidegate_refusals_total{code="denied-by-webhook"}')).toBe(8);
    expect(await metric(hub, 'tidegate_authorization_seconds_count')).toBe(10);
  });

  test('is heard by a native EventSource, which stays away where it was denied and comes back where nobody knew', async () => {
    await using receiver = await WebhookReceiver.start(deny);
    await using hub = await startHub({ authorize: { url: receiver.url, timeoutMs: 5000 } }, { auth: { mode: 'none' } });
    const heard = async (): Promise<readonly unknown[]> => {
      await using client = await StreamClient.open(`${hub.url}/subscribe/a`, { headers: EVENT_SOURCE_HEADERS });
      await client.event('tidegate.error');
      const { code, retryable } = JSON.parse(client.events[0]?.data ?? '') as Record<string, unknown>;
      return [client.status, code, retryable];
    };
    expect(await heard()).toEqual([200, 'denied-by-webhook', false]);
    receiver.answer = fails;
    expect(await heard()).toEqual([200, 'authorization-unavailable', true]);
  });

  const faults: readonly (readonly [string, ReceiverAnswer, string])[] = [
    ['hangs', hangs, 'timeout'],
    ['hangs in its answer', (response) => response.writeHead(200).write('{"allow":'), 'timeout'],
    ['breaks', fails, 'status'],
    ['is not there', answers({ allow: true }, 404), 'status'],
    ['says nothing but 204', (response) => response.writeHead(204).end(), 'status'],
    ['points elsewhere', (response) => response.writeHead(302, { location: '/allow' }).end(), 'redirected'],
    ['answers a page', (response) => response.end('<p>allow: true</p>'), 'answer-unreadable'],
    ['says allow with other words', answers({ allow: 'true' }), 'answer-unreadable'],
    ['answers a list', answers([{ allow: true }]), 'answer-unreadable'],
    [
      'never stops answering',
      (response) => response.end(`{"allow":true,"x":"${'x'.repeat(1 << 20)}"}`),
      'answer-too-large',
    ],
    ['cuts its answer', (response) => response.write('{"allow":true}', () => response.destroy()), 'unreachable'],
    ['cuts the connection', (response) => response.destroy(), 'unreachable'],
  ];

  test.each(faults)(
    'that %s gives no verdict: deny by default, allow where that is said',
    async (_what, answer, reason) => {
      await using receiver = await WebhookReceiver.start(answer);
      const headers = await bearer();
      const authorize = { url: receiver.url, timeoutMs: reason === 'timeout' ? 50 : 5000 };
      await using strict = await startHub({ authorize });
      expect(codeOf(await strict.get('/subscribe/a', headers))).toEqual([503, 'authorization-unavailable']);
      expect(codeOf(await strict.publish('a', 'x', { ...plain, ...headers }))).toEqual([
        503,
        'authorization-unavailable',
      ]);
      expect(await metric(strict, `tidegate_authorization_failures_total{reason="${reason}"}`)).toBe(2);
      await using lenient = await startHub({ authorize: { ...authorize, onFailure: 'allow' } });
      await using client = await lenient.subscribe('a', headers);
      await client.event('tidegate.live');
      expect((await lenient.publish('a', 'x', { ...plain, ...headers })).status).toBe(200);
      await client.event('message');
    },
  );

  test('that is down is asked again when it is back', async () => {
    await using receiver = await WebhookReceiver.start(allow);
    const logger = createCapturingLogger();
    await using hub = await startHub({ authorize: { url: receiver.url, secret: SECRET } }, { logger });
    const headers = await bearer();
    await receiver.stop();
    const answer = await hub.get('/subscribe/a', headers);
    expect(codeOf(answer)).toEqual([503, 'authorization-unavailable']);
    expect(answer.headers.get('retry-after')).not.toBeNull();
    await receiver.listen();
    await using client = await hub.subscribe('a', headers);
    await client.event('tidegate.live');
    expect(logger.lines.map(({ message }) => message)).toEqual([
      'Cannot get verdicts on who may do what',
      'Verdicts come again',
    ]);
    const shown = JSON.stringify(logger.lines) + JSON.stringify(answer.body) + (await hub.metrics());
    for (const secret of [SECRET, KEY.toString('base64'), KEY.toString(), 'in-the-url'])
      expect(shown).not.toContain(secret);
  });

  test('is asked once more where the connection broke, and no third time', async () => {
    await using receiver = await WebhookReceiver.start((response) => {
      receiver.answer = allow;
      response.destroy();
    });
    await using hub = await startHub({ authorize: { url: receiver.url, timeoutMs: 5000 } });
    const headers = { ...plain, ...(await bearer()) };
    expect((await hub.publish('a', 'x', headers)).status).toBe(200);
    expect(receiver.received).toHaveLength(2);
    receiver.answer = (response) => response.destroy();
    expect((await hub.publish('a', 'x', headers)).status).toBe(503);
    expect(receiver.received).toHaveLength(4);
  });

  test('knows who is anonymous where nobody is asked who they are', async () => {
    await using receiver = await WebhookReceiver.start(allow);
    await using hub = await startHub({ authorize: { url: receiver.url } }, { auth: { mode: 'none' } });
    await using client = await hub.subscribe('a');
    await client.event('tidegate.live');
    const connection = client.headers['x-connection-id'];
    const question = { action: 'subscribe', caller: 'anonymous', channels: ['a'], address: '127.0.0.1', connection };
    expect(receiver.received.map(({ body }) => body)).toEqual([question]);
  });

  test('that hangs bounds a flood of subscribes, in requests and in line', async () => {
    const thinking: (() => void)[] = [];
    await using receiver = await WebhookReceiver.start((response, received) => {
      thinking.push(() => deny(response, received));
    });
    const authorize = { url: receiver.url, timeoutMs: 15_000, concurrency: 4, waitingMax: 6 };
    await using hub = await startHub({ authorize });
    const headers = await bearer();
    const flood = Array.from({ length: 40 }, () => hub.get('/subscribe/a', headers));
    await expect
      .poll(() => metric(hub, 'tidegate_authorization_failures_total{reason="overloaded"}'), PATIENCE)
      .toBe(30);
    await receiver.until(4);
    expect(await metric(hub, 'tidegate_authorizations_waiting')).toBe(6);
    expect(receiver.received).toHaveLength(4);
    receiver.answer = deny;
    for (const answer of thinking) answer();
    const statuses = (await Promise.all(flood)).map(({ status }) => status);
    expect([403, 503].map((status) => statuses.filter((one) => one === status).length)).toEqual([10, 30]);
  });

  test('that hangs holds nobody longer than its time, who waits in line included', async () => {
    await using receiver = await WebhookReceiver.start(hangs);
    await using hub = await startHub({ authorize: { url: receiver.url, timeoutMs: 600, concurrency: 2 } });
    const headers = await bearer();
    const startedMs = performance.now();
    const flood = await Promise.all(Array.from({ length: 40 }, () => hub.get('/subscribe/a', headers)));
    // One after the other it would take twenty times as long.
    expect(performance.now() - startedMs).toBeLessThan(6000);
    expect(new Set(flood.map(({ status }) => status))).toEqual(new Set([503]));
    expect(await metric(hub, 'tidegate_authorization_failures_total{reason="timeout"}')).toBe(40);
    expect(await metric(hub, 'tidegate_authorizations_waiting')).toBe(0);
    receiver.answer = allow;
    await using client = await hub.subscribe('a', headers);
    await client.event('tidegate.live');
  });

  test('does not let in a token that was revoked while it thought', async () => {
    const waiting: (() => void)[] = [];
    await using receiver = await WebhookReceiver.start((response) =>
      waiting.push(() => allow(response, receiver.received[0] as ReceivedWebhook)),
    );
    await using hub = await startHub({ authorize: { url: receiver.url, timeoutMs: 10_000 } });
    const subscribed = hub.get('/subscribe/a', await bearer('ann'));
    await receiver.until(1);
    const init = { method: 'POST', body: '{"application":"shop","user":"ann"}' };
    const revoked = await fetch(`${hub.url}/tokens/revoke`, {
      ...init,
      headers: { ...(await bearer('boss')), 'Content-Type': 'application/json' },
    });
    expect(revoked.status).toBe(204);
    for (const answer of waiting) answer();
    expect(codeOf(await subscribed)).toEqual([401, 'token-revoked']);
  });

  test('is no way into a hub that drains, even where failure allows', async () => {
    await using receiver = await WebhookReceiver.start(hangs);
    await using hub = await startHub({ authorize: { url: receiver.url, timeoutMs: 60_000, onFailure: 'allow' } });
    const headers = await bearer();
    const subscribed = hub.get('/subscribe/a', headers);
    const published = hub.publish('a', 'x', { ...plain, ...headers });
    await receiver.until(2);
    await hub.hub.drain();
    expect(codeOf(await subscribed)).toEqual([503, 'draining']);
    expect(codeOf(await published)).toEqual([503, 'draining']);
  });

  test('need not answer for who has left, and a hub that closes does not wait for it', async () => {
    await using receiver = await WebhookReceiver.start(hangs);
    await using hub = await startHub({ authorize: { url: receiver.url, timeoutMs: 60_000 } });
    const headers = await bearer();
    const leaving = new AbortController();
    const left = fetch(`${hub.url}/subscribe/a`, { headers, signal: leaving.signal }).catch(() => 'left');
    const staying = hub.get('/subscribe/a', headers);
    await receiver.until(2);
    leaving.abort();
    expect(await left).toBe('left');
    await hub.hub.close();
    expect(codeOf(await staying)).toEqual([503, 'authorization-unavailable']);
  });

  test('is asked once for the same question within the time that its verdict holds', async () => {
    await using receiver = await WebhookReceiver.start(allow);
    await using hub = await startHub({ authorize: { url: receiver.url, cacheMs: 60_000 } });
    const [ann, bob] = [await bearer('ann'), await bearer('bob')];
    for (const headers of [ann, ann, bob])
      expect((await hub.publish('a', 'x', { ...plain, ...headers })).status).toBe(200);
    await using client = await hub.subscribe('a', ann);
    await client.event('tidegate.live');
    expect(receiver.received.map(({ body }) => `${String(body['user'])} ${String(body['action'])}`)).toEqual([
      'ann publish',
      'bob publish',
      'ann subscribe',
    ]);
    expect(await metric(hub, 'tidegate_authorization_verdicts_cached_total')).toBe(1);
  });

  test('remembers no failure', async () => {
    await using receiver = await WebhookReceiver.start(fails);
    await using hub = await startHub({ authorize: { url: receiver.url, cacheMs: 60_000 } });
    const headers = await bearer();
    expect((await hub.publish('a', 'x', { ...plain, ...headers })).status).toBe(503);
    receiver.answer = allow;
    expect((await hub.publish('a', 'x', { ...plain, ...headers })).status).toBe(200);
  });
});
