import type { IncomingHttpHeaders } from 'node:http';
import type { Socket } from 'node:net';

import { HubError } from '../errors.js';
import type { HubCore } from '../hub.js';
import type { BareHead } from './bare-request.js';
import { NO_SNIFFING, originHeaders } from './cors.js';
import { isHostAllowed } from './host.js';
import { findRoute, ROUTES, RouteTable } from './routes.js';
import { SocketReply } from './socket-reply.js';
import { handleSubscribe } from './subscribe-route.js';
import { isAuthority, readTarget } from './target.js';

/** Answers a plain request on a bare socket; false, and nothing done, where it asks for no stream. */
export type BareListener = (head: BareHead, socket: Socket) => boolean;

/** Streams are what a hub holds by the thousand, and a bare socket takes a third of what Node's response keeps. */
export function createBareListener(hub: HubCore): BareListener {
  const table = new RouteTable(ROUTES);
  return ({ url, headers }, socket) => {
    const found = findStream(table, { url, headers, basePath: hub.settings.basePath });
    // Refused, where it is to be, by the handler of all other requests.
    if (found === undefined || !isHostAllowed(headers, hub.settings.hosts)) return false;
    const reply = new SocketReply(socket);
    for (const [name, value] of Object.entries(originHeaders(headers.origin, hub.settings.origins)))
      reply.setHeader(name, value);
    reply.setHeader(...NO_SNIFFING);
    const address = hub.settings.proxies.clientAddress(socket.remoteAddress, headers['x-forwarded-for']);
    void handleSubscribe({ hub, ...found, headers, address, reply });
    return true;
  };
}

interface StreamRequest {
  readonly url: string;
  readonly headers: IncomingHttpHeaders;
  readonly basePath: string;
}

/** The stream that a GET asks for; undefined for anything else, also for a request that must be refused. */
function findStream(table: RouteTable, { url, headers, basePath }: StreamRequest) {
  if (headers.host !== undefined && !isAuthority(headers.host)) return undefined;
  try {
    const target = readTarget(url, basePath);
    const match = target.authority === undefined ? findRoute(table, target) : undefined;
    const route = match?.routes.get('GET');
    if (match === undefined || route?.handler !== 'stream') return undefined;
    return { route, parameters: match.parameters, target };
  } catch (error) {
    if (error instanceof HubError) return undefined;
    throw error;
  }
}
