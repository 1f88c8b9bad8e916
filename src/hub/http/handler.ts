import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { fileURLToPath } from 'node:url';

import { ANONYMOUS } from '../auth/access.js';
import type { AuthRequest } from '../auth/credential.js';
import { HubError } from '../errors.js';
import type { HubCore } from '../hub.js';
import type { BareHead } from './bare-request.js';
import { rememberCaller } from './caller.js';
import { answerPreflight, originHeaders, refuseForeignOrigin } from './cors.js';
import type { Exchange } from './exchange.js';
import { isHostAllowed, refuseForeignHost } from './host.js';
import { createManagement } from './management.js';
import { isGone } from './outlet.js';
import { asRefusal, sendProblem } from './problem.js';
import { handlePublish } from './publish-route.js';
import { ResponseReply } from './reply.js';
import { remoteAddress } from './remote-address.js';
import { discardRest } from './request-body.js';
import { SocketReply } from './socket-reply.js';
import { handleSubscribe } from './subscribe-route.js';
import { readTarget } from './target.js';
import { WebPage } from './web-page.js';

/** Where the build puts the page, seen from this module's own place in it. */
const PAGE_FOLDER = fileURLToPath(new URL('../../ui', import.meta.url));

/** Rooms whose routes ask who is there; streams ask for themselves, as they refuse in a way of their own. */
const NEEDS_CALLER = new Set(['publish', 'channels', 'connections', 'tokens']);

function callOf({ request, target }: Exchange): AuthRequest {
  return { method: request.method ?? 'GET', headers: request.headers, query: target.query };
}

/** Answers a plain request on a bare socket; false, and nothing done, where it asks for no stream. */
export type BareListener = (head: BareHead, socket: Socket) => boolean;

/** Streams are what a hub holds by the thousand, and a bare socket takes a third of what Node's response keeps. */
export function createBareListener(hub: HubCore): BareListener {
  return ({ url, headers }, socket) => {
    const target = readTarget(url, hub.settings.basePath);
    const room = target?.segments[0];
    if (target === undefined || (room !== 'subscribe' && room !== 'sse')) return false;
    // Refused where refusals are written.
    if (!isHostAllowed(headers, hub.settings.hosts)) return false;
    const reply = new SocketReply(socket);
    for (const [name, value] of Object.entries(originHeaders(headers.origin, hub.settings.origins)))
      reply.setHeader(name, value);
    const address = hub.settings.proxies.clientAddress(socket.remoteAddress, headers['x-forwarded-for']);
    void handleSubscribe({ hub, target, headers, address, reply });
    return true;
  };
}

/** Answers every request to the hub. */
export function createHandler(hub: HubCore): RequestListener {
  const management = createManagement(hub);
  const page = new WebPage(PAGE_FOLDER, hub.settings.basePath);

  const route = async (exchange: Exchange): Promise<void> => {
    const { request, response, target } = exchange;
    if (request.method === 'OPTIONS') return answerPreflight(response, hub.settings.corsHeaders);
    const [room] = target.segments;
    if (room === 'subscribe' || room === 'sse') {
      allowMethod(request, response, 'GET');
      const { headers } = request;
      const reply = new ResponseReply(response);
      return handleSubscribe({ hub, target, headers, address: remoteAddress(hub, request), reply });
    }
    const access = NEEDS_CALLER.has(room ?? '') ? await hub.authenticate(callOf(exchange)) : ANONYMOUS;
    rememberCaller(request, access);
    if (request.method !== 'GET' && request.method !== 'HEAD') refuseForeignOrigin(request, hub.settings.origins);
    if (room === 'publish') {
      allowMethod(request, response, 'POST');
      return handlePublish(exchange, access);
    }
    if (request.method === 'GET' && page.answer(target.path, request, response)) return;
    // The framework reads URL and Host itself, knows nothing of a base path and takes no odd host; no route minds which.
    request.headers.host = 'hub';
    if (request.httpVersionMajor === 2) request.headers[':authority'] = 'hub';
    request.url = `${target.path}?${target.query.toString()}`;
    return management(request, response);
  };

  const answer = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    try {
      const headers = originHeaders(request.headers.origin, hub.settings.origins);
      for (const [name, value] of Object.entries(headers)) response.setHeader(name, value);
      refuseForeignHost(request.headers, hub.settings.hosts);
      const target = readTarget(request.url ?? '/', hub.settings.basePath);
      if (target === undefined) throw new HubError('not-found', 'Cannot find anything outside the hub');
      await route({ hub, request, response, target });
    } catch (error) {
      // A client that left in mid-request is no fault of the hub, and there is nobody to tell.
      if (isGone(response)) return;
      const refusal = asRefusal(error);
      hub.countRefusal(refusal, error);
      if (response.headersSent) response.destroy();
      else sendProblem(response, refusal);
      discardRest(request);
    }
  };

  return (request, response) => void answer(request, response);
}

function allowMethod(request: IncomingMessage, response: ServerResponse, method: string): void {
  if (request.method === method) return;
  response.setHeader('Allow', `${method}, OPTIONS`);
  throw new HubError('method-not-allowed', `Cannot ${request.method} here: only ${method} is allowed`);
}
