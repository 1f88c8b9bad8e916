import type { IncomingMessage, ServerResponse } from 'node:http';

import { quote } from '../../protocol/index.js';
import { HubError } from '../errors.js';

/** What the hub itself reads. */
const REQUEST_HEADERS = [
  'Authorization',
  'X-API-Key',
  'Content-Type',
  'Last-Event-ID',
  'Idempotency-Key',
  'Cache-Control',
] as const;
const EXPOSED = 'X-Connection-Id, Retry-After';

/** Sent with every answer: a page of another site can load a stream as a script, and `id: a` is valid JavaScript. */
export const NO_SNIFFING = ['X-Content-Type-Options', 'nosniff'] as const;

/** The headers that say whether a page of another origin may read the answer. */
export function originHeaders(
  origin: string | undefined,
  origins: readonly string[],
): Readonly<Record<string, string>> {
  if (origins.length === 0) return {};
  const vary = { Vary: 'Origin' };
  if (origin === undefined) return vary;
  const allowed = { ...vary, 'Access-Control-Expose-Headers': EXPOSED };
  if (origins.includes(origin)) {
    return { ...allowed, 'Access-Control-Allow-Origin': origin, 'Access-Control-Allow-Credentials': 'true' };
  }
  return origins.includes('*') ? { ...allowed, 'Access-Control-Allow-Origin': '*' } : vary;
}

interface Preflight {
  /** Request headers that pages may send beside those that the hub reads. */
  readonly moreHeaders: readonly string[];
  /** What the path allows. */
  readonly methods: string;
}

/** Answers a preflight, and any other OPTIONS; what the origin is allowed stands in the headers already. */
export function answerPreflight(response: ServerResponse, { moreHeaders, methods }: Preflight): void {
  response.setHeader('Allow', methods);
  if (response.hasHeader('Access-Control-Allow-Origin')) {
    response.setHeader('Access-Control-Allow-Methods', methods);
    response.setHeader('Access-Control-Allow-Headers', [...REQUEST_HEADERS, ...moreHeaders].join(', '));
    response.setHeader('Access-Control-Max-Age', '7200');
  }
  response.writeHead(204).end();
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
    `Cannot do this for a page of ${quote(origin)}: the request's Host is ${quote(String(host ?? ''))}, and the origin is not ` +
      'in http.cors.origins (cors.origins of createHub). List it, or let your proxy pass on the Host header',
  );
}

/** Empty where it has none, like the origin `null` of a sandboxed page. */
function hostOf(origin: string): string {
  return URL.canParse(origin) ? new URL(origin).host : '';
}
