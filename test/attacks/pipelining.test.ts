import { once } from 'node:events';
import { createServer } from 'node:http';
import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';
import { connect as connectTcp } from 'node:net';
import type { AddressInfo, Socket } from 'node:net';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { connect as connectTls } from 'node:tls';

import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';

import { createHub, listen } from '../../src/hub/index.js';
import { CERTIFICATE } from '../support/certificate.js';
import { HubServer } from '../support/hub-server.js';

const SUBSCRIBE = 'GET /subscribe/a HTTP/1.1\r\nHost: hub\r\n\r\n';
const SMALL = 'GET /health HTTP/1.1\r\nHost: hub\r\n\r\n';
/** Without a Host Node answers 400 by itself, and hands nothing out. */
const SMALLEST = 'GET / HTTP/1.1\r\n\r\n';
const FLOOD_BYTES = 9_000_000;
const MIB = 1024 * 1024;

type Transport = 'plain' | 'tls';
const TRANSPORTS: readonly Transport[] = CERTIFICATE === undefined ? ['plain'] : ['plain', 'tls'];

async function connect(port: number, transport: Transport): Promise<Socket> {
  const socket =
    transport === 'plain'
      ? connectTcp(port, '127.0.0.1')
      : connectTls({ port, host: '127.0.0.1', ca: CERTIFICATE?.cert, ALPNProtocols: ['http/1.1'] });
  socket.on('error', () => undefined);
  await once(socket, transport === 'plain' ? 'connect' : 'secureConnect');
  return socket;
}

const tlsOf = (transport: Transport) =>
  transport === 'tls' && CERTIFICATE !== undefined ? { tls: CERTIFICATE } : undefined;

/** Resolves when `pattern` has come. */
async function until(socket: Socket, pattern: RegExp): Promise<string> {
  let text = '';
  return new Promise((resolve) => {
    socket.on('data', (bytes: Buffer) => {
      text = (text + bytes.toString('latin1')).slice(-100_000);
      if (pattern.test(text)) resolve(text);
    });
  });
}

/** Writes the flood; resolves when all of it is taken, or when nothing of it was for `stuckMs`. */
async function flood(socket: Socket, request: string, stuckMs = 10_000): Promise<'taken' | 'stopped'> {
  const part = Buffer.from(request.repeat(Math.ceil(65_536 / request.length)));
  for (let sent = 0; sent < FLOOD_BYTES; sent += part.length) {
    if (socket.write(part)) continue;
    try {
      await once(socket, 'drain', { signal: AbortSignal.timeout(stuckMs) });
    } catch {
      return 'stopped';
    }
  }
  return 'taken';
}

/** What `task` costs this process: memory beyond what it had, and the longest turn of its event loop. */
async function costOf(
  task: () => Promise<unknown>,
): Promise<{ readonly grownMiB: number; readonly longestMs: number }> {
  const delay = monitorEventLoopDelay({ resolution: 5 });
  const before = process.memoryUsage().rss;
  let most = before;
  const watch = setInterval(() => (most = Math.max(most, process.memoryUsage().rss)), 20);
  delay.enable();
  await task();
  delay.disable();
  clearInterval(watch);
  return { grownMiB: (Math.max(most, process.memoryUsage().rss) - before) / MIB, longestMs: delay.max / 1e6 };
}

async function subscribers(hub: HubServer): Promise<number> {
  const { text } = await fetchText(hub);
  return Number(/^tidegate_subscribers (\d+)$/m.exec(text)?.[1]);
}

async function fetchText(hub: HubServer): Promise<{ readonly text: string }> {
  if (hub.url.startsWith('http:')) return { text: String((await hub.get('/metrics')).body['text']) };
  const socket = await connect(hub.port, 'tls');
  const answered = until(socket, /tidegate_subscribers \d+\n[^]*$/);
  socket.write('GET /metrics HTTP/1.1\r\nHost: hub\r\nConnection: close\r\n\r\n');
  const text = await answered;
  socket.destroy();
  return { text };
}

