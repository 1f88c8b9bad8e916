import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http';
import { fileURLToPath } from 'node:url';

import { HubError } from '../errors.js';
import type { HubCore } from '../hub.js';
import { allowOrigin, answerPreflight, refuseForeignOrigin } from './cors.js';
import { createManagement } from './management.js';
import { asRefusal, sendProblem } from './problem.js';
import { handlePublish } from './publish-route.js';
import { discardRest } from './request-body.js';
import { handleSubscribe } from './subscribe-route.js';
import { readTarget } from './target.js';
import type { Target } from './target.js';
import { WebPage } from './web-page.js';

/** Where the build puts the page, seen from this module's own place in it. */
const PAGE_FOLDER = fileURLToPath(new URL('../../ui', import.meta.url));

/** Answers every request to the hub. */
export function createHandler(hub: HubCore): RequestListener {
  const management = createManagement(hub);
  const page = new WebPage(PAGE_FOLDER);

  const route = async (request: IncomingMessage, response: ServerResponse, target: Target): Promise<void> => {
    if (request.method === 'OPTIONS') return answerPreflight(response);
    const [room] = target.segments;
    if (room === 'subscribe') {
      allowMethod(request, response, 'GET');
      return handleSubscribe(hub, request, response, target);
    }
    if (request.method !== 'GET' && request.method !== 'HEAD') refuseForeignOrigin(request, hub.settings.origins);
    if (room === 'publish') {
      allowMethod(request, response, 'POST');
      return handlePublish(hub, request, response, target);
    }
    if (request.method === 'GET' && page.answer(target.path, request, response)) return;
    // The framework reads the URL itself and knows nothing of a base path.
    request.url = `${target.path}${request.url?.slice((request.url.indexOf('?') + 1 || Infinity) - 1) ?? ''}`;
    return management(request, response);
  };

  return (request, response) => {
    allowOrigin(request, response, hub.settings.origins);
    const target = readTarget(request.url ?? '/', hub.settings.basePath);
    const answered =
      target === undefined
        ? Promise.reject(new HubError('not-found', 'Cannot find anything outside the hub'))
        : route(request, response, target);
    answered.catch((error: unknown) => fail(hub, request, response, error));
  };
}

function allowMethod(request: IncomingMessage, response: ServerResponse, method: string): void {
  if (request.method === method) return;
  response.setHeader('Allow', `${method}, OPTIONS`);
  throw new HubError('method-not-allowed', `Cannot ${request.method} here: only ${method} is allowed`);
}

function fail(hub: HubCore, request: IncomingMessage, response: ServerResponse, error: unknown): void {
  const refusal = asRefusal(error);
  // A client that left in mid-request is no fault of the hub, and there is nobody to tell.
  if (response.destroyed) return;
  hub.countRefusal(refusal, error);
  if (response.headersSent) {
    response.destroy();
    return;
  }
  sendProblem(response, refusal);
  discardRest(request);
}
