import { once } from 'node:events';
import { createServer } from 'node:http';
import { connect as connectHttp2, createServer as createHttp2Server } from 'node:http2';
import type { IncomingHttpHeaders } from 'node:http2';
import { connect } from 'node:net';
import type { AddressInfo } from 'node:net';

import { describe, expect, test } from 'vitest';

import { createSeededRandom } from '../../src/base/index.js';
import { createHub, listen } from '../../src/hub/index.js';
import { HubServer } from '../support/hub-server.js';
import { RawConnection } from '../support/raw-connection.js';
import { StreamClient } from '../support/stream-client.js';

const JSON_TYPE = { 'Content-Type': 'application/json' };

async function metric(hub: HubServer, name: string): Promise<number> {
  const { body } = await hub.get('/metrics');
  return Number(new RegExp(`^${name} (\\d+)$`, 'm').exec(String(body['text']))?.[1]);
}

describe('requests on one connection, none waiting for the answer before,', () => {
  test('leave no subscriber behind when it closes', async () => {
    await using hub = await HubServer.start();
    const raw = new RawConnection(hub).send('GET /subscribe/a HTTP/1.1\r\nHost: x\r\n\r\n'.repeat(20));
    await raw.until(/tidegate\.live/);
    expect(await metric(hub, 'tidegate_subscribers')).toBe(1);
    await raw[Symbol.asyncDispose]();
    await expect.poll(() => metric(hub, 'tidegate_subscribers')).toBe(0);
    expect(await metric(hub, 'tidegate_channels')).toBe(0);
  });

  test('get their streams when it is their turn', async () => {
    await using hub = await HubServer.start();
    await using raw = new RawConnection(hub).send(
      'GET /health HTTP/1.1\r\nHost: x\r\n\r\nGET /subscribe/a HTTP/1.1\r\nHost: x\r\n\r\n',
    );
    await raw.until(/"ok"[^]*tidegate\.live/);
    await hub.publish('a', 'event one');
    expect(await raw.until(/event one/)).toContain('data: event one\n\n');
  });
});

test('a client that has left before an embedding server asks the hub leaves no subscriber behind', async () => {
  await using hub = createHub();
  const server = createServer((request, response) => {
    response.once('close', () => {
      hub.handler(request, response);
      server.emit('asked');
    });
  });
  await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve));
  const socket = connect((server.address() as AddressInfo).port, '127.0.0.1');
  socket.write('GET /subscribe/a HTTP/1.1\r\nHost: x\r\n\r\n');
  await once(server, 'request');
  const asked = once(server, 'asked');
  socket.destroy();
  await asked;
  await using watcher = await listen(hub, { port: 0 });
  expect(await (await fetch(`${watcher.url}/channels`)).json()).toMatchObject({ channels: [] });
  server.close();
});

