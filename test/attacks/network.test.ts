import { once } from 'node:events';
import { constants } from 'node:http2';

import { describe, expect, test } from 'vitest';

import { CERTIFICATE } from '../support/certificate.js';
import { answerOf, Http2Client } from '../support/http2-client.js';
import { HubServer } from '../support/hub-server.js';
import { RawConnection } from '../support/raw-connection.js';
import { askRaw } from '../support/raw-request.js';
import { StreamClient } from '../support/stream-client.js';

const SMUGGLED = 'POST /publish/smuggled HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\n\r\nx';

/** Sends `text` and resolves with all that came until the hub closed the connection. */
async function untilClosed(hub: HubServer, text: string): Promise<string> {
  await using raw = new RawConnection(hub).send(text);
  if (!raw.socket.closed) await once(raw.socket, 'close', { signal: AbortSignal.timeout(5000) });
  return raw.text;
}

async function published(hub: HubServer): Promise<string | undefined> {
  return /tidegate_events_published_total (\d+)/.exec(await hub.metrics())?.[1];
}

describe('a stranger smuggles a request past a proxy', () => {
  test.each([
    ['two lengths that differ', 'Content-Length: 3\r\nContent-Length: 30'],
    ['a list of lengths', 'Content-Length: 3, 3'],
    ['a signed length', 'Content-Length: +3'],
    ['a hexadecimal length', 'Content-Length: 0x3'],
    ['a length and chunks', 'Content-Length: 3\r\nTransfer-Encoding: chunked'],
    ['chunks and a length', 'Transfer-Encoding: chunked\r\nContent-Length: 3'],
    ['an unknown coding', 'Transfer-Encoding: xchunked'],
    ['a coding behind chunked', 'Transfer-Encoding: chunked, identity'],
    ['identity', 'Transfer-Encoding: identity'],
    ['a space before the colon', 'Transfer-Encoding : chunked'],
    ['a folded line', 'Transfer-Encoding:\r\n chunked'],
    ['a second coding', 'Transfer-Encoding: chunked\r\nTransfer-Encoding: identity'],
    ['a control character before the coding', 'Transfer-Encoding: \x0bchunked'],
    ['a quoted coding', 'Transfer-Encoding: "chunked"'],
    ['a line without a colon', 'Content-Length: 3\r\nx'],
    ['NUL in a header', 'Content-Length: 3\r\nX: a\0b'],
    ['CR in a header', 'Content-Length: 3\r\nX: a\rContent-Length: 30'],
  ])('by %s', async (_name, lines) => {
    await using hub = await HubServer.start();
    const head = `POST /publish/a HTTP/1.1\r\nHost: h\r\nContent-Type: text/plain\r\n${lines}\r\n\r\n`;
    const text = await untilClosed(hub, `${head}0\r\n\r\n${SMUGGLED}`);
    expect(text.match(/HTTP\/1\.1 \d+/g)).toEqual(['HTTP/1.1 400']);
    expect(await published(hub)).toBe('0');
  });

  test.each([
    ['a chunk whose size overflows', '10000000000000001\r\n'],
    ['a negative size', '-1\r\n'],
    ['a size written as 0x', '0x1\r\n'],
    ['a size with a space', '1 1\r\n'],
    ['a chunk longer than its size', '1\r\naa\r\n0\r\n\r\n'],
    ['LF alone behind the size', '1\na\n0\n\n'],
    ['CR alone in an extension', '1;a\rb\r\n'],
  ])('by %s', async (_name, chunks) => {
    await using hub = await HubServer.start();
    const head =
      'POST /publish/a HTTP/1.1\r\nHost: h\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked\r\n\r\n';
    const text = await untilClosed(hub, `${head}${chunks}${SMUGGLED}`);
    expect(text.match(/HTTP\/1\.1 \d+/g)).toEqual(['HTTP/1.1 400']);
    expect(await published(hub)).toBe('0');
  });

  test.each(['GET', 'HEAD', 'DELETE', 'OPTIONS'])('in the body of %s', async (method) => {
    await using hub = await HubServer.start();
    const head = `${method} /channels/none HTTP/1.1\r\nHost: h\r\nContent-Length: ${SMUGGLED.length}\r\n\r\n`;
    const text = await untilClosed(
      hub,
      `${head}${SMUGGLED}GET /health HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n`,
    );
    expect(text.match(/HTTP\/1\.1 \d+/g)).toHaveLength(2);
    expect(await published(hub)).toBe('0');
  });

  test('behind an Upgrade that the hub does not know', async () => {
    await using hub = await HubServer.start();
    for (const protocol of ['websocket', 'h2c', 'TLS/1.0']) {
      const head = `GET /health HTTP/1.1\r\nHost: h\r\nUpgrade: ${protocol}\r\nConnection: Upgrade, close\r\n\r\n`;
      const text = await untilClosed(hub, `${head}\0\0\0`);
      expect(text.match(/HTTP\/1\.1 \d+/g)).toEqual(['HTTP/1.1 200']);
    }
  });

  test('in the trailers of a body, as a header', async () => {
    await using hub = await HubServer.start({ hosts: ['hub.example'] });
    const head =
      'POST /publish/a HTTP/1.1\r\nHost: evil.example\r\nTransfer-Encoding: chunked\r\nTrailer: Host\r\n\r\n';
    await using raw = new RawConnection(hub).send(`${head}1\r\na\r\n0\r\nHost: hub.example\r\n\r\n`);
    expect(await raw.until(/"code":"[^"]+"/)).toContain('host-not-allowed');
  });
});

describe('a stranger', () => {
  test.each(['TRACE', 'PUT', 'PATCH', 'PROPFIND', 'LINK', 'PURGE', 'SEARCH'])(
    'gets its own headers back, or changes something, by %s',
    async (method) => {
      await using hub = await HubServer.start();
      await hub.hub.publish('a', { data: '1' });
      for (const target of ['/channels/a', '/publish/a', '/subscribe/a', '/health', '/']) {
        const answer = await askRaw(hub.port, { method, target, headers: ['X-Secret: mine'] });
        expect(answer).toMatchObject({ status: 405, code: 'method-not-allowed' });
        expect(answer.text).not.toContain('mine');
      }
    },
  );

  test('makes a proxy of the hub by CONNECT', async () => {
    await using hub = await HubServer.start();
    expect(await untilClosed(hub, 'CONNECT 127.0.0.1:1 HTTP/1.1\r\nHost: 127.0.0.1:1\r\n\r\n')).toBe('');
  });

  test('ends a channel by a POST that names another method in a header or the query', async () => {
    await using hub = await HubServer.start();
    await hub.hub.publish('a', { data: '1' });
    for (const name of ['X-HTTP-Method-Override', 'X-HTTP-Method', 'X-Method-Override']) {
      const headers = [`${name}: DELETE`];
      for (const target of ['/channels/a', '/channels/a?_method=DELETE'])
        expect((await askRaw(hub.port, { method: 'POST', target, headers, body: '_method=DELETE' })).status).toBe(405);
    }
    expect((await hub.get('/channels/a')).body).toMatchObject({ isEnded: false });
  });

  test.each(['get', 'GeT', 'G\0T', 'GET\t', ''])('gets an answer by the method %j', async (method) => {
    await using hub = await HubServer.start();
    expect(await untilClosed(hub, `${method} /channels HTTP/1.1\r\nHost: h\r\n\r\n`)).toMatch(/^HTTP\/1\.1 400 /);
  });

  test.each(['HTTP/0.9', 'HTTP/1.2', 'HTTP/2.0', 'http/1.1', 'HTTP/1.1 x', 'ICY/1.0'])(
    'speaks %s to a plain port',
    async (version) => {
      await using hub = await HubServer.start();
      expect(await untilClosed(hub, `GET /channels ${version}\r\nHost: h\r\n\r\n`)).toMatch(/^HTTP\/1\.1 (400|505) /);
    },
  );

  test.each(['HTTP/0.9', 'HTTP/2.0'])(
    'holds connections for ever by %s, which is never answered (fell once)',
    async (version) => {
      await using hub = await HubServer.start();
      for (const target of ['/subscribe/a', '/none', '/publish/a', '/health'])
        for (const method of ['GET', 'POST'])
          expect(await untilClosed(hub, `${method} ${target} ${version}\r\nHost: h\r\n\r\n`)).toMatch(
            /^HTTP\/1\.1 505 /,
          );
    },
  );

  test('sends a head without an end', async () => {
    await using hub = await HubServer.start();
    const text = await untilClosed(hub, `GET /subscribe/a HTTP/1.1\r\nHost: h\r\nX: ${'x'.repeat(200_000)}`);
    expect(text).toMatch(/^HTTP\/1\.1 431 /);
  });

  test('is told to go on with a body (100-continue) that was refused by its length', async () => {
    await using hub = await HubServer.start({ limits: { bodyBytes: 10 } });
    expect(await askRaw(hub.port, { method: 'GET', target: '/health', headers: ['Expect: something'] })).toMatchObject({
      status: 417,
    });
    const lines = ['Expect: 100-continue', 'Content-Length: 99999999'];
    const head = `POST /publish/a HTTP/1.1\r\nHost: h\r\n${lines.join('\r\n')}\r\n\r\n`;
    await using raw = new RawConnection(hub).send(head);
    expect(await raw.until(/"code":"[^"]+"/)).toMatch(/HTTP\/1\.1 413 /);
  });

  test('learns what the hub runs on from its answers', async () => {
    await using hub = await HubServer.start();
    for (const request of ['GET /none HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n', 'nonsense\r\n\r\n'])
      expect(await untilClosed(hub, request)).not.toMatch(/\r\n(server|x-powered-by|via):|node|hono|at \//i);
  });

  test.each([
    ['it makes up', [], ['X-Forwarded-For: 192.0.2.2']],
    ['in a second line', ['loopback'], ['X-Forwarded-For: 192.0.2.2', 'X-Forwarded-For: 192.0.2.1']],
    ['left of its own', ['loopback'], ['X-Forwarded-For: 192.0.2.2, 192.0.2.1']],
    ['left of its own, with its port', ['loopback'], ['X-Forwarded-For: 192.0.2.2, 192.0.2.1:99']],
    ['written in the form of IPv6', ['loopback'], ['X-Forwarded-For: ::ffff:192.0.2.1']],
    [
      'in headers that are not asked',
      ['loopback'],
      ['X-Forwarded-For: 192.0.2.1', 'X-Real-IP: 192.0.2.2', 'Forwarded: for=192.0.2.2', 'True-Client-IP: 192.0.2.2'],
    ],
    ['behind eighty kilobytes of commas', ['loopback'], [`X-Forwarded-For: ${','.repeat(60_000)}192.0.2.1`]],
  ] as const)('gets past the limit of its address by an address %s', async (_name, trustedProxies, headers) => {
    await using hub = await HubServer.start({ trustedProxies, limits: { connectionsPerAddress: 1 } });
    const own = trustedProxies.length === 0 ? {} : { 'X-Forwarded-For': '192.0.2.1' };
    await using first = await StreamClient.open(`${hub.url}/subscribe/a`, { headers: own });
    await first.event('tidegate.live');
    const answer = await askRaw(hub.port, { method: 'GET', target: '/subscribe/a', headers });
    expect(answer.code).toBe('too-many-connections-from-address');
  });

  test('gets past the limit of its address by the other addresses of its IPv6 network (fell once)', async () => {
    await using hub = await HubServer.start({ trustedProxies: ['loopback'], limits: { connectionsPerAddress: 1 } });
    const open = (address: string) =>
      StreamClient.open(`${hub.url}/subscribe/a`, { headers: { 'X-Forwarded-For': address } });
    await using first = await open('2001:db8:0:1::1');
    await first.event('tidegate.live');
    for (const address of ['2001:db8:0:1::2', '2001:DB8:0:1:ffff:ffff:ffff:ffff', '2001:db8:0:1::192.0.2.1']) {
      await using other = await open(address);
      expect([address, other.status]).not.toEqual([address, 200]);
    }
    await using neighbour = await open('2001:db8:0:2::1');
    expect(neighbour.status).toBe(200);
  });
});

describe.skipIf(CERTIFICATE === undefined)('over HTTP/2 (needs openssl), a stranger', () => {
  const tls = CERTIFICATE ?? { cert: '', key: '' };

  test('leaves subscribers behind by streams that it resets at once (rapid reset)', async () => {
    await using hub = await HubServer.start({ tls });
    await using client = new Http2Client(hub.url, tls.cert);
    for (let at = 0; at < 1500 && !client.session.destroyed; at += 1) {
      const stream = client.session.request({ ':path': '/subscribe/a' });
      stream.on('error', () => undefined);
      stream.close(constants.NGHTTP2_CANCEL);
    }
    await using other = new Http2Client(hub.url, tls.cert);
    expect((await other.send('GET', '/health')).status).toBe(200);
    await expect.poll(() => hub.metrics()).toContain('tidegate_subscribers 0\n');
  });

  test('opens more streams on one connection than are allowed', async () => {
    await using hub = await HubServer.start({ tls });
    await using client = new Http2Client(hub.url, tls.cert);
    await client.send('GET', '/health');
    const streams = Array.from({ length: 300 }, () => client.session.request({ ':path': '/subscribe/a' }));
    for (const stream of streams) stream.on('error', () => undefined);
    await expect.poll(() => hub.metrics()).toContain('tidegate_subscribers 250\n');
    await using other = new Http2Client(hub.url, tls.cert);
    expect((await other.send('GET', '/health')).status).toBe(200);
  });

  test('sends headers without an end', async () => {
    await using hub = await HubServer.start({ tls });
    await using client = new Http2Client(hub.url, tls.cert);
    const headers = Object.fromEntries(Array.from({ length: 60 }, (_, at) => [`x-${at}`, 'x'.repeat(4000)]));
    const stream = client.session.request({ ':path': '/health', ...headers }, { endStream: true });
    await expect(answerOf(stream)).rejects.toThrow('NGHTTP2');
    await using other = new Http2Client(hub.url, tls.cert);
    expect((await other.send('GET', '/health')).status).toBe(200);
  });

  test('holds up the other streams of its proxy by one that it does not read', async () => {
    await using hub = await HubServer.start({ tls });
    await using client = new Http2Client(hub.url, tls.cert);
    const [stalled, read] = await Promise.all([client.subscribe('a'), client.subscribe('a')]);
    stalled.pause();
    for (let at = 0; at < 8; at += 1) await hub.hub.publish('a', { data: `${at}${'x'.repeat(100_000)}` });
    await read.until(({ data }) => data.length === 8);
    expect(read.data).toHaveLength(8);
  });
});
