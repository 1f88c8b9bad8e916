import type { IncomingMessage } from 'node:http';

/** Where the request's connection comes from; empty where it is gone already. */
export function remoteAddress(request: Pick<IncomingMessage, 'socket'>): string {
  return request.socket.remoteAddress ?? '';
}
