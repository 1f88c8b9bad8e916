import { createServer } from 'node:net';
import type { AddressInfo, Socket } from 'node:net';
import { describe, expect, it } from 'vitest';
import { dataOf, readSse } from '../../../test/support/reading.js';
import { systemClock } from '../../base/index.js';

interface RawServer extends AsyncDisposable {
  readonly port: number;
  /** Connections so far. */
  readonly count: () => number;
}

/** A server that speaks bytes: `first` to the first that asks, and then 204 to everybody. */
async function startRawServer(first: (socket: Socket) => void): Promise<RawServer> {
  const sockets = new Set<Socket>();
  let connections = 0;
  const server = createServer((socket) => {
    sockets.add(socket);
    connections += 1;
    const isFirst = connections === 1;
    socket.on('error', () => {});
    socket.once('data', () => (isFirst ? first(socket) : socket.end('HTTP/1.1 204 No Content\r\n\r\n')));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    port: (server.address() as AddressInfo).port,
    count: () => connections,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

const HEAD = 'HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n';
const EVENT = 'id: 1\ndata: a\n\n';
const CHUNK = `${EVENT.length.toString(16)}\r\n${EVENT}\r\n`;

describe('createSseSource() with a server that breaks HTTP', () => {
  it.each([
    ['closes without an answer', '', [], 'broken'],
    ['speaks something else', 'SSH-2.0-OpenSSH_9.6\r\n', [], 'broken'],
    ['breaks off in the headers', `${HEAD}X-Half`, [], 'broken'],
    ['has no end of headers', `${HEAD}X-Large: ${'x'.repeat(100_000)}\r\n`, [], 'broken'],
    ['breaks off before the length that it said', `${HEAD}Content-Length: 100\r\n\r\n${EVENT}`, ['a'], 'broken'],
    ['breaks off between two chunks', `${HEAD}Transfer-Encoding: chunked\r\n\r\n${CHUNK}`, ['a'], 'broken'],
    ['breaks off in a chunk', `${HEAD}Transfer-Encoding: chunked\r\n\r\nff\r\n${EVENT}`, ['a'], 'broken'],
    ['sends what is no chunk', `${HEAD}Transfer-Encoding: chunked\r\n\r\n${CHUNK}no chunk\r\n`, ['a'], 'broken'],
    ['has no length, and ends', `${HEAD}\r\n${EVENT}`, ['a'], 'closed'],
    ['ends as it should', `${HEAD}Transfer-Encoding: chunked\r\n\r\n${CHUNK}0\r\n\r\n`, ['a'], 'closed'],
  ])('reconnects where it %s, with what came before', async (_, answer, data, cause) => {
    await using server = await startRawServer((socket) => socket.end(answer));
    const { items, source, error } = await readSse({ url: `http://127.0.0.1:${server.port}/` });
    expect(error).toBeUndefined();
    expect(dataOf(items)).toEqual(data);
    expect(source.stats().reconnects).toEqual({ [cause]: 1 });
    expect(server.count()).toBe(2);
  });

  it('reconnects where it resets the connection', async () => {
    await using server = await startRawServer((socket) => socket.resetAndDestroy());
    const { source, logger } = await readSse({ url: `http://127.0.0.1:${server.port}/` });
    expect(source.stats().reconnects).toEqual({ broken: 1 });
    expect(logger.lines[0]?.fields).toMatchObject({
      cause: 'broken',
      detail: expect.stringMatching(/ECONNRESET|closed/),
    });
  });

  it.each([
    ['TLS is never agreed upon', 'https', false, /Connect Timeout/],
    ['a proxy opens no tunnel', 'https', true, /Headers Timeout/],
  ])('reconnects where %s in time', async (_, scheme, isProxied, detail) => {
    await using server = await startRawServer(() => {});
    const address = `127.0.0.1:${server.port}`;
    const way = isProxied
      ? { url: `${scheme}://127.0.0.1:9/`, proxy: `http://${address}` }
      : { url: `${scheme}://${address}/` };
    const stop = new AbortController();
    const clock = { ...systemClock, after: (_ms: number, _task: () => void) => (stop.abort(), () => {}) };
    const { source, logger } = await readSse({ ...way, connectTimeoutMs: 50, clock }, { signal: stop.signal });
    expect(source.stats().reconnects).toEqual({ broken: 1 });
    expect(logger.lines[0]?.fields).toMatchObject({ detail: expect.stringMatching(detail) });
  });

  it.each(['http', 'https'])('asks anew where a proxy to %s accepts and says nothing', async (scheme) => {
    await using server = await startRawServer(() => {});
    const [url, proxy] = [`${scheme}://127.0.0.1:9/`, `http://user:s3cret@127.0.0.1:${server.port}`];
    const stop = new AbortController();
    const reading = readSse({ url, proxy, idleTimeoutMs: 50, clock: systemClock }, { signal: stop.signal });
    while (server.count() < 2) await new Promise((resolve) => setImmediate(resolve));
    stop.abort();
    const { source, logger } = await reading;
    expect(source.stats().reconnects['idle-timeout']).toBe(1);
    expect(JSON.stringify(logger.lines)).not.toContain('s3cret');
  });
});