describe.each(TRANSPORTS)('9 MB of requests behind a stream take neither memory nor time (%s),', (transport) => {
  test.each([
    ['behind a stream that runs', [SUBSCRIBE]],
    ['behind a stream whose head came in two parts', [SUBSCRIBE.slice(0, 20), SUBSCRIBE.slice(20)]],
    ['behind a stream on a connection that was used before', [SMALL, SUBSCRIBE]],
    ['in the packet of its request', [SUBSCRIBE + SMALL.repeat(1000)]],
  ])('%s', async (_name, parts) => {
    await using hub = await HubServer.start(tlsOf(transport));
    for (const request of [SMALL, SMALLEST, SUBSCRIBE]) {
      const socket = await connect(hub.port, transport);
      const live = until(socket, /tidegate\.live/);
      for (const part of parts) {
        socket.write(part);
        await new Promise((resolve) => setTimeout(resolve, 10));
      }
      await live;
      const cost = await costOf(async () => {
        expect(await flood(socket, request)).toBe('taken');
        const closed = once(socket, 'close');
        socket.destroy();
        await closed;
        await expect.poll(() => subscribers(hub)).toBe(0);
      });
      expect(cost.grownMiB).toBeLessThan(64);
      expect(cost.longestMs).toBeLessThan(400);
    }
  });

  test('and the end of its client is noticed all the same', async () => {
    await using hub = await HubServer.start(tlsOf(transport));
    for (const leave of ['end', 'destroy'] as const) {
      const socket = await connect(hub.port, transport);
      const live = until(socket, /tidegate\.live/);
      socket.write(SMALL + SUBSCRIBE);
      await live;
      expect(await subscribers(hub)).toBe(1);
      socket.write(`${SMALL.repeat(100)}GET /half`);
      socket[leave]();
      await expect.poll(() => subscribers(hub)).toBe(0);
    }
  });
});

test('9 MB of requests behind a stream take no memory from a server that the hub is mounted in', async () => {
  await using hub = createHub();
  const server = createServer(hub.handler);
  await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve));
  const socket = await connect((server.address() as AddressInfo).port, 'plain');
  const live = until(socket, /tidegate\.live/);
  socket.write(SUBSCRIBE);
  await live;
  const cost = await costOf(() => flood(socket, SMALL));
  expect(cost.grownMiB).toBeLessThan(64);
  socket.destroy();
  server.closeAllConnections();
  server.close();
});

/** A server of the hub's kind with another handler. */
async function serve(handler: RequestListener, transport: Transport) {
  const server = await listen({ handler }, { port: 0, ...tlsOf(transport) });
  return { port: server.port, [Symbol.asyncDispose]: () => server.close() };
}

describe.each(TRANSPORTS)('requests that wait for an answer (%s)', (transport) => {
  test.each([SMALL, `POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\n\r\nx`])(
    'are read no further once a few hundred are there, and are all answered then',
    async (request) => {
      const waiting: ServerResponse[] = [];
      let asked = 0;
      let isOpen = false;
      const handler = (_request: IncomingMessage, response: ServerResponse): void => {
        asked += 1;
        if (isOpen) response.end();
        else waiting.push(response);
      };
      await using server = await serve(handler, transport);
      const socket = await connect(server.port, transport);
      socket.resume();
      // The first is handed out in any case; it keeps the others waiting.
      socket.write(SMALL);
      const cost = await costOf(async () => expect(await flood(socket, request, 400)).toBe('stopped'));
      // Without TLS one read of 64 KiB passes before the gate stands.
      expect(asked).toBeLessThan(transport === 'tls' ? 150 : 2500);
      expect(cost.grownMiB).toBeLessThan(96);
      isOpen = true;
      for (const response of waiting) response.end();
      // What had been written meanwhile is read: nothing more is left in the client.
      await expect.poll(() => socket.writableLength, { timeout: 15_000 }).toBe(0);
      socket.destroy();
    },
  );
});

