import { once } from 'node:events';
import { request as requestHttps } from 'node:https';
import type { IncomingMessage } from 'node:http';
import type { IncomingHttpHeaders } from 'node:http2';
import { connect as connectTcp } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { createGunzip } from 'node:zlib';

import { describe, expect, test } from 'vitest';

import type { HubOptions } from '../../src/hub/index.js';
import { createEventParser } from '../../src/protocol/index.js';
import { CERTIFICATE } from '../support/certificate.js';
import { answerOf, Http2Client } from '../support/http2-client.js';
import type { Http2Stream } from '../support/http2-client.js';
import { HubServer } from '../support/hub-server.js';
import { EVENT_SOURCE_HEADERS } from '../support/stream-requests.js';

const tls = CERTIFICATE ?? { cert: '', key: '' };
const KEY_BYTES = 10_000;
const padded = (at: number): string => `${at} `.padEnd(KEY_BYTES, 'x');

/** A hub with TLS and one HTTP/2 connection to it. */
async function start(options: HubOptions = {}) {
  const hub = await HubServer.start({ ...options, tls });
  const client = new Http2Client(hub.url, tls.cert);
  const close = async (): Promise<void> => {
    await client[Symbol.asyncDispose]();
    await hub[Symbol.asyncDispose]();
  };
  return { hub, client, [Symbol.asyncDispose]: close };
}

async function metric(client: Http2Client, name: string): Promise<number> {
  const { text } = await client.send('GET', '/metrics');
  return Number(new RegExp(`^${name} (\\d+)$`, 'm').exec(text)?.[1]);
}

async function publishMuch(hub: HubServer, count: number): Promise<void> {
  for (let at = 0; at < count; at += 1) {
    await hub.hub.publish('a', { data: padded(at) });
    if (at % 20 === 19) await new Promise(setImmediate);
  }
}

const getHttp1 = async (url: string): Promise<IncomingMessage> => {
  const asked = requestHttps(url, { ca: tls.cert, agent: false, headers: { Accept: 'text/event-stream' } }).end();
  const [response] = (await once(asked, 'response')) as [IncomingMessage];
  return response;
};

