import type { IncomingMessage, ServerResponse } from 'node:http';

import { quote } from '../../protocol/index.js';
import { HubError } from '../errors.js';

const PREFLIGHT_HEADERS = {
  'Access-Control-Allow-Methods': 'GET, POST, DELETE',
  'Access-Control-Allow-Headers': 'Authorization, Content-Type, Last-Event-ID, Idempotency-Key, Cache-Control',
  'Access-Control-Max-Age': '7200',
};
const EXPOSED = 'X-Connection-Id, Retry-After';

/** Says in the response's headers whether a page of another origin may read it. */
export function allowOrigin(request: IncomingMessage, response: ServerResponse, origins: readonly string[]): void {
  if (origins.length === 0) return;
  const { origin } = request.headers;
  response.setHeader('Vary', 'Origin');
  if (origin === undefined) return;
  if (origins.includes(origin)) {
    response.setHeader('Access-Control-Allow-Origin', origin);
    response.setHeader('Access-Control-Allow-Credentials', 'true');
  } else if (origins.includes('*')) {
    response.setHeader('Access-Control-Allow-Origin', '*');
  } else {
    return;
  }
  response.setHeader('Access-Control-Expose-Headers', EXPOSED);
}

/** Answers a preflight; what was allowed stands in the headers already. */
export function answerPreflight(response: ServerResponse): void {
  response.writeHead(204, response.hasHeader('Access-Control-Allow-Origin') ? PREFLIGHT_HEADERS : {});
  response.end();
}

/**
 * A page of any site can make a browser send a POST without asking first; only its own origin's and listed
 * ones may change anything. Programs that are no browser send no Origin and pass.
 * @throws HubError `foreign-origin`.
 */
export function refuseForeignOrigin(request: IncomingMessage, origins: readonly string[]): void {
  const { origin } = request.headers;
  if (origin === undefined || origins.includes(origin) || origins.includes('*')) return;
  // HTTP/2 says it in a header of its own.
  const host = request.headers[':authority'] ?? request.headers.host;
  const own = hostOf(origin);
  if (own !== '' && own === host) return;
  throw new HubError(
    'foreign-origin',
    `Cannot do this for a page of ${quote(origin)}: the origin is not listed in cors.origins`,
  );
}

/** Empty where it has none, like the origin `null` of a sandboxed page. */
function hostOf(origin: string): string {
  return URL.canParse(origin) ? new URL(origin).host : '';
}
