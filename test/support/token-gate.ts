import { createServer, request } from 'node:http';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

import { formatEvent } from '../../src/protocol/index.js';

export interface TokenGate extends AsyncDisposable {
  readonly url: string;
  /** The code of each refusal and of each stream that was ended. */
  readonly refusals: readonly string[];
  allow(token: string): void;
  /** Takes a token back: its streams end with `token-expired`, and it is refused from now on. */
  expire(token: string): void;
}

/** Stands before a hub and asks for a token, as PROTOCOL.md, 8 would have it refused; streams and publishes pass. */
export async function startTokenGate(hubUrl: () => string): Promise<TokenGate> {
  const allowed = new Set<string>();
  const streams = new Map<ServerResponse, string>();
  const refusals: string[] = [];
  const server = createServer((incoming, response) => {
    const token = incoming.headers.authorization?.replace(/^Bearer /, '') ?? '';
    if (incoming.method === 'OPTIONS' || allowed.has(token)) pass(incoming, response, hubUrl());
    else refuse(incoming, response);
    if (!allowed.has(token)) return;
    streams.set(response, token);
    response.on('close', () => streams.delete(response));
  });
  const refuse = (incoming: IncomingMessage, response: ServerResponse): void => {
    const code = incoming.headers.authorization === undefined ? 'token-missing' : 'token-invalid';
    refusals.push(code);
    response.writeHead(401, { 'content-type': 'application/problem+json', 'access-control-allow-origin': '*' });
    response.end(JSON.stringify({ status: 401, code, detail: 'Cannot let this in' }));
  };
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    refusals,
    allow: (token) => void allowed.add(token),
    expire(token) {
      allowed.delete(token);
      for (const [response, its] of streams) {
        if (its !== token) continue;
        refusals.push('token-expired');
        const data = JSON.stringify({ code: 'token-expired', message: 'The token has expired', retryable: false });
        response.end(formatEvent({ event: 'tidegate.error', retry: 86_400_000, data }));
      }
    },
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** Hands a request on; of the answer only whole blocks, so that the gate can end it between two. */
function pass(incoming: IncomingMessage, response: ServerResponse, hubUrl: string): void {
  const { 'accept-encoding': _, ...headers } = incoming.headers;
  const outgoing = request(`${hubUrl}${incoming.url ?? ''}`, { method: incoming.method ?? 'GET', headers });
  outgoing.on('response', (answer) => {
    response.writeHead(answer.statusCode ?? 502, answer.headers);
    response.flushHeaders();
    const isStream = answer.headers['content-type']?.startsWith('text/event-stream') === true;
    let rest = '';
    answer.setEncoding('utf8');
    answer.on('data', (text: string) => {
      rest += text;
      const whole = isStream ? rest.lastIndexOf('\n\n') + 2 : rest.length;
      if (whole < 2 || response.writableEnded) return;
      response.write(rest.slice(0, whole));
      rest = rest.slice(whole);
    });
    answer.on('end', () => response.end()).on('error', () => response.destroy());
  });
  outgoing.on('error', () => response.destroy());
  response.on('close', () => outgoing.destroy());
  incoming.pipe(outgoing);
}
