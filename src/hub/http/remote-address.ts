import type { IncomingMessage } from 'node:http';

import type { HubCore } from '../hub.js';

/** Where a request comes from; empty where its connection is gone already. */
export function remoteAddress(
  { settings }: HubCore,
  { socket, headers }: Pick<IncomingMessage, 'socket' | 'headers'>,
): string {
  return settings.proxies.clientAddress(socket.remoteAddress, headers['x-forwarded-for']);
}
