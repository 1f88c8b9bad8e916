import { describe, expect, test } from 'vitest';

import { CERTIFICATE } from '../support/certificate.js';
import {
  END_HEADERS,
  END_STREAM,
  FRAME,
  frame,
  header,
  headerFrames,
  Http2Attacker,
  request,
} from '../support/http2-attacker.js';
import { Http2Client } from '../support/http2-client.js';
import { HubServer } from '../support/hub-server.js';

const tls = CERTIFICATE ?? { cert: '', key: '' };
const MIB = 1024 * 1024;
const GET = request('/subscribe/a');
const CANCEL = Buffer.from([0, 0, 0, 8]);
const padded = (kib: number): Buffer =>
  Buffer.concat(Array.from({ length: kib }, (_, at) => header(`x-${at}`, 'v'.repeat(980))));

async function start() {
  const hub = await HubServer.start({ tls });
  const attacker = await Http2Attacker.open(hub.port);
  const close = async (): Promise<void> => {
    await attacker[Symbol.asyncDispose]();
    await hub[Symbol.asyncDispose]();
  };
  return { hub, attacker, [Symbol.asyncDispose]: close };
}

/** What another client is told. */
async function metric(hub: HubServer, pattern: RegExp): Promise<number> {
  await using client = new Http2Client(hub.url, tls.cert);
  const { text } = await client.send('GET', '/metrics');
  return Number(pattern.exec(text)?.[1] ?? 0);
}

const subscribers = (hub: HubServer): Promise<number> => metric(hub, /^tidegate_subscribers (\d+)$/m);
const subscriptions = (hub: HubServer): Promise<number> => metric(hub, /^tidegate_subscriptions_total (\d+)$/m);

/** Growth of this process, in which hub and attacker are, while `task` runs. */
async function grownMiB(task: () => Promise<unknown>): Promise<number> {
  const before = process.memoryUsage().rss;
  await task();
  return (process.memoryUsage().rss - before) / MIB;
}

describe.skipIf(CERTIFICATE === undefined)('an HTTP/2 client that keeps to no setting (needs openssl)', () => {
  test('gets no larger head taken than one of HTTP/1.1, and keeps its connection', async () => {
    await using server = await start();
    const { attacker, hub } = server;
    attacker.write(headerFrames(1, Buffer.concat([GET, padded(100)])));
    await expect.poll(() => attacker.count(FRAME.headers)).toBe(1);
    expect(await subscriptions(hub)).toBe(0);
    attacker.write(headerFrames(3, Buffer.concat([GET, padded(60)])));
    await expect.poll(() => subscriptions(hub)).toBe(1);
    expect(attacker.isOver).toBe(false);
  });

  test('is refused a head of thousands of small headers', async () => {
    await using server = await start();
    const { attacker, hub } = server;
    const many = Array.from({ length: 3000 }, (_, at) => header(`a${at}`, 'b'));
    attacker.write(headerFrames(1, Buffer.concat([GET, ...many])));
    await expect.poll(() => attacker.count(FRAME.reset)).toBe(1);
    expect(await subscriptions(hub)).toBe(0);
  });

  test('cannot make a few bytes mean megabytes of headers', async () => {
    await using server = await start();
    const { attacker, hub } = server;
    const large = header('x', 'v'.repeat(3900), 0x40);
    // Each byte stands for the header that was added to the table.
    const bomb = Buffer.alloc(12_000, 0x80 | 62);
    const grown = await grownMiB(async () => {
      for (let at = 0; at < 100; at += 1) {
        attacker.write(headerFrames(1 + 2 * at, Buffer.concat(at === 0 ? [GET, large, bomb] : [GET, bomb])));
      }
      await expect.poll(() => attacker.isOver || attacker.count(FRAME.reset) === 100).toBe(true);
    });
    expect(grown).toBeLessThan(64);
    expect(await subscriptions(hub)).toBe(0);
  });

  test('cannot send headers without an end', async () => {
    await using server = await start();
    const { attacker } = server;
    attacker.write(frame(FRAME.headers, END_STREAM, 1, GET));
    await attacker.flood(frame(FRAME.continuation, 0, 1, header('x', 'v'.repeat(500))), 10_000);
    await expect.poll(() => attacker.isOver).toBe(true);
  });

  test('cannot begin and reset streams without an end, nor leave a subscriber behind', async () => {
    await using server = await start();
    const { attacker, hub } = server;
    for (let at = 0; at < 20_000 && attacker.socket.writable; at += 1) {
      const stream = 1 + 2 * at;
      attacker.write(
        frame(FRAME.headers, END_STREAM | END_HEADERS, stream, GET),
        frame(FRAME.reset, 0, stream, CANCEL),
      );
      if (at % 500 === 0) await new Promise(setImmediate);
    }
    await expect.poll(() => attacker.isOver).toBe(true);
    expect(await subscriptions(hub)).toBeLessThan(2500);
    await expect.poll(() => subscribers(hub)).toBe(0);
  });

  test.each([
    ['settings', frame(FRAME.settings, 0, 0)],
    ['pings', frame(FRAME.ping, 0, 0, Buffer.alloc(8))],
  ])('that reads no answers cannot send %s without an end', async (_name, one) => {
    await using server = await start();
    const { attacker } = server;
    attacker.socket.pause();
    const grown = await grownMiB(() => attacker.flood(Buffer.concat(Array.from({ length: 1000 }, () => one)), 300));
    attacker.socket.resume();
    await expect.poll(() => attacker.isOver).toBe(true);
    expect(grown).toBeLessThan(64);
  });

  test('cannot send empty bodies without an end', async () => {
    await using server = await start();
    const { attacker } = server;
    attacker.write(headerFrames(1, request('/publish/a', 'POST'), 0));
    await attacker.flood(Buffer.concat(Array.from({ length: 1000 }, () => frame(FRAME.data, 0, 1))), 300);
    await expect.poll(() => attacker.isOver).toBe(true);
  });

  test('holds no more than 250 streams, and no other client is worse off', async () => {
    await using server = await start();
    const { attacker, hub } = server;
    for (let at = 0; at < 2000; at += 1) attacker.write(headerFrames(1 + 2 * at, GET));
    await expect.poll(() => attacker.count(FRAME.reset) > 0 || attacker.isOver).toBe(true);
    expect(await subscribers(hub)).toBeLessThanOrEqual(250);
    await using other = new Http2Client(hub.url, tls.cert);
    await (await other.subscribe('a')).event('tidegate.live');
  });
});