describe('a path', () => {
  test('with more in it than a channel is no other channel: what is meant for one user must not reach all', async () => {
    await using hub = await HubServer.start();
    for (const path of ['users/app', 'users/app/bob/more']) {
      expect((await hub.publish(path, 'x')).body).toMatchObject({ code: 'not-found', status: 404 });
      expect((await hub.get(`/subscribe/${path}`)).body).toMatchObject({ code: 'not-found' });
    }
    for (const path of ['a/', 'a//', '/a', 'a/../b', 'a/%2e%2E/b']) {
      await using raw = new RawConnection(hub).send(`GET /subscribe/${path} HTTP/1.1\r\nHost: x\r\n\r\n`);
      expect(await raw.until(/"code":"[^"]+"/)).toMatch(/^HTTP\/1\.1 400 [^]*"invalid-target"/);
    }
    expect(await metric(hub, 'tidegate_events_published_total')).toBe(0);
    expect((await hub.get('/subscribe/users/app/bob')).body).toMatchObject({ code: 'not-found' });
  });

  test('and a query that name different channels contradict each other', async () => {
    await using hub = await HubServer.start();
    expect((await hub.get('/subscribe/a?channel=b')).body).toMatchObject({ code: 'invalid-query', status: 400 });
  });

  test('may come with the server in front of it, and without a Host on HTTP/1.0', async () => {
    await using hub = await HubServer.start();
    for (const head of [
      'GET http://hub.example:80/health HTTP/1.1\r\nHost: hub.example',
      'GET http://hub.example?x HTTP/1.1\r\nHost: hub.example',
      'GET /health HTTP/1.0',
    ]) {
      await using raw = new RawConnection(hub).send(`${head}\r\nAccept: */*\r\n\r\n`);
      expect(await raw.until(/\r\n\r\n/)).toMatch(/^HTTP\/1\.1 (200 OK|301 )/);
    }
  });

  test('may name as many channels as are allowed, however long their names', async () => {
    await using hub = await HubServer.start();
    const channels = Array.from({ length: 100 }, (_, at) => encodeURIComponent(`${at + 100}${'ß'.repeat(98)}`));
    await using client = await hub.subscribe(`?${channels.map((channel) => `channel=${channel}`).join('&')}`);
    await client.event('tidegate.live');
    expect(client.status).toBe(200);
  });
});

describe('a body', () => {
  test('with a very long string in it is refused for its size, not for a fault of ours', async () => {
    await using hub = await HubServer.start();
    const body = `{"data":{"x":"${'y\\n'.repeat(5_000_000)}"}}`;
    expect((await hub.publish('a', body, JSON_TYPE)).body).toMatchObject({ code: 'event-too-large', status: 413 });
  });

  test('of a million events is refused: it would hold up everybody', async () => {
    await using hub = await HubServer.start();
    const type = { 'Content-Type': 'application/x-ndjson' };
    expect((await hub.publish('a', '{"data":1}\n'.repeat(100_001), type)).body).toMatchObject({
      code: 'body-too-large',
      detail: expect.stringContaining('100000') as string,
    });
    expect((await hub.publish('a', '\n'.repeat(1_000_000), type)).body).toMatchObject({ published: 0 });
    expect((await hub.publish('a', '{"data":1}\n'.repeat(1000), type)).body).toMatchObject({ published: 1000 });
  });

  test('that never ends takes memory from a bounded share, and gives it back', async () => {
    await using hub = await HubServer.start({ limits: { bodyBytes: 1000, bodiesBytes: 3000 } });
    const half = `POST /publish/a HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n${'x'.repeat(900)}`;
    const slow = [1, 2, 3].map(() => new RawConnection(hub).send(half));
    await expect.poll(async () => (await hub.publish('b', 'y'.repeat(500))).body['code']).toBe('too-many-bodies');
    expect((await hub.publish('b', 'y'.repeat(500))).headers.get('retry-after')).toBe('2');
    slow[0]?.send('x'.repeat(100));
    await slow[0]?.until(/"published":1/);
    expect((await hub.publish('b', 'y'.repeat(500))).status).toBe(200);
    for (const raw of slow) await raw[Symbol.asyncDispose]();
    await expect.poll(async () => (await hub.publish('b', 'y'.repeat(1000))).status).toBe(200);
  });

  test('with an idempotency key in its header is the same as with one in its fields, in any script', async () => {
    await using hub = await HubServer.start();
    const key = Buffer.from('schlüssel').toString('latin1');
    await hub.publish('a', 'x', { 'Content-Type': 'text/plain', 'Idempotency-Key': key });
    expect((await hub.publishJson('a', { data: 'x', idempotencyKey: 'schlüssel' })).body).toMatchObject({
      duplicates: 1,
    });
  });
});

test('a page of history is bounded in bytes too, and goes on where it stopped', async () => {
  await using hub = await HubServer.start();
  const events = Array.from({ length: 10 }, (_, at) => `${at}`.padEnd(300_000, 'x'));
  for (const data of events) await hub.hub.publish('a', { data });
  const read: unknown[] = [];
  for (let since = '0d'; since !== 'null';) {
    const { body } = await hub.get(`/channels/a/history?${since === '0d' ? 'last=all' : `since=${since}`}`);
    const page = body['events'] as readonly { readonly data: string }[];
    expect(page.length).toBeLessThan(6);
    read.push(...page.map(({ data }) => data));
    since = String(body['next']);
  }
  expect(read).toEqual(events);
});

async function startHttp2() {
  const hub = createHub();
  const server = createHttp2Server((request, response) => {
    (hub.handler as unknown as (...exchange: readonly unknown[]) => void)(request, response);
  });
  await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve));
  const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const session = connectHttp2(origin);
  const close = async (): Promise<void> => {
    await hub.close();
    session.destroy();
    server.close();
  };
  return { hub, origin, session, [Symbol.asyncDispose]: close };
}

async function publishOver(
  { session }: Awaited<ReturnType<typeof startHttp2>>,
  headers: Readonly<Record<string, string>>,
): Promise<number> {
  const stream = session.request({ ':method': 'POST', ':path': '/publish/a', ...headers });
  stream.end('x');
  const [{ ':status': status }] = (await once(stream, 'response')) as [IncomingHttpHeaders & { ':status': number }];
  stream.resume();
  return status;
}

