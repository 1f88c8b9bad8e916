import { once } from 'node:events';
import { request } from 'node:http';
import type { ClientRequest, IncomingMessage } from 'node:http';
import { connect } from 'node:net';

import { describe, expect, test } from 'vitest';

import { createRedisHub } from '../../src/hub/index.js';
import { CERTIFICATE } from '../support/certificate.js';
import { answerOf, Http2Client } from '../support/http2-client.js';
import { HubServer } from '../support/hub-server.js';
import { hasRedis, startRedis } from '../support/redis-server.js';

test('drain() sends subscribers away over its window, each with a time of its own to come back', async () => {
  await using hub = await HubServer.start({ drainMs: 300, retryMs: 1000 });
  const clients = await Promise.all(Array.from({ length: 30 }, () => hub.subscribe('a')));
  const left: number[] = [];
  const backMs: number[] = [];
  const startedMs = performance.now();
  const leaving = clients.map(async (client) => {
    await client.ended();
    const leftMs = performance.now() - startedMs;
    left.push(leftMs);
    backMs.push(leftMs + (client.retries.at(-1) ?? 0));
  });
  const drained = hub.hub.drain();
  await Promise.all([...leaving, drained]);
  expect(performance.now() - startedMs).toBeLessThan(3000);
  expect(Math.max(...left) - Math.min(...left)).toBeGreaterThan(150);
  for (const client of clients) {
    const { type, data } = client.events.at(-1) ?? { type: '', data: '{}' };
    expect(type).toBe('tidegate.error');
    expect(JSON.parse(data)).toMatchObject({ code: 'draining', retryable: true });
  }
  // Nobody comes back before this hub has gone: its window, a second of grace, and half of retryMs at least.
  expect(Math.min(...backMs)).toBeGreaterThanOrEqual(300 + 1000 + 500 - 20);
  expect(Math.max(...backMs)).toBeLessThanOrEqual(300 + 1000 + 1500 + 200);
  expect(new Set(backMs.map(Math.round)).size).toBeGreaterThan(10);
});

test.skipIf(!hasRedis)(
  'drain() does not let clients wait where another node takes them (needs redis-server)',
  async () => {
    await using redis = await startRedis();
    const shared = { redis: { url: redis.url }, retryMs: 1000, drainMs: 5000 };
    await using hub = await HubServer.serve(await createRedisHub(shared));
    const retryOf = async (): Promise<number> => {
      await using client = await (await hub.subscribe('a')).event('tidegate.live');
      void hub.hub.drain();
      return (await client.ended()).retries.at(-1) ?? 0;
    };
    await using _other = await createRedisHub(shared);
    expect(await retryOf()).toBeLessThanOrEqual(1500);
  },
);

test('a draining hub takes nobody and nothing new, and says so to who asks', async () => {
  await using hub = await HubServer.start({ drainMs: 10_000 });
  await using first = await (await hub.subscribe('a')).event('tidegate.live');
  await using second = await (await hub.subscribe('a')).event('tidegate.live');
  void hub.hub.drain();
  await first.ended();
  expect((await hub.get('/ready')).body).toMatchObject({ code: 'draining', status: 503 });
  expect((await hub.get('/health')).body).toEqual({ status: 'ok' });
  expect((await hub.get('/subscribe/a')).body).toMatchObject({ code: 'draining' });
  expect((await hub.publish('a', 'x')).headers.get('retry-after')).toBe('2');
  expect(second.isEnded).toBe(false);
});

test('drain() ends within a bound where a subscriber reads nothing', async () => {
  await using hub = await HubServer.start({ drainMs: 100 });
  await using stuck = await (await hub.subscribe('a')).event('tidegate.live');
  stuck.pause();
  for (let at = 0; at < 2000; at += 1) {
    await hub.hub.publish('a', { data: 'x'.repeat(10_000) });
    if (at % 20 === 19) await new Promise(setImmediate);
  }
  const startedMs = performance.now();
  await hub.hub.drain();
  expect(performance.now() - startedMs).toBeLessThan(2500);
});

