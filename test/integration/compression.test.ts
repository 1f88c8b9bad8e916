import { spawn, spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { get } from 'node:http';
import type { IncomingMessage } from 'node:http';
import { createGunzip, gunzipSync } from 'node:zlib';
import type { Gunzip } from 'node:zlib';

import { expect, test } from 'vitest';

import { createEventParser } from '../../src/protocol/index.js';
import { HubServer } from '../support/hub-server.js';

const hasCurl = spawnSync('curl', ['--version']).status === 0;

/** Above the size from which a flush is compressed. */
const LARGE = 'the tide is high and the tide is low; '.repeat(60);

/** A subscriber that asks for gzip: the bytes as they came, and what Node's gunzip makes of them meanwhile. */
class GzipClient implements AsyncDisposable {
  readonly data: string[] = [];
  readonly types: string[] = [];
  readonly headers: IncomingMessage['headers'];
  readonly #chunks: Buffer[] = [];
  readonly #plain: Buffer[] = [];
  readonly #response: IncomingMessage;
  readonly #gunzip: Gunzip;
  readonly #isGunzipped: Promise<unknown>;

  private constructor(response: IncomingMessage) {
    this.#response = response;
    this.headers = response.headers;
    const parser = createEventParser({
      onEvent: ({ type, data }) => {
        this.types.push(type);
        if (type === 'message') this.data.push(data);
      },
    });
    response.on('data', (chunk: Buffer) => this.#chunks.push(chunk)).on('error', () => undefined);
    this.#gunzip = response.pipe(createGunzip());
    this.#gunzip.on('data', (bytes: Buffer) => {
      this.#plain.push(bytes);
      parser.push(bytes);
    });
    this.#isGunzipped = once(this.#gunzip, 'end');
    this.#isGunzipped.catch(() => undefined);
  }

  static async open(hub: HubServer, target: string): Promise<GzipClient> {
    const request = get(`${hub.url}/subscribe${target.startsWith('?') ? '' : '/'}${target}`, {
      agent: false,
      headers: { 'Accept-Encoding': 'gzip' },
    });
    const [response] = (await once(request, 'response')) as [IncomingMessage];
    return new GzipClient(response);
  }

  async until(isTrue: (client: GzipClient) => boolean): Promise<this> {
    while (!isTrue(this)) await once(this.#gunzip, 'data');
    return this;
  }

  live(): Promise<this> {
    return this.until(({ types }) => types.includes('tidegate.live'));
  }

  pause(): void {
    this.#gunzip.pause();
  }

  resume(): void {
    this.#gunzip.resume();
  }

  /** All that came, when gunzip has read it to its end; rejects where that is not a whole member. */
  async whole(): Promise<string> {
    await this.#isGunzipped;
    const plain = gunzipSync(Buffer.concat(this.#chunks));
    if (!plain.equals(Buffer.concat(this.#plain))) throw new Error('Two readers read two things');
    return plain.toString();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#response.destroy();
    if (!this.#response.closed) await once(this.#response, 'close');
  }
}

test('a client that asks for gzip reads events as they come; one that does not gets them plain', async () => {
  await using hub = await HubServer.start();
  await using plain = await (await hub.subscribe('a')).event('tidegate.live');
  await using gzip = await (await GzipClient.open(hub, 'a')).live();
  expect(gzip.headers).toMatchObject({
    'content-encoding': 'gzip',
    'content-type': 'text/event-stream; charset=utf-8',
    'cache-control': 'no-cache, no-transform',
    vary: 'Accept-Encoding',
  });
  expect(plain.headers['content-encoding']).toBeUndefined();
  expect(plain.headers.vary).toBe('Accept-Encoding');
  for (const [at, data] of ['small', LARGE, 'small again', LARGE].entries()) {
    await hub.hub.publish('a', { data });
    await gzip.until((client) => client.data.length === at + 1);
  }
  await plain.until(({ data }) => data.length === 4);
  expect(gzip.data).toEqual(plain.data);
});

test('compression none, and gzip;q=0, leave streams plain', async () => {
  await using without = await HubServer.start({ compression: 'none' });
  await using refused = await HubServer.start({ cors: { origins: ['https://app.example'] } });
  const a = await without.subscribe('a', { 'Accept-Encoding': 'gzip' });
  expect(a.headers['content-encoding']).toBeUndefined();
  expect(a.headers.vary).toBeUndefined();
  await a[Symbol.asyncDispose]();
  await using b = await (await refused.subscribe('a', { 'Accept-Encoding': 'gzip;q=0, *' })).event('tidegate.live');
  expect(b.headers['content-encoding']).toBeUndefined();
  expect(b.headers.vary).toBe('Origin, Accept-Encoding');
});

test('whoever joins midway, goes through a backfill and to the end of the channel has a whole gzip member', async () => {
  await using hub = await HubServer.start();
  const first = await (await GzipClient.open(hub, 'a')).live();
  await hub.hub.publish('a', { data: LARGE });
  await first.until(({ data }) => data.length === 1);
  const second = await (await GzipClient.open(hub, 'a')).live();
  const third = await (await GzipClient.open(hub, 'a?last=all')).live();
  for (let at = 0; at < 20; at += 1) await hub.hub.publish('a', { data: `${at} ${LARGE}` });
  await hub.hub.end('a');
  const wholes = await Promise.all([first, second, third].map((client) => client.whole()));
  for (const whole of wholes) expect(whole).toContain('event: tidegate.end');
  expect([first, second, third].map(({ data }) => data.length)).toEqual([21, 20, 21]);
  expect(third.data).toEqual(first.data);
});

test('draining ends each gzip member properly, behind the goodbye', async () => {
  await using hub = await HubServer.start({ drainMs: 0 });
  const client = await (await GzipClient.open(hub, 'a')).live();
  await hub.hub.publish('a', { data: LARGE });
  await client.until(({ data }) => data.length === 1);
  const [whole] = await Promise.all([client.whole(), hub.hub.drain()]);
  expect(whole).toMatch(/event: tidegate\.error\n(?:.+\n)+\n$/);
});

test('a gzip subscriber that reads nothing for a while gets all of it afterwards', async () => {
  await using hub = await HubServer.start();
  const client = await (await GzipClient.open(hub, 'a')).live();
  client.pause();
  // Hardly compressible, and more than sockets buffer.
  const published = Array.from({ length: 100 }, () => randomBytes(75_000).toString('base64'));
  for (const data of published) await hub.hub.publish('a', { data });
  await hub.hub.end('a');
  client.resume();
  await client.whole();
  expect(client.data.length).toBe(published.length);
  expect(client.data.every((data, at) => data === published[at])).toBe(true);
});

test('several channels and heartbeats go through gzip as well', async () => {
  await using hub = await HubServer.start({ heartbeatMs: 40 });
  const client = await (await GzipClient.open(hub, '?channel=a&channel=b')).live();
  await using plain = await (await hub.subscribe('?channel=a&channel=b')).event('tidegate.live');
  await plain.until(({ comments }) => comments.length >= 2);
  await hub.hub.publish('a', { data: LARGE });
  await hub.hub.publish('b', { data: LARGE });
  await hub.hub.end('a');
  await hub.hub.end('b');
  expect(await client.whole()).toContain('event: tidegate.cursor');
  expect(client.data).toEqual([LARGE, LARGE]);
});

test('a flush is compressed once, for one subscriber or for fifty', async () => {
  await using hub = await HubServer.start();
  const clients = await Promise.all(Array.from({ length: 50 }, async () => (await GzipClient.open(hub, 'a')).live()));
  await hub.hub.publish('a', { data: LARGE });
  for (const client of clients) await client.until(({ data }) => data.length === 1);
  const metrics = String((await hub.get('/metrics')).body['text']);
  const metric = (name: string): number => Number(new RegExp(`^${name} (\\d+)$`, 'm').exec(metrics)?.[1]);
  expect(metric('tidegate_compressed_flushes_total')).toBe(1);
  expect(metric('tidegate_compression_input_bytes_total')).toBeGreaterThan(LARGE.length);
  expect(metric('tidegate_compression_output_bytes_total')).toBeLessThan(LARGE.length / 5);
  for (const client of clients) await client[Symbol.asyncDispose]();
});

test('readers from any place read the same, plain or gzip, and share what is compressed of the history', async () => {
  await using hub = await HubServer.start();
  const published: string[] = [];
  const cursors: string[] = [];
  for (let at = 0; at < 400; at += 1) {
    const data = `${at} ${LARGE.repeat(at % 13)}`;
    published.push(data);
    cursors.push((await hub.hub.publish('a', { data })).cursor);
  }
  const metric = async (name: string): Promise<number> => {
    const metrics = String((await hub.get('/metrics')).body['text']);
    return Number(new RegExp(`^${name} (\\d+)$`, 'm').exec(metrics)?.[1]);
  };
  const read = async (from: number): Promise<void> => {
    const target = from === 0 ? 'a?last=all' : `a?since=${cursors[from - 1]}`;
    const gzip = await (await GzipClient.open(hub, target)).live();
    await using plain = await (await hub.subscribe(target)).event('tidegate.live');
    expect(gzip.data).toEqual(published.slice(from));
    expect(plain.data).toEqual(published.slice(from));
    await gzip[Symbol.asyncDispose]();
  };
  await read(0);
  const compressed = await metric('tidegate_compression_input_bytes_total');
  expect(await metric('tidegate_compression_kept_bytes')).toBeGreaterThan(0);
  await Promise.all([0, 1, 17, 100, 101, 250].map(read));
  // Each compresses the rest of one segment, and the newest.
  expect(await metric('tidegate_compression_input_bytes_total')).toBeLessThan(compressed + 6 * 2 * 64 * 1024);
});

test('fetch, and so the client of this package, reads it without knowing', async () => {
  await using hub = await HubServer.start();
  await hub.hub.publish('a', { data: LARGE });
  await hub.hub.end('a');
  const response = await fetch(`${hub.url}/subscribe/a?last=all`);
  expect(response.headers.get('content-encoding')).toBe('gzip');
  expect(await response.text()).toContain(`data: ${LARGE}\n`);
});

test.skipIf(!hasCurl)('curl --compressed reads it as it comes, and to its end', async () => {
  await using hub = await HubServer.start();
  const curl = spawn('curl', ['-sS', '-N', '--fail', '--compressed', '--max-time', '20', `${hub.url}/subscribe/a`]);
  let text = '';
  curl.stdout.setEncoding('utf8').on('data', (part: string) => {
    text += part;
  });
  const contains = async (part: string): Promise<void> => {
    while (!text.includes(part)) await once(curl.stdout, 'data');
  };
  const exited = once(curl, 'exit');
  await contains('event: tidegate.live');
  await hub.hub.publish('a', { data: LARGE });
  await contains(LARGE);
  await hub.hub.end('a');
  expect((await exited)[0]).toBe(0);
  expect(text).toContain('event: tidegate.end');
});
