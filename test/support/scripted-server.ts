import { once } from 'node:events';
import { createServer } from 'node:http';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

import { formatEvent } from '../../src/protocol/index.js';

export type Script = (request: IncomingMessage, response: ServerResponse) => void;

const closers: (() => void)[] = [];
/** Closes every server of the test. */
export function closeServers(): void {
  for (const close of closers.splice(0)) close();
}

/** A server whose nth connection runs the nth script (the last one for all after it). */
export async function serve(...scripts: readonly Script[]): Promise<{ url: string; requests: IncomingMessage[] }> {
  const requests: IncomingMessage[] = [];
  const server = createServer((request, response) => {
    const script = scripts[Math.min(requests.push(request), scripts.length) - 1];
    script?.(request, response);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  closers.push(() => {
    server.closeAllConnections();
    server.close();
  });
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, requests };
}

/** Answers with a stream of `blocks`, then ends it, cuts it or leaves it open. */
export function stream(blocks: readonly string[], then: 'end' | 'cut' | 'stay' = 'end'): Script {
  return (_request, response) => {
    response.writeHead(200, { 'content-type': 'text/event-stream; charset=utf-8' });
    response.write(blocks.join(''), () => {
      if (then === 'end') response.end();
      if (then === 'cut') response.destroy();
    });
  };
}

export const busy: Script = (_request, response) => response.writeHead(503, { 'retry-after': '7' }).end();
export const busyWithout: Script = (_request, response) => response.writeHead(503).end();
/** "Do not come back." */
export const gone: Script = (_request, response) => response.writeHead(204).end();

/** The block that a hub opens a stream with. */
export function open(cursor = '~aaaaaaaa-0', heartbeatMs = 15_000, channels = ['a']): string {
  return formatEvent({ id: cursor, event: 'tidegate.open', data: JSON.stringify({ channels, heartbeatMs }), retry: 0 });
}