/** A publish whose body has begun and does not end, from a client that waits for no answer. */
function begin(hub: HubServer, contentType: string, part: string): ClientRequest {
  const sending = request(`${hub.url}/publish/a`, {
    method: 'POST',
    agent: false,
    headers: { 'Content-Type': contentType },
  });
  sending.on('error', () => undefined).write(part);
  return sending;
}

async function problemOf(response: IncomingMessage): Promise<unknown> {
  let text = '';
  for await (const part of response.setEncoding('utf8')) text += String(part);
  return JSON.parse(text);
}

describe('a publish under way when the hub drains', () => {
  test('as a stream of events: what came before stands, is counted in the answer, and the connection is closed', async () => {
    await using hub = await HubServer.start({ drainMs: 300 });
    await using reader = await (await hub.subscribe('a')).event('tidegate.live');
    const sending = begin(hub, 'text/event-stream', 'data: 1\n\ndata: 2\n\ndata: begun');
    const closed = once(sending, 'close');
    const answered = once(sending, 'response') as Promise<[IncomingMessage]>;
    await reader.until(({ data }) => data.length === 2);
    const drained = hub.hub.drain();
    const [response] = await answered;
    expect(response.statusCode).toBe(503);
    expect(response.headers['retry-after']).toBeDefined();
    expect(await problemOf(response)).toMatchObject({ code: 'draining', published: 2 });
    await drained;
    await closed;
    expect(reader.data).toEqual(['1', '2']);
  });

  test.skipIf(CERTIFICATE === undefined)('the same on HTTP/2 (needs openssl)', async () => {
    await using hub = await HubServer.start({
      drainMs: 300,
      ...(CERTIFICATE === undefined ? {} : { tls: CERTIFICATE }),
    });
    await using client = new Http2Client(hub.url, CERTIFICATE?.cert ?? '');
    await using reader = new Http2Client(hub.url, CERTIFICATE?.cert ?? '');
    const stream = await (await reader.subscribe('a')).event('tidegate.live');
    const sending = client.session.request({
      ':method': 'POST',
      ':path': '/publish/a',
      'content-type': 'text/event-stream',
    });
    const answered = answerOf(sending);
    sending.write('data: 1\n\n');
    await stream.until(({ data }) => data.length === 1);
    const drained = hub.hub.drain();
    const { status, text } = await answered;
    expect([status, JSON.parse(text)]).toMatchObject([503, { code: 'draining', published: 1 }]);
    await drained;
  });

  test('in one piece that has not arrived: nothing is published, and it is said at once', async () => {
    await using hub = await HubServer.start({ drainMs: 300 });
    for (const contentType of ['application/json', 'application/x-ndjson', 'text/plain']) {
      const sending = begin(hub, contentType, '{"data":');
      await once(sending, 'socket');
      // The hub has the head: a request behind it on the same loop was answered.
      await hub.get('/health');
      const answered = once(sending, 'response') as Promise<[IncomingMessage]>;
      void hub.hub.drain();
      const [response] = await answered;
      expect([response.statusCode, await problemOf(response)]).toMatchObject([503, { code: 'draining' }]);
      sending.destroy();
    }
  });

  test('a stream that sends without a pause gets its answer, too', async () => {
    await using hub = await HubServer.start({ drainMs: 300 });
    await using reader = await (await hub.subscribe('a')).event('tidegate.live');
    const socket = connect({ port: hub.port, host: '127.0.0.1' });
    socket.write(
      'POST /publish/a HTTP/1.1\r\nHost: hub\r\nContent-Type: text/event-stream\r\nContent-Length: 100000000\r\n\r\n',
    );
    let text = '';
    socket.on('data', (bytes: Buffer) => (text += bytes.toString())).on('error', () => undefined);
    const send = (): void => void socket.write('data: x\n\n'.repeat(50), () => setImmediate(send));
    send();
    await reader.until(({ data }) => data.length > 1000);
    await hub.hub.drain();
    await expect.poll(() => text).toContain('"published"');
    await expect.poll(() => socket.destroyed, { timeout: 5000 }).toBe(true);
    const { published } = JSON.parse(/\{.*\}/.exec(text)?.[0] ?? '{}') as { published: number };
    expect(published).toBe(reader.data.length);
  });
});
