import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';
import { fileURLToPath } from 'node:url';

import { quote } from '../../protocol/index.js';
import { NOBODY } from '../auth/access.js';
import type { Access } from '../auth/access.js';
import { HubError } from '../errors.js';
import type { HubCore } from '../hub.js';
import type { AppListener } from './app.js';
import { rememberCaller } from './caller.js';
import { answerPreflight, NO_SNIFFING, originHeaders, refuseForeignOrigin } from './cors.js';
import { refuseForeignHost } from './host.js';
import { createManagement } from './management.js';
import { createOutlet, http2StreamOf, isGone } from './outlet.js';
import { asRefusal, sendProblem } from './problem.js';
import { handlePublish } from './publish-route.js';
import { ResponseReply } from './reply.js';
import { remoteAddress } from './remote-address.js';
import { refuseTwoAuthorizations, settleHost } from './request-host.js';
import { discardRest } from './request-body.js';
import { requireRoute } from './require-route.js';
import { allowedMethods, findRoute, OPERATIONS_ROUTES, ROUTES, RouteTable } from './routes.js';
import type { Route, RouteMatch } from './routes.js';
import { handleSubscribe } from './subscribe-route.js';
import { readTarget } from './target.js';
import type { Target } from './target.js';
import { WebPage } from './web-page.js';

/** Where the build puts the page, seen from this module's own place in it. */
const PAGE_FOLDER = fileURLToPath(new URL('../../ui', import.meta.url));

/** Methods that no route of a hub is without; what `OPTIONS *` is answered (RFC 9110, 9.3.7). */
const SERVER_METHODS = 'GET, HEAD, POST, DELETE, OPTIONS';

/** What a request meets: the hub, its routes, and what answers those that are no stream and no publish. */
interface Site {
  readonly hub: HubCore;
  readonly table: RouteTable;
  readonly management: AppListener;
  readonly page: WebPage;
}

/** Answers every request to the hub, and every request to its operations on a port of their own. */
export function createHandlers(hub: HubCore): { readonly all: RequestListener; readonly operations: RequestListener } {
  const management = createManagement(hub);
  const page = new WebPage(PAGE_FOLDER, hub.settings.basePath);
  const pageFiles = page.paths.map((path): Route => ({ method: 'GET', path, access: 'open', handler: 'page' }));
  const all: Site = { hub, table: new RouteTable([...ROUTES, ...pageFiles]), management, page };
  const operations: Site = { hub, table: new RouteTable(OPERATIONS_ROUTES), management, page };
  return { all: createListener(all), operations: createListener(operations) };
}

function createListener(site: Site): RequestListener {
  return (request, response) => {
    if (!isKnownVersion(request)) return void response.writeHead(505, { Connection: 'close' }).end();
    answer(site, request, response)
      .catch((error: unknown) => refuse(site.hub, { request, response, error }))
      .finally(() => cutUnread(response, site.hub.settings.stallTimeoutMs));
  };
}

/**
 * Whether the request is HTTP/1, or HTTP/2 by its frames. Node's parser of HTTP/1 takes `HTTP/0.9` and `HTTP/2.0` for
 * versions too, and everything behind this would wait for an HTTP/2 stream that does not exist.
 */
function isKnownVersion(request: IncomingMessage): boolean {
  return request.httpVersionMajor === 1 || http2StreamOf(request) !== undefined;
}

/**
 * Cuts a connection that takes nothing of its answer for `stallTimeoutMs`: a page of history is megabytes, and without a
 * bound a client that never reads would keep them in memory for ever. Streams have their own check (PROTOCOL.md, 4.7).
 */
function cutUnread(response: ServerResponse, stallTimeoutMs: number): void {
  if (!response.writableEnded || response.writableFinished || isGone(response)) return;
  // Node counts bytes that the socket takes as activity, so a slow reader is not cut.
  response.setTimeout(stallTimeoutMs, () => createOutlet(response).destroy());
}

