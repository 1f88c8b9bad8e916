import { createServer } from 'node:http';
import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';

interface FakeEvent {
  readonly id?: string;
  readonly event?: string;
  readonly data: string;
  readonly idempotencyKey?: string;
}

/** Answers a publish in place of the hub; true where the events are kept all the same. */
export type Fault = (response: ServerResponse) => boolean;

export interface FakeHub extends AsyncDisposable {
  readonly url: string;
  /** What was published, without repeats. */
  readonly events: FakeEvent[];
  readonly requests: { readonly url: string; readonly headers: IncomingHttpHeaders; readonly lines: number }[];
  /** Met one by one by the next publishes. */
  readonly faults: Fault[];
}

export interface FakeHubOptions {
  /** Problem code for an event that the hub does not take. */
  readonly refuse?: (event: FakeEvent) => string | undefined;
  /** Largest body that it takes. */
  readonly bodyBytesMax?: number;
}

/** What PROTOCOL.md, 6 says of `POST /publish/{channel}`, as far as a publisher can tell. */
export async function startFakeHub(options: FakeHubOptions = {}): Promise<FakeHub> {
  const events: FakeEvent[] = [];
  const requests: FakeHub['requests'] = [];
  const faults: Fault[] = [];
  const publish = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const body = await text(request);
    const isMany = request.headers['content-type'] === 'application/x-ndjson';
    const lines = isMany ? body.split('\n').filter((line) => line !== '') : [body];
    requests.push({ url: request.url ?? '', headers: request.headers, lines: lines.length });
    const fault = faults.shift();
    if (fault !== undefined && !fault(response)) return;
    if (body.length > (options.bodyBytesMax ?? Infinity)) return problem(response, 413, 'body-too-large');
    const batch = lines.map((line) => JSON.parse(line) as FakeEvent);
    const code = batch.map((event) => options.refuse?.(event)).find((each) => each !== undefined);
    if (code !== undefined) return problem(response, 400, code);
    const keys = new Set(events.map((event) => event.idempotencyKey));
    const fresh = batch.filter(({ idempotencyKey: key }) => key === undefined || !keys.has(key));
    events.push(...fresh);
    if (response.destroyed || response.headersSent) return;
    const answer = { channel: 'c', id: 'i', cursor: '~aaaaaaaa-1', published: fresh.length };
    response.setHeader('content-type', 'application/json');
    response.end(JSON.stringify({ ...answer, duplicates: batch.length - fresh.length }));
  };
  const server = createServer((request, response) => void publish(request, response));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    events,
    requests,
    faults,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

function problem(response: ServerResponse, status: number, code: string): void {
  response.writeHead(status, { 'content-type': 'application/problem+json' });
  response.end(JSON.stringify({ type: 'about:blank', title: 'No', status, detail: `Refused: ${code}`, code }));
}

/** The events are published, but the connection breaks before the answer. */
export const loseAnswer: Fault = (response) => {
  response.destroy();
  return true;
};

/** The connection breaks and nothing is published. */
export const loseRequest: Fault = (response) => {
  response.destroy();
  return false;
};

export function answerWith(
  status: number,
  headers: Readonly<Record<string, string>> = {},
  body = '<html>proxy</html>',
): Fault {
  return (response) => {
    response.writeHead(status, headers);
    response.end(body);
    return false;
  };
}
