import { once } from 'node:events';
import { createServer } from 'node:http';
import type { IncomingMessage } from 'node:http';
import { connect } from 'node:net';
import type { AddressInfo, Socket } from 'node:net';

import { describe, expect, it } from 'vitest';

import type { Clock } from '../../base/index.js';
import { ManualClock } from '../../../test/support/clocks.js';
import { BodyShare } from '../body-share.js';
import { Departure } from '../departure.js';
import { readBody } from './request-body.js';

/** A request whose body is still to come, and its client. */
async function ask(head: string) {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const client = connect((server.address() as AddressInfo).port, '127.0.0.1');
  client.on('error', () => undefined);
  client.write(`POST / HTTP/1.1\r\nHost: hub\r\n${head}\r\n\r\n`);
  const [request] = (await once(server, 'request')) as [IncomingMessage];
  const close = async (): Promise<void> => {
    client.destroy();
    await new Promise((resolve) => server.close(resolve));
  };
  return { request, client, [Symbol.asyncDispose]: close };
}

const limitsOf = (share: BodyShare, clock: Clock) => ({
  bytesMax: 1_000_000,
  share,
  publisher: 'p',
  clock,
  departure: new Departure({ clock, drainMs: 0, afterMs: 0 }),
});
const roomy = (): BodyShare => new BodyShare({ bodiesBytes: 4_000_000, bodyBytes: 1_000_000 });
const CHUNKED = 'Transfer-Encoding: chunked';

/** Sends `bytes` bytes as one chunk; resolves when they have been read. */
async function send(client: Socket, request: IncomingMessage, bytes: number): Promise<void> {
  let read = 0;
  const isRead = new Promise<void>((resolve) => {
    const take = (part: Uint8Array): void => {
      read += part.length;
      if (read < bytes) return;
      request.off('data', take);
      resolve();
    };
    request.on('data', take);
  });
  client.write(`${bytes.toString(16)}\r\n${'x'.repeat(bytes)}\r\n`);
  await isRead;
}

describe('readBody()', () => {
  it('does not wait for the body of a client that left before anybody read it', async () => {
    await using asked = await ask('Content-Length: 9');
    asked.client.destroy();
    await new Promise((resolve) => asked.request.once('close', resolve));
    const body = readBody(asked.request, limitsOf(roomy(), new ManualClock()));
    await expect(body).rejects.toMatchObject({ code: 'body-incomplete' });
  });

  it('takes a body of 1 KiB a second for as long as it lasts', async () => {
    const clock = new ManualClock();
    await using asked = await ask(CHUNKED);
    const body = readBody(asked.request, limitsOf(roomy(), clock));
    for (let window = 0; window < 20; window += 1) {
      await send(asked.client, asked.request, 10 * 1024);
      clock.advance(10_000);
    }
    asked.client.write('0\r\n\r\n');
    expect(await body).toHaveLength(20 * 10 * 1024);
    expect(clock.timers).toBe(0);
  });

  it('gives up a body that gets slower than 1 KiB a second, and gives its room back', async () => {
    const clock = new ManualClock();
    const share = roomy();
    await using asked = await ask(CHUNKED);
    const body = readBody(asked.request, limitsOf(share, clock));
    await send(asked.client, asked.request, 900_000);
    clock.advance(10_000);
    expect(share.take('p', 1_000_000)).toBe(false);
    await send(asked.client, asked.request, 10 * 1024 - 1);
    clock.advance(9999);
    expect(share.take('p', 1_000_000)).toBe(false);
    clock.advance(1);
    await expect(body).rejects.toMatchObject({ code: 'body-timeout' });
    expect(share.take('p', 1_000_000)).toBe(true);
    expect(clock.timers).toBe(0);
  });

  it('gives up a body of which nothing comes', async () => {
    const clock = new ManualClock();
    await using asked = await ask('Content-Length: 9');
    const body = readBody(asked.request, limitsOf(roomy(), clock));
    clock.advance(10_000);
    await expect(body).rejects.toMatchObject({ code: 'body-timeout' });
  });

  it('refuses a second body of a publisher whose first takes its share', async () => {
    const share = new BodyShare({ bodiesBytes: 4_000_000, bodyBytes: 1_000_000 });
    share.take('p', 900_000);
    await using asked = await ask(CHUNKED);
    const body = readBody(asked.request, limitsOf(share, new ManualClock()));
    asked.client.write(`30d41\r\n${'x'.repeat(200_001)}\r\n0\r\n\r\n`);
    await expect(body).rejects.toMatchObject({ code: 'too-many-bodies' });
    await using other = await ask(CHUNKED);
    const others = readBody(other.request, { ...limitsOf(share, new ManualClock()), publisher: 'q' });
    other.client.write(`30d41\r\n${'x'.repeat(200_001)}\r\n0\r\n\r\n`);
    expect(await others).toHaveLength(200_001);
  });
});