test('the excess of many connections is bounded together, and given back', async () => {
  const waiting: ServerResponse[] = [];
  await using server = await serve((_request, response) => void waiting.push(response), 'plain');
  const round = async (): Promise<number> => {
    const sockets = await Promise.all(Array.from({ length: 30 }, () => connect(server.port, 'plain')));
    let cut = 0;
    for (const socket of sockets) socket.on('close', () => (cut += 1)).resume();
    for (const socket of sockets) socket.write(SMALL);
    await expect.poll(() => waiting.length).toBeGreaterThanOrEqual(30);
    for (const socket of sockets) socket.write(SMALL.repeat(65_536 / SMALL.length));
    await expect.poll(() => cut).toBeGreaterThan(0);
    const cutByServer = cut;
    for (const socket of sockets) socket.destroy();
    await expect.poll(() => cut).toBe(30);
    waiting.length = 0;
    return cutByServer;
  };
  const cost = await costOf(async () => {
    const cuts = [await round(), await round()];
    // Not the same each time, but never all: what the first ones took was given back.
    for (const cut of cuts) expect(cut).toBeLessThan(30);
  });
  expect(cost.grownMiB).toBeLessThan(320);
});

/** Slower than the client: the request's own buffer fills, and Node pauses the socket. */
function answerSlowly(request: IncomingMessage, response: ServerResponse): void {
  let body = '';
  const finish = (): void => void setImmediate(() => response.end(`<${body.length}:${body.slice(0, 20)}>`));
  request.setEncoding('latin1').on('data', (part: string) => {
    body += part;
    if (body.length % 5 === 0) request.pause();
    setImmediate(() => request.resume());
  });
  request.on('end', finish);
}

interface Asked {
  readonly body: string;
  readonly isChunked: boolean;
}

function requestOf({ body, isChunked }: Asked): string {
  if (body === '') return 'GET /x HTTP/1.1\r\nHost: h\r\n\r\n';
  const head = `POST /x HTTP/1.1\r\nHost: h\r\n`;
  if (!isChunked) return `${head}Content-Length: ${body.length}\r\n\r\n${body}`;
  const chunks = body.match(/[^]{1,700}/g) ?? [];
  const text = chunks.map((chunk) => `${chunk.length.toString(16)}\r\n${chunk}\r\n`).join('');
  return `${head}Transfer-Encoding: chunked\r\n\r\n${text}0\r\n\r\n`;
}

test.each(TRANSPORTS)(
  'requests in packets of any size are all answered, in order, whatever they carry (%s)',
  async (transport) => {
    await using server = await serve(answerSlowly, transport);
    const asked = fc.record({
      body: fc.oneof(
        fc.constant(''),
        fc.string({ maxLength: 20 }).map((text) => Buffer.from(text).toString('latin1')),
        fc
          .integer({ min: 1, max: 60_000 })
          .map((length) => 'ab\r\n\r\nGET / HTTP/1.1\r\n\r\n'.repeat(3000).slice(0, length)),
      ),
      isChunked: fc.boolean(),
    });
    const property = fc.asyncProperty(
      fc.array(asked, { minLength: 1, maxLength: 120 }),
      fc.array(fc.integer({ min: 1, max: 5000 }), { minLength: 1, maxLength: 20 }),
      fc.boolean(),
      async (requests, cuts, isEnded) => {
        const socket = await connect(server.port, transport);
        const expected = requests.map(({ body }) => `<${body.length}:${body.slice(0, 20)}>`);
        let text = '';
        const answered = new Promise<void>((resolve) => {
          socket.on('data', (bytes: Buffer) => {
            text += bytes.toString('latin1');
            if (text.split('HTTP/1.1 200').length > requests.length && text.endsWith('>')) resolve();
          });
          socket.on('close', () => resolve());
        });
        const whole = requests.map(requestOf).join('');
        for (let at = 0, turn = 0; at < whole.length; turn += 1) {
          const end = at + (cuts[turn % cuts.length] ?? 1);
          socket.write(whole.slice(at, end), 'latin1');
          if (turn % 3 === 0) await new Promise(setImmediate);
          at = end;
        }
        // On a connection that its client has ended, Node gives up what it has not answered yet.
        if (isEnded) void answered.then(() => socket.end());
        await answered;
        socket.destroy();
        expect(text.match(/<\d+:[^]*?>(?=HTTP|$)/g)).toEqual(expected);
      },
    );
    await fc.assert(property, { numRuns: 30 });
  },
  60_000,
);