describe.skipIf(CERTIFICATE === undefined)('over HTTP/2 with TLS (needs openssl)', () => {
  test('what is published on one stream is delivered on the others of the same connection', async () => {
    await using server = await start();
    const { client, hub } = server;
    const streams = await Promise.all(Array.from({ length: 40 }, () => client.subscribe('a')));
    for (const stream of streams) await stream.event('tidegate.live');
    expect(streams[0]?.headers).toMatchObject({
      ':status': 200,
      'content-type': 'text/event-stream; charset=utf-8',
      'cache-control': 'no-cache, no-transform',
      'x-accel-buffering': 'no',
    });
    expect(streams[0]?.headers).not.toHaveProperty('connection');
    const { status, text } = await client.send('POST', '/publish/a', 'hello');
    expect([status, JSON.parse(text)]).toMatchObject([200, { channel: 'a', published: 1 }]);
    for (const stream of streams) expect((await stream.until(({ data }) => data.length > 0)).data).toEqual(['hello']);
    expect(hub.url).toMatch(/^https:\/\/127\.0\.0\.1:\d+$/);
    expect(await metric(client, 'tidegate_subscribers')).toBe(40);
  });

  test('a stream that is cancelled leaves no subscriber behind, and resumes exactly', async () => {
    await using server = await start();
    const { client, hub } = server;
    const first = await client.subscribe('a');
    await hub.hub.publish('a', { data: '1' });
    await first.until(({ data }) => data.length === 1);
    first.cancel();
    await expect.poll(() => metric(client, 'tidegate_subscribers')).toBe(0);
    for (const data of ['2', '3']) await hub.hub.publish('a', { data });
    const second = await client.subscribe('a', { 'last-event-id': first.lastEventId });
    expect((await second.event('tidegate.live')).data).toEqual(['2', '3']);
    expect(second.types).not.toContain('tidegate.gap');
  });

  test('a stream that is not read holds up no other of its connection, and is told what it missed', async () => {
    await using server = await start({ history: { events: 300 } });
    const { client, hub } = server;
    const stuck = await (await client.subscribe('a')).event('tidegate.live');
    const healthy = await (await client.subscribe('a')).event('tidegate.live');
    stuck.pause();
    for (let at = 0; at < 2000; at += 1) {
      await hub.hub.publish('a', { data: padded(at) });
      if (at % 50 === 49) await healthy.until(({ data }) => data.length > at - 100);
    }
    await healthy.until(({ data }) => data.length === 2000);
    expect(stuck.data.length).toBeLessThan(100);
    expect((await client.send('GET', '/health')).status).toBe(200);
    stuck.resume();
    await stuck.until(({ lastEventId }) => lastEventId === healthy.lastEventId);
    const gap = JSON.parse(stuck.events.find(({ type }) => type === 'tidegate.gap')?.data ?? '{}');
    expect(gap).toMatchObject({ reason: 'too-slow', channel: 'a' });
    expect(stuck.data.at(-1)).toBe(padded(1999));
    expect(healthy.types).not.toContain('tidegate.gap');
  });

  test('sixty streams that are not read cost no queue each', async () => {
    await using server = await start({ history: { events: 200, bytes: 4 * 1024 * 1024 } });
    const { client, hub } = server;
    const stuck = await Promise.all(Array.from({ length: 60 }, () => client.subscribe('a')));
    for (const stream of stuck) (await stream.event('tidegate.live')).pause();
    const before = process.memoryUsage();
    // 40 MB: as queues, 2.4 GB. The clients' own buffers and what is not collected yet are counted too.
    await publishMuch(hub, 4000);
    const after = process.memoryUsage();
    const grown = after.arrayBuffers + after.heapUsed - before.arrayBuffers - before.heapUsed;
    expect(grown).toBeLessThan(256 * 1024 * 1024);
    const fresh = await client.subscribe('b');
    expect((await fresh.event('tidegate.live')).types).toEqual(['tidegate.open', 'tidegate.live']);
  });

  test('a stream that stays stuck is cut off, not its connection', async () => {
    await using server = await start({ stallTimeoutMs: 150, heartbeatMs: 80 });
    const { client, hub } = server;
    const stuck = await (await client.subscribe('a')).event('tidegate.live');
    const other = await (await client.subscribe('b')).event('tidegate.live');
    stuck.pause();
    await publishMuch(hub, 500);
    await expect.poll(() => metric(client, 'tidegate_subscribers_stalled_total'), { timeout: 5000 }).toBe(1);
    await expect.poll(() => metric(client, 'tidegate_subscribers')).toBe(1);
    stuck.resume();
    expect((await stuck.closed()).code).toBe(8);
    await hub.hub.publish('b', { data: 'still here' });
    expect((await other.until(({ data }) => data.length > 0)).data).toEqual(['still here']);
  });

  test('the end of a channel ends its streams cleanly; 204 answers who comes back', async () => {
    await using server = await start();
    const { client } = server;
    const stream = await (await client.subscribe('a')).event('tidegate.live');
    expect((await client.send('POST', '/publish/a?end=true', 'last words')).status).toBe(200);
    await stream.closed();
    expect([stream.data, stream.types.at(-1), stream.code]).toEqual([['last words'], 'tidegate.end', 0]);
    const again = await client.subscribe('a', { 'last-event-id': stream.lastEventId });
    expect(again.headers[':status']).toBe(204);
  });

  test('a stream may be compressed', async () => {
    await using server = await start();
    const { client, hub } = server;
    const stream = client.session.request({ ':path': '/subscribe/a', 'accept-encoding': 'gzip' });
    const [headers] = (await once(stream, 'response')) as [IncomingHttpHeaders];
    expect(headers['content-encoding']).toBe('gzip');
    let text = '';
    const unpacked = stream.pipe(createGunzip()).on('data', (part: Buffer) => (text += part.toString()));
    for (const data of ['one', padded(2)]) await hub.hub.publish('a', { data });
    await hub.hub.end('a');
    await once(unpacked, 'end');
    expect(text).toContain('data: one\n');
    expect(text).toContain(`data: ${padded(2)}\n`);
    expect(text).toContain('event: tidegate.end\n');
  });

  test('an odd authority is no matter to a management route', async () => {
    await using server = await start();
    const stream = server.client.session.request({ ':path': '/health', ':authority': 'hub.example:99999' });
    expect(await answerOf(stream)).toMatchObject({ status: 200, text: '{"status":"ok"}' });
  });

  test('refusals are heard: as a problem, and as an event by a native EventSource', async () => {
    await using server = await start();
    const { client } = server;
    const problem = await client.send('GET', '/subscribe/a?last=many');
    expect([problem.status, JSON.parse(problem.text)]).toMatchObject([400, { code: 'invalid-query' }]);
    const native = await client.subscribe('a?last=many', EVENT_SOURCE_HEADERS);
    await native.closed();
    expect([native.headers[':status'], native.types]).toEqual([200, ['tidegate.error']]);
    expect((await client.send('GET', '/nothing')).status).toBe(404);
    expect((await client.send('PUT', '/publish/a', 'x')).status).toBe(405);
  });

  test('a body that is too large is refused while it is sent, and the connection lives on', async () => {
    await using server = await start({ limits: { bodyBytes: 50_000, eventBytes: 10_000 } });
    const { client } = server;
    const upload = client.session.request({ ':method': 'POST', ':path': '/publish/a' });
    const chunk = Buffer.alloc(16_384, 120);
    const send = (): void => {
      while (upload.writable && upload.write(chunk));
    };
    upload.on('drain', send);
    send();
    const { status, text } = await answerOf(upload);
    expect([status, JSON.parse(text)]).toMatchObject([413, { code: 'body-too-large' }]);
    if (!upload.closed) await once(upload, 'close');
    expect((await client.send('POST', '/publish/a', 'small')).status).toBe(200);
  });

  test.each(['with an error', 'without one'])(
    'a publish that is taken back %s is neither published as if it were whole nor a fault of the hub',
    async (how) => {
      await using server = await start();
      const { client, hub } = server;
      for (const [at, type] of ['text/plain', 'text/event-stream'].entries()) {
        const upload = client.session.request({
          ':method': 'POST',
          ':path': '/publish/a?end=true',
          'content-type': type,
        });
        upload.on('error', () => undefined).write('data: 1\n\ndata: 2');
        const closed = new Promise<void>((resolve) => void upload.once('close', resolve));
        await expect.poll(() => metric(client, 'tidegate_events_published_total')).toBe(at);
        upload.destroy(how === 'without one' ? undefined : new Error('Taken back'));
        await closed;
      }
      await client.send('GET', '/health');
      expect(await metric(client, 'tidegate_events_published_total')).toBe(1);
      expect((await client.send('GET', '/metrics')).text).not.toMatch(/^tidegate_refusals_total\{/m);
      expect((await hub.hub.publish('a', { data: 'not ended' })).isDuplicate).toBe(false);
    },
  );

  test('drain() sends every stream away with a reason', async () => {
    await using server = await start({ drainMs: 50 });
    const { client, hub } = server;
    const streams = await Promise.all(Array.from({ length: 5 }, () => client.subscribe('a')));
    for (const stream of streams) await stream.event('tidegate.live');
    await hub.hub.drain();
    for (const stream of streams) {
      await stream.closed();
      expect(JSON.parse(stream.events.at(-1)?.data ?? '{}')).toMatchObject({ code: 'draining', retryable: true });
      expect(stream.code).toBe(0);
    }
    expect((await client.send('GET', '/ready')).status).toBe(503);
  });

  test('HTTP/1.1 is spoken on the same port', async () => {
    await using server = await start();
    const { client, hub } = server;
    const response = await getHttp1(`${hub.url}/subscribe/a`);
    expect([response.httpVersion, response.statusCode]).toEqual(['1.1', 200]);
    expect(response.headers).toMatchObject({ 'transfer-encoding': 'chunked', connection: 'close' });
    const events: string[] = [];
    const parser = createEventParser({ onEvent: ({ data }) => events.push(data) });
    response.on('data', (chunk: Buffer) => parser.push(chunk)).on('error', () => undefined);
    await client.send('POST', '/publish/a', 'across');
    while (!events.includes('across')) await once(response, 'data');
    response.destroy();
    await expect.poll(() => metric(client, 'tidegate_subscribers')).toBe(0);
  });

  test('a head with a hundred long channels is taken in either version', async () => {
    await using server = await start();
    const { client, hub } = server;
    const names = Array.from({ length: 100 }, (_, at) => `channel=${String(at).padStart(3, '0').padEnd(200, '~')}`);
    const query = `?${names.join('&').replaceAll('~', '%7E')}`;
    // Only then has the client heard of the hub's limits, and the hub holds it to them.
    await client.send('GET', '/health');
    const stream: Http2Stream = await (await client.subscribe(query)).event('tidegate.live');
    expect(stream.headers[':status']).toBe(200);
    const response = await getHttp1(`${hub.url}/subscribe${query}`);
    expect(response.statusCode).toBe(200);
    response.destroy();
  });

  test('listen() refuses a key that is none', async () => {
    await expect(HubServer.start({ tls: { cert: tls.cert, key: 'no key' } })).rejects.toThrow(
      /PEM|DECODER|no start line/i,
    );
  });

  test('close() ends what still hangs on: streams, half-made connections, idle ones, in either version', async () => {
    const hub = await HubServer.start({ tls });
    await using client = new Http2Client(hub.url, tls.cert);
    const stream = await (await client.subscribe('a')).event('tidegate.live');
    const silent = connectTcp(hub.port, '127.0.0.1');
    const idle = connectTls({ port: hub.port, host: '127.0.0.1', ca: tls.cert, ALPNProtocols: ['http/1.1'] });
    await once(idle, 'secureConnect');
    const response = await getHttp1(`${hub.url}/subscribe/a`);
    response.on('error', () => undefined).resume();
    for (const socket of [silent, idle]) socket.on('error', () => undefined).resume();
    const ends = [silent, idle, client.session].map((connection) => once(connection, 'close'));
    const startedMs = performance.now();
    await hub[Symbol.asyncDispose]();
    await Promise.all(ends);
    await stream.closed();
    expect(performance.now() - startedMs).toBeLessThan(4000);
  });
});