/** Everything that is asked of the hub comes by here, and by nothing else: see docs/adr/0027. */
async function answer(site: Site, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const { hub, table } = site;
  const { basePath, hosts, origins } = hub.settings;
  for (const [name, value] of Object.entries(originHeaders(request.headers.origin, origins)))
    response.setHeader(name, value);
  response.setHeader(...NO_SNIFFING);
  const isForServer = request.method === 'OPTIONS' && request.url === '*';
  const target = readTarget(isForServer ? '/' : (request.url ?? ''), isForServer ? '' : basePath);
  settleHost(request, target);
  refuseForeignHost(request.headers, hosts);
  refuseTwoAuthorizations(request);
  if (isForServer) return void response.writeHead(204, { Allow: SERVER_METHODS }).end();
  return route(site, { request, response, target, match: findRoute(table, target) });
}

interface RoutedRequest {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly target: Target;
  readonly match: RouteMatch | undefined;
}

async function route(site: Site, routed: RoutedRequest): Promise<void> {
  const { hub } = site;
  const { request, response, target, match } = routed;
  const method = request.method ?? 'GET';
  // A preflight never carries credentials.
  if (method === 'OPTIONS' && match !== undefined)
    return answerPreflight(response, { moreHeaders: hub.settings.corsHeaders, methods: allowedMethods(match) });
  const found = match?.routes.get(method === 'HEAD' ? 'GET' : method);
  if (match !== undefined && found?.handler === 'stream') {
    const reply = new ResponseReply(response);
    const { headers } = request;
    const address = remoteAddress(hub, request);
    const isHeadOnly = method === 'HEAD';
    const { parameters } = match;
    return handleSubscribe({ hub, route: found, parameters, target, headers, address, reply, isHeadOnly });
  }
  const caller = found?.access === 'open' ? NOBODY : await authenticate(hub, routed);
  // A stranger never gets this far: what the hub has is nothing for it to find out.
  if (match === undefined) throw new HubError('not-found', `Cannot find ${quote(target.path ?? request.url ?? '')}`);
  if (found === undefined) throw methodNotAllowed(routed, allowedMethods(match));
  if (method !== 'GET' && method !== 'HEAD') refuseForeignOrigin(request, hub.settings.origins);
  const { parameters } = match;
  requireRoute(found, caller, parameters);
  if (found.handler === 'publish')
    return handlePublish({ hub, request, response, caller, parameters, query: target.query });
  if (found.handler === 'page') return site.page.answer(target.path ?? '', request, response);
  return answerByFramework(site.management, caller, routed);
}

function authenticate(hub: HubCore, { request, target }: RoutedRequest): Promise<Access> {
  return hub.authenticate({ method: request.method ?? 'GET', headers: request.headers, query: target.query });
}

function methodNotAllowed({ request, response }: RoutedRequest, allowed: string): HubError {
  response.setHeader('Allow', allowed);
  return new HubError('method-not-allowed', `Cannot ${request.method} here: ${allowed} are allowed`);
}

/** It sees the canonical path, and neither the base path nor the host: it would read them anew. */
async function answerByFramework(management: AppListener, caller: Access, routed: RoutedRequest): Promise<void> {
  const { request, response, target } = routed;
  rememberCaller(request, caller);
  // The answer depends on the caller, and a cache knows only some of the headers that say which caller it is.
  response.setHeader('Cache-Control', 'no-store');
  request.headers.host = 'hub';
  if (request.httpVersionMajor === 2) request.headers[':authority'] = 'hub';
  request.url = `${target.path}?${target.query.toString()}`;
  await management(request, response);
}

interface FailedRequest {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly error: unknown;
}

function refuse(hub: HubCore, { request, response, error }: FailedRequest): void {
  // A client that left in mid-request is no fault of the hub, and there is nobody to tell.
  if (isGone(response)) return;
  const refusal = asRefusal(error);
  hub.countRefusal(refusal, error);
  if (response.headersSent) response.destroy();
  else sendProblem(response, refusal);
  discardRest(request);
}
