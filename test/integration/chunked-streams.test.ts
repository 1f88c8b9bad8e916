import { once } from 'node:events';
import { createServer } from 'node:http';
import { Socket } from 'node:net';
import type { AddressInfo } from 'node:net';
import { gunzipSync } from 'node:zlib';

import { afterEach, expect, test, vi } from 'vitest';

import { createHub, listen } from '../../src/hub/index.js';
import type { Hub, HubOptions } from '../../src/hub/index.js';
import { handedOn } from '../support/cautious-inflater.js';
import { ChunkedBody } from '../support/chunked-body.js';
import { RawConnection } from '../support/raw-connection.js';

/** Larger than the size from which a flush is compressed, and than one packet. */
const LARGE = 'the tide is high and the tide is low; '.repeat(60);
/** Bytes of a gzip header without a name. */
const GZIP_HEADER_BYTES = 10;

/** A way for a stream to go out on HTTP/1. */
interface Way {
  readonly name: string;
  /** Lines of the head that lead a request there. */
  readonly headers: string;
  readonly serve: (hub: Hub) => Promise<{ readonly port: number; close(): Promise<void> }>;
}

const WAYS: readonly Way[] = [
  { name: 'on a bare socket', headers: '', serve: (hub) => listen(hub, { port: 0 }) },
  // A head with a name twice is not for the reader of bare requests.
  { name: 'behind Node’s parser', headers: 'X-Way: 1\r\nX-Way: 2\r\n', serve: (hub) => listen(hub, { port: 0 }) },
  { name: 'in a server of somebody else', headers: '', serve: serveElsewhere },
];