describe('over HTTP/2', () => {
  test('a page of the hub’s own origin may publish; a sandboxed one, whose origin is "null", may not', async () => {
    await using server = await startHttp2();
    expect(await publishOver(server, { origin: server.origin })).toBe(200);
    expect(await publishOver(server, { origin: 'null' })).toBe(403);
    expect(await publishOver(server, { origin: 'http://127.0.0.1:1' })).toBe(403);
  });

  test('a stream delivers, and is let go of when it is cut', async () => {
    await using server = await startHttp2();
    const stream = server.session.request({ ':path': '/subscribe/a' });
    let text = '';
    stream.on('data', (bytes: Buffer) => (text += bytes.toString()));
    await expect.poll(() => text).toContain('tidegate.live');
    await server.hub.publish('a', { data: 'over two' });
    await expect.poll(() => text).toContain('data: over two');
    stream.close();
    await once(stream, 'close');
  });
});

test('an answer that depends on the origin says so, whatever else it depends on', async () => {
  await using hub = await HubServer.start({ cors: { origins: ['https://app.example'] } });
  expect((await hub.get('/', { Accept: '*/*' })).headers.get('vary')).toBe('Accept, Origin');
});

test('without a Host, an origin that is none is still foreign', async () => {
  await using hub = await HubServer.start();
  await using raw = new RawConnection(hub).send(
    'POST /publish/a HTTP/1.0\r\nOrigin: null\r\nContent-Type: text/plain\r\nContent-Length: 1\r\n\r\nx',
  );
  expect(await raw.until(/\r\n\r\n/)).toContain('403 ');
});

test('whatever bytes come, the hub answers or closes, and lives', async () => {
  await using hub = await HubServer.start({ limits: { bodyBytes: 2000 } });
  const random = createSeededRandom(20_261_120);
  const pick = <Item>(items: readonly Item[]): Item => items[Math.floor(random() * items.length)] as Item;
  const noise = (length: number): string =>
    Array.from({ length }, () => String.fromCharCode(Math.floor(random() * 256))).join('');
  const paths = [
    'subscribe',
    'publish',
    'channels',
    'health',
    'metrics',
    'openapi.json',
    '',
    '.',
    '%2e%2e',
    '%zz',
    'a',
  ];
  const queries = [
    '',
    '?',
    '?since=',
    '?last=',
    '?channel=a&channel=',
    '?lastEventId=',
    '?end=',
    '?raw=',
    '?id=',
    '?limit=',
  ];
  const values = [
    '',
    '1',
    'all',
    '%00',
    '%',
    '~aaaaaaaaaa-1',
    '9'.repeat(400),
    '2026-99-99T99:99:99Z',
    'true',
    '%0d%0aX: y',
  ];
  const names = [
    'Last-Event-ID',
    'Origin',
    'Content-Type',
    'Host',
    'Idempotency-Key',
    'Accept',
    'Expect',
    'Sec-Fetch-Mode',
  ];
  const types = [
    'application/json',
    'application/x-ndjson',
    'text/event-stream',
    'multipart/x',
    ';;;',
    'text/plain; charset=',
  ];
  const bodies = [
    '{"data":',
    '[[[[',
    '{"data":{"a":"\\',
    'id: 1\r\rdata: x\r\r',
    '{"__proto__":1,"data":2}',
    '\n\n\n',
    '\ufeff{}',
  ];
  for (let round = 0; round < 40; round += 1) {
    const connections = Array.from({ length: 8 }, () => {
      const path = Array.from({ length: 1 + Math.floor(random() * 3) }, () => pick(paths)).join('/');
      const body = random() < 0.5 ? pick(bodies) : noise(Math.floor(random() * 3000));
      const length = random() < 0.8 ? body.length : Math.floor(random() * 5000);
      const header = `${pick(names)}: ${random() < 0.5 ? pick([...types, ...values]) : noise(20).replaceAll(/[\r\n]/g, '')}`;
      const head = `${pick(['GET', 'POST', 'DELETE', 'HEAD', 'OPTIONS', 'PUT', 'TRACE', noise(3)])} /${path}${pick(queries)}${pick(values)}`;
      const type = pick(types);
      return new RawConnection(hub).send(
        `${head} HTTP/1.1\r\nHost: x\r\n${header}\r\nContent-Type: ${type}\r\nContent-Length: ${length}\r\nConnection: close\r\n\r\n${body}`,
      );
    });
    // Half bodies wait for their rest: who cut them off leaves.
    for (const connection of connections) connection.socket.end();
    await expect
      .poll(() => connections.filter(({ text, socket }) => text === '' && !socket.closed).length, { timeout: 5000 })
      .toBe(0);
    for (const connection of connections) await connection[Symbol.asyncDispose]();
  }
  expect((await hub.get('/health')).body).toEqual({ status: 'ok' });
  expect((await hub.get('/metrics')).body['text']).not.toContain('code="internal"');
  await expect.poll(() => metric(hub, 'tidegate_subscribers')).toBe(0);
  await using client = await StreamClient.open(`${hub.url}/subscribe/still-there`);
  await client.event('tidegate.live');
}, 60_000);
