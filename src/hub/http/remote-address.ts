import type { IncomingMessage } from 'node:http';

/** Where the request's connection comes from; empty where it is gone already. */
export function remoteAddress(request: IncomingMessage): string {
  return request.socket.remoteAddress ?? '';
}