async function serveElsewhere(hub: Hub): Promise<{ readonly port: number; close(): Promise<void> }> {
  const server = createServer((request, response) => {
    // As middleware does.
    response.setHeader('X-Served-By', 'somebody else');
    hub.handler(request, response);
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const close = async (): Promise<void> => {
    server.close();
    server.closeAllConnections();
    await once(server, 'close');
  };
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- a TCP server's address is no string
  return { port: (server.address() as AddressInfo).port, close };
}

interface Stream {
  readonly raw: RawConnection;
  readonly head: string;
  /** What came of the body until now. */
  readonly body: () => ChunkedBody;
  /** Resolves when the hub has closed the connection. */
  readonly closed: () => Promise<ChunkedBody>;
}

class ServedHub implements AsyncDisposable {
  readonly hub: Hub;
  readonly #way: Way;
  readonly #server: { readonly port: number; close(): Promise<void> };

  private constructor(hub: Hub, way: Way, server: { readonly port: number; close(): Promise<void> }) {
    this.hub = hub;
    this.#way = way;
    this.#server = server;
  }

  static async start(way: Way, options: HubOptions = {}): Promise<ServedHub> {
    const hub = createHub(options);
    return new ServedHub(hub, way, await way.serve(hub));
  }

  async open(target: string, more = '', version = '1.1'): Promise<Stream> {
    const raw = new RawConnection(this.#server);
    // Else a reset would lose what had come before it.
    const isClosed = once(raw.socket, 'close');
    raw.send(`GET /subscribe/${target} HTTP/${version}\r\nHost: hub\r\n${this.#way.headers}${more}\r\n`);
    const text = await raw.until(/\r\n\r\n/);
    const bodyAt = text.indexOf('\r\n\r\n') + 4;
    const body = (): ChunkedBody => new ChunkedBody().push(Buffer.from(raw.text.slice(bodyAt), 'latin1'));
    const closed = async (): Promise<ChunkedBody> => {
      await isClosed;
      return body();
    };
    return { raw, head: text.slice(0, bodyAt), body, closed };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.hub.close();
    await this.#server.close();
  }
}

afterEach(() => vi.restoreAllMocks());

test.each(WAYS)('a stream of HTTP/1.1 comes in chunks that hold whole blocks, $name', async (way) => {
  await using served = await ServedHub.start(way);
  const { raw, head, body } = await served.open('a');
  expect(head).toMatch(/^HTTP\/1\.1 200 OK\r\n/);
  expect(head).toMatch(/^Transfer-Encoding: chunked\r$/im);
  expect(head).toMatch(/^Connection: close\r$/im);
  expect(head).toMatch(/^Content-Type: text\/event-stream; charset=utf-8\r$/im);
  expect(head).not.toMatch(/^Content-Length:/im);
  await raw.until(/event: tidegate\.live\ndata: \{\}\n\n\r\n$/);
  for (const data of ['small', LARGE, 'ends\r\n0\r\n\r\nnot']) {
    await served.hub.publish('a', { data });
    await raw.until(new RegExp(`data: ${data.split('\r\n').at(-1)}\n\n\r\n$`));
  }
  const { sizes, data, restBytes, isComplete } = body();
  expect(restBytes).toBe(0);
  expect(isComplete).toBe(false);
  expect(data.toString()).toMatch(/^id: .+\nevent: tidegate\.open\n/);
  expect(data.toString().match(/\n\n/g)).toHaveLength(sizes.length);
  await raw[Symbol.asyncDispose]();
});

test.each(WAYS)('only a deliberate end writes the last chunk, $name', async (way) => {
  await using served = await ServedHub.start(way, { drainMs: 0 });
  const [ended, drained] = [await served.open('ended'), await served.open('drained')];
  await served.hub.publish('ended', { data: 'last' });
  await served.hub.end('ended');
  const whole = await ended.closed();
  expect(whole.isComplete).toBe(true);
  expect(whole.data.toString()).toMatch(/event: tidegate\.end\ndata: \{"channel":"ended"\}\n\n$/);
  void served.hub.drain();
  const goodbye = await drained.closed();
  expect(goodbye.isComplete).toBe(true);
  expect(goodbye.data.toString()).toContain('event: tidegate.error\n');
});

test.each(WAYS)('a stream that is cut has no last chunk, $name', async (way) => {
  await using served = await ServedHub.start(way);
  const cut = await served.open('a');
  const zipped = await served.open('a', 'Accept-Encoding: gzip\r\n');
  await cut.raw.until(/tidegate\.live/);
  await served.hub.close();
  for (const { closed } of [cut, zipped]) {
    const { isComplete, restBytes, data } = await closed();
    expect(isComplete).toBe(false);
    expect(restBytes).toBe(0);
    expect(data.length).toBeGreaterThan(0);
  }
});

test.each(WAYS)('a subscriber that stays stuck is cut in mid-flow, without a last chunk, $name', async (way) => {
  await using served = await ServedHub.start(way, { stallTimeoutMs: 150, heartbeatMs: 80 });
  const { raw, closed } = await served.open('a');
  await raw.until(/tidegate\.live/);
  raw.socket.pause();
  for (let at = 0; at < 2000; at += 1) {
    await served.hub.publish('a', { data: `${at} `.padEnd(10_000, 'x') });
    if (at % 20 === 19) await new Promise(setImmediate);
  }
  const metrics = async (): Promise<string> => {
    const probe = new RawConnection({ port: raw.socket.remotePort ?? 0 }).send(
      'GET /metrics HTTP/1.1\r\nHost: hub\r\nConnection: close\r\n\r\n',
    );
    await once(probe.socket, 'close');
    return probe.text;
  };
  await expect.poll(metrics, { timeout: 10_000 }).toContain('tidegate_subscribers_stalled_total 1');
  raw.socket.resume();
  expect((await closed()).isComplete).toBe(false);
});

test.each(WAYS.slice(1))('HTTP/1.0 knows no chunks: the body ends with the connection, $name', async (way) => {
  await using served = await ServedHub.start(way);
  // The second asks for what Node would give it.
  for (const [at, more] of ['', 'TE: chunked\r\n'].entries()) {
    const { raw, head } = await served.open(`a${at}`, more, '1.0');
    const isClosed = once(raw.socket, 'close');
    expect(head).not.toMatch(/^Transfer-Encoding:/im);
    expect(head).not.toMatch(/^Content-Length:/im);
    expect(head).toMatch(/^Connection: close\r$/im);
    await raw.until(/tidegate\.live/);
    await served.hub.publish(`a${at}`, { data: 'old' });
    await served.hub.end(`a${at}`);
    await isClosed;
    const body = raw.text.slice(head.length);
    expect(body).toMatch(/^id: .+\nevent: tidegate\.open\n/);
    expect(body).toMatch(/\ndata: old\n\n/);
    expect(body).toMatch(/event: tidegate\.end\ndata: \{"channel":"a\d"\}\n\n$/);
    expect(body).not.toContain('\r');
  }
});

test.each(WAYS)('a gzip stream is chunked too, and each event can be inflated when it comes, $name', async (way) => {
  await using served = await ServedHub.start(way);
  const { raw, head, body, closed } = await served.open('a', 'Accept-Encoding: gzip\r\n');
  expect(head).toMatch(/^Transfer-Encoding: chunked\r$/im);
  expect(head).toMatch(/^Content-Encoding: gzip\r$/im);
  const inflated = (): string => handedOn(body().data.subarray(GZIP_HEADER_BYTES)).toString();
  for (const data of ['small', LARGE, 'again']) {
    await served.hub.publish('a', { data });
    while (!inflated().endsWith(`data: ${data}\n\n`))
      await once(raw.socket, 'data', { signal: AbortSignal.timeout(5000) });
  }
  await served.hub.end('a');
  const whole = await closed();
  expect(whole.isComplete).toBe(true);
  expect(gunzipSync(whole.data).toString()).toContain('event: tidegate.end\n');
});

test.each([
  ['plain', ''],
  ['gzip', 'Accept-Encoding: gzip\r\n'],
])('subscribers at one offset are written the very same memory, whichever way they came: %s', async (_, more) => {
  const [bare, node] = WAYS;
  if (bare === undefined || node === undefined) throw new Error('There are two ways at least');
  await using served = await ServedHub.start(bare);
  const streams = [
    await served.open('a', more),
    await served.open('a', more),
    await served.open('a', node.headers + more),
  ];
  for (const { body } of streams) await expect.poll(() => body().sizes.length).toBeGreaterThan(1);
  const writes = vi.spyOn(Socket.prototype, 'write');
  const sizesBefore = streams.map(({ body }) => body().sizes.length);
  await served.hub.publish('a', { data: LARGE });
  for (const [at, { body }] of streams.entries())
    await expect.poll(() => body().sizes.length).toBe((sizesBefore[at] ?? 0) + 1);
  const written = writes.mock.calls.flatMap(([bytes]) => (bytes instanceof Uint8Array ? [bytes] : []));
  expect(written).toHaveLength(streams.length);
  const places = written.map(({ byteOffset, byteLength }) => `${byteOffset}+${byteLength}`);
  expect(new Set(written.map(({ buffer }) => buffer)).size).toBe(1);
  expect(new Set(places).size).toBe(1);
  for (const { raw } of streams) await raw[Symbol.asyncDispose]();
});
