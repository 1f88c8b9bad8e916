import { once } from 'node:events';
import { createServer } from 'node:http';
import type { ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface JwksServer extends AsyncDisposable {
  readonly url: string;
  /** Requests so far. */
  readonly asked: number;
  /** What it answers from now on: a JWK set, or anything a bad server does. */
  answer: object | ((response: ServerResponse) => void);
  /** Resolves when `count` requests have come. */
  untilAsked(count: number): Promise<void>;
}

/** A real HTTP server of public keys, which can be told to misbehave. */
export async function startJwksServer(answer: JwksServer['answer']): Promise<JwksServer> {
  let asked = 0;
  const server = createServer((_request, response) => {
    asked += 1;
    if (typeof jwks.answer === 'function') jwks.answer(response);
    else response.end(JSON.stringify(jwks.answer));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const jwks: JwksServer = {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/keys?secret=in-the-url`,
    answer,
    get asked() {
      return asked;
    },
    async untilAsked(count) {
      while (asked < count) await once(server, 'request');
    },
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
  return jwks;
}
