import { once } from 'node:events';
import { createServer } from 'node:http';
import type { IncomingMessage } from 'node:http';
import { connect } from 'node:net';
import type { AddressInfo } from 'node:net';

import { describe, expect, it } from 'vitest';

import { systemClock } from '../../base/index.js';
import { BodyShare } from '../body-share.js';
import { Departure } from '../departure.js';
import { readBody } from './request-body.js';

describe('readBody()', () => {
  it('does not wait for the body of a client that left before anybody read it', async () => {
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    const client = connect((server.address() as AddressInfo).port, '127.0.0.1');
    client.write('POST / HTTP/1.1\r\nHost: hub\r\nContent-Length: 9\r\n\r\nhalf');
    const [request] = (await once(server, 'request')) as [IncomingMessage];
    client.destroy();
    await new Promise((resolve) => request.once('close', resolve));
    const share = new BodyShare(100);
    const departure = new Departure({ clock: systemClock, drainMs: 0, afterMs: 0 });
    await expect(readBody(request, { bytesMax: 100, share, departure })).rejects.toMatchObject({
      code: 'body-incomplete',
    });
    server.close();
  });
});
