import { once } from 'node:events';
import type { ServerResponse } from 'node:http';
import { connect } from 'node:http2';
import type { AddressInfo } from 'node:net';
import { describe, expect, test } from 'vitest';

import { CERTIFICATE } from '../../../test/support/certificate.js';
import { createSecureHubServer } from './secure-server.js';

const LIMITS = {
  requestTimeout: 0,
  headersTimeout: 20_000,
  keepAliveTimeout: 100,
  maxHeaderSize: 80 * 1024,
  keepAlive: true,
  keepAliveInitialDelay: 60_000,
};

describe.skipIf(CERTIFICATE === undefined)('createSecureHubServer() (needs openssl)', () => {
  test('ends a connection that nobody uses, and one with a silent stream only after that stream', async () => {
    const tls = CERTIFICATE ?? { cert: '', key: '' };
    const responses: ServerResponse[] = [];
    const { server, endAll } = createSecureHubServer(tls, LIMITS, (_request, response) => {
      responses.push(response);
      response.writeHead(200).write('first');
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const url = `https://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const [idle, used] = [connect(url, { ca: tls.cert }), connect(url, { ca: tls.cert })];
    const stream = used.request({ ':path': '/' });
    let text = '';
    stream.setEncoding('utf8').on('data', (part: string) => (text += part));
    await Promise.all([once(idle, 'close'), once(used, 'goaway')]);
    expect(stream.closed).toBe(false);
    const closed = once(used, 'close');
    responses[0]?.end(' last');
    await closed;
    expect(text).toBe('first last');
    server.close();
    endAll();
  });

  test('gives HTTP/1.1 the same limits', () => {
    const { server } = createSecureHubServer(CERTIFICATE ?? { cert: '', key: '' }, LIMITS, () => undefined);
    expect(server).toMatchObject({
      requestTimeout: 0,
      headersTimeout: 20_000,
      keepAliveTimeout: 100,
      maxHeaderSize: 80 * 1024,
    });
  });
});
