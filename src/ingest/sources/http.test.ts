import type { IncomingMessage } from 'node:http';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import type { TLSSocket } from 'node:tls';
import { text } from 'node:stream/consumers';
import { describe, expect, it } from 'vitest';
import { CERTIFICATE, createCertificate } from '../../../test/support/certificate.js';
import { startProxy } from '../../../test/support/proxy.js';
import { dataOf, readSse } from '../../../test/support/reading.js';
import { serve, startUpstream, status } from '../../../test/support/upstream.js';
import type { Step } from '../../../test/support/upstream.js';
import { createSseSource } from './sse.js';

interface SecureUpstream extends AsyncDisposable {
  readonly url: string;
  /** The common name that each client's certificate says; undefined where it showed none. */
  readonly clients: (string | undefined)[];
}

/** One event for everybody, then 204; clients must show `clientCa`'s certificate where it is given. */
async function startSecureUpstream(clientCa?: string): Promise<SecureUpstream> {
  const clients: (string | undefined)[] = [];
  const asks = clientCa === undefined ? {} : { requestCert: true, rejectUnauthorized: true, ca: clientCa };
  const server = createServer({ ...CERTIFICATE, ...asks }, (request: IncomingMessage, response) => {
    const name: unknown = (request.socket as TLSSocket).getPeerCertificate()?.subject?.CN;
    const answer =
      clients.push(typeof name === 'string' ? name : undefined) === 1 ? serve('data: safe\n\n') : status(204);
    answer(response, request);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `https://127.0.0.1:${(server.address() as AddressInfo).port}/`,
    clients,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** Reads until the first failure is logged. */
async function readOnce(options: Parameters<typeof readSse>[0]): Promise<Awaited<ReturnType<typeof readSse>>> {
  const stop = new AbortController();
  const clock = { now: () => 0, after: (_delayMs: number, _task: () => void) => (stop.abort(), () => {}) };
  return readSse({ ...options, clock }, { signal: stop.signal });
}

/** Keeps what was posted. */
function keep(bodies: string[], answer: Step): Step {
  return (response, request) => {
    const answered = text(request).then((body) => {
      bodies.push(`${request.method} ${request.url} ${body}`);
      return answer(response, request);
    });
    void answered;
  };
}

describe('createHttpClient()', () => {
  it('goes through a proxy to plain HTTP without a tunnel, and shows who asks', async () => {
    await using proxy = await startProxy();
    await using upstream = await startUpstream(serve('data: a\n\n'));
    const { items, logger } = await readSse({ url: upstream.url, proxy: proxy.url });
    expect(dataOf(items)).toEqual(['a']);
    expect(proxy.asked).toEqual([`GET ${upstream.url}`, `GET ${upstream.url}`]);
    expect(proxy.authorizations[0]).toBe(`Basic ${btoa('user:pass')}`);
    expect(upstream.requests[0]).toMatchObject({ accept: 'text/event-stream' });
    expect(JSON.stringify(logger.lines)).not.toContain('pass');
  });

  it.skipIf(CERTIFICATE === undefined)('goes to HTTPS through a tunnel of the proxy', async () => {
    await using proxy = await startProxy();
    await using upstream = await startSecureUpstream();
    const { items } = await readSse({ url: upstream.url, proxy: proxy.url, tls: { ca: CERTIFICATE?.cert ?? '' } });
    expect(dataOf(items)).toEqual(['safe']);
    expect(proxy.asked[0]).toBe(`CONNECT ${new URL(upstream.url).host}`);
  });

  it.each([
    ['a percent sign that begins no escape', 'us%zer:50%25', 'us%zer:50%'],
    ['a user alone', 'user', 'user:'],
  ])('sends a proxy %s', async (_, written, sent) => {
    await using proxy = await startProxy();
    await using upstream = await startUpstream();
    await readSse({ url: upstream.url, proxy: proxy.url.replace('user:pass', written) });
    expect(proxy.authorizations).toEqual([`Basic ${btoa(sent)}`]);
  });

  it('reconnects when the proxy is away, and does not say its password', async () => {
    const gone = await startProxy();
    await gone[Symbol.asyncDispose]();
    const { logger, source } = await readOnce({ url: 'http://127.0.0.1:9/', proxy: gone.url });
    expect(source.stats().reconnects).toEqual({ broken: 1 });
    expect(JSON.stringify(logger.lines)).not.toContain('pass');
  });

  it.each(['http://127.0.0.1:9/stream', 'https://127.0.0.1:9/stream'])(
    'fails for good where the proxy to %s wants other credentials, and does not say them',
    async (url) => {
      await using proxy = await startProxy({ status: 407 });
      const { error, logger, source } = await readSse({ url, proxy: proxy.url });
      const message = 'Cannot read ' + url + ': the proxy wants other credentials (407)';
      expect(error).toMatchObject({ code: 'source-refused', message });
      expect(proxy.asked).toHaveLength(1);
      expect(source.stats().reconnects).toEqual({});
      expect(JSON.stringify(logger.lines)).not.toContain('pass');
    },
  );

  it.each([
    ['http://127.0.0.1:9/stream', { status: 1 }],
    ['https://127.0.0.1:9/stream', { broken: 1 }],
  ])('asks again where the proxy to %s cannot reach it', async (url, reconnects) => {
    await using proxy = await startProxy({ status: 502 });
    const { logger, source } = await readOnce({ url, proxy: proxy.url });
    expect(source.stats().reconnects).toEqual(reconnects);
    expect(JSON.stringify(logger.lines)).toContain('502');
    expect(JSON.stringify(logger.lines)).not.toContain('pass');
  });

  it.skipIf(CERTIFICATE === undefined)('trusts a CA of its own, and nobody else', async () => {
    await using upstream = await startSecureUpstream();
    const { items } = await readSse({ url: upstream.url, tls: { ca: CERTIFICATE?.cert ?? '' } });
    expect(dataOf(items)).toEqual(['safe']);
    const { logger } = await readOnce({ url: upstream.url });
    expect(logger.lines[0]?.fields).toMatchObject({ cause: 'broken', detail: expect.stringMatching(/self.signed/) });
  });

  it.skipIf(CERTIFICATE === undefined)('shows a certificate where one is asked for', async () => {
    const own = createCertificate();
    await using upstream = await startSecureUpstream(own?.cert);
    const ca = CERTIFICATE?.cert ?? '';
    const { items } = await readSse({ url: upstream.url, tls: { ca, ...own } });
    expect(dataOf(items)).toEqual(['safe']);
    expect(upstream.clients[0]).toBe('127.0.0.1');
    const { source } = await readOnce({ url: upstream.url, tls: { ca } });
    expect(source.stats().reconnects).toEqual({ broken: 1 });
  });

  it.each([
    ['half an identity', { cert: 'x' }, 'together'],
    ['what is no PEM', { cert: 'secret', key: 'secret' }, 'not PEM'],
  ])('refuses %s at once, without showing it', (_, tls, said) => {
    const create = (): unknown => createSseSource({ url: 'https://a.example/', tls });
    expect(create).toThrow(expect.objectContaining({ code: 'invalid-option', message: expect.stringContaining(said) }));
    expect(create).not.toThrow(/secret/);
  });

  it('posts a body again with each request', async () => {
    const bodies: string[] = [];
    await using upstream = await startUpstream(keep(bodies, serve('data: a\n\n')), keep(bodies, status(204)));
    await readSse({ url: upstream.url, body: '{"q":1}' });
    expect(bodies).toEqual(['POST /stream {"q":1}', 'POST /stream {"q":1}']);
    expect(upstream.requests[0]).toMatchObject({ 'content-type': 'application/json' });
  });

  it.each([
    [307, 'POST /stream body'],
    [303, 'GET /stream '],
    [301, 'GET /stream '],
  ])('makes of a POST on %i: %s', async (code, asked) => {
    const bodies: string[] = [];
    const moved = keep(bodies, status(code, { location: '/stream' }));
    await using upstream = await startUpstream(moved, keep(bodies, serve('data: a\n\n')));
    const headers = { 'content-type': 'text/plain' };
    const { items } = await readSse({ url: upstream.url, method: 'POST', body: 'body', headers });
    expect(dataOf(items)).toEqual(['a']);
    expect(bodies[1]).toBe(asked);
    expect(upstream.requests[0]).toMatchObject({ 'content-type': 'text/plain' });
  });

  it('gives no body to another origin', async () => {
    await using other = await startUpstream(serve('data: stolen\n\n'));
    await using upstream = await startUpstream(status(308, { location: other.url }));
    const { items, logger } = await readSse({ url: upstream.url, body: 'private' });
    expect(other.requests).toEqual([]);
    expect(dataOf(items)).toEqual([]);
    expect(logger.lines[0]?.fields).toMatchObject({ detail: expect.stringContaining('another origin') });
  });
});
