import { once } from 'node:events';
import { connect as connectTcp } from 'node:net';
import type { Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';

import { describe, expect, test } from 'vitest';

import { CERTIFICATE } from '../support/certificate.js';
import { HubServer } from '../support/hub-server.js';

const REQUESTS = 3000;
const PUBLISHED = Array.from({ length: REQUESTS }, () => '200');

/** Sends all the requests in one go; resolves with the statuses of the answers, when all came or the hub hung up. */
async function answersTo(socket: Socket): Promise<readonly string[]> {
  const head = 'POST /publish/a HTTP/1.1\r\nHost: hub\r\nContent-Length: 5\r\n\r\n';
  let text = '';
  const isOver = new Promise<void>((resolve) => {
    socket.on('data', (chunk: Buffer) => {
      text += chunk.toString('latin1');
      if (text.split('HTTP/1.1 ').length > REQUESTS) resolve();
    });
    socket.on('error', () => resolve()).on('close', () => resolve());
  });
  socket.write(Array.from({ length: REQUESTS }, (_, at) => head + String(10_000 + at)).join(''));
  await isOver;
  socket.destroy();
  return Array.from(text.matchAll(/HTTP\/1\.1 (\d{3})/g), ([, status = '']) => status);
}

describe('requests that are sent without waiting for answers', () => {
  test('are all answered', async () => {
    await using hub = await HubServer.start();
    expect(await answersTo(connectTcp(hub.port, '127.0.0.1'))).toEqual(PUBLISHED);
  });

  test.skipIf(CERTIFICATE === undefined)('are all answered over TLS (needs openssl)', async () => {
    await using hub = await HubServer.start({ ...(CERTIFICATE && { tls: CERTIFICATE }) });
    const socket = connectTls({
      port: hub.port,
      host: '127.0.0.1',
      ca: CERTIFICATE?.cert,
      ALPNProtocols: ['http/1.1'],
    });
    await once(socket, 'secureConnect');
    expect(await answersTo(socket)).toEqual(PUBLISHED);
  });
});
