import { createServer } from 'node:http';
import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** Answers one request. */
export type Step = (response: ServerResponse, request: IncomingMessage) => void;

export interface Upstream extends AsyncDisposable {
  readonly url: string;
  /** The headers of every request so far. */
  readonly requests: IncomingHttpHeaders[];
}

/** A server that answers each request with the next of `steps`, and with 204 when there is none left. */
export async function startUpstream(...steps: readonly Step[]): Promise<Upstream> {
  const requests: IncomingHttpHeaders[] = [];
  const server = createServer((request, response) => {
    const step = steps[requests.length] ?? status(204);
    requests.push(request.headers);
    step(response, request);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}/stream`,
    requests,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** 200, `text`, and a clean end. */
export function serve(text: string | Uint8Array): Step {
  return (response) => {
    response.writeHead(200, { 'content-type': 'text/event-stream; charset=utf-8' });
    response.end(text);
  };
}

/** 200, `text`, and nothing more; the connection stays open. */
export function hold(text: string): Step {
  return (response) => {
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    response.flushHeaders();
    if (text !== '') response.write(text);
  };
}

/** 200, `text`, and the connection breaks. */
export function cut(text: string): Step {
  return (response) => {
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    response.write(text, () => response.destroy());
  };
}

export function status(code: number, headers: Readonly<Record<string, string>> = {}): Step {
  return (response) => {
    response.writeHead(code, headers);
    response.end();
  };
}
