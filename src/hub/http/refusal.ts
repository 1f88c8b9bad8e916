import type { IncomingHttpHeaders } from 'node:http';

import { quote } from '../../protocol/index.js';
import { HubError } from '../errors.js';
import type { HubErrorCode } from '../errors.js';
import { encodeError } from '../frame.js';
import type { HubCore } from '../hub.js';
import { NEVER_RETRY_MS } from '../limits.js';
import type { HubSettings } from '../settings.js';
import { problemAnswer } from './problem.js';
import type { WholeAnswer } from './reply.js';

/** The parts of a request that say how its client can be refused. */
export interface RefusedRequest {
  readonly headers: IncomingHttpHeaders;
  readonly query: URLSearchParams;
}

/** Refusals that another cookie ends: the browser sends it by itself, once the page has it. */
const ENDED_BY_A_COOKIE: ReadonlySet<HubErrorCode> = new Set(['token-expired', 'token-missing', 'token-revoked']);
/**
 * Waits of `hub.retryMs` for such a cookie: 15 to 45 s by default. A page that renews its session is heard again within
 * a minute, and a thousand tabs of sessions that are over ask 33 times a second, which are refused without a store.
 */
const COOKIE_WAITS = 15;

/** Schemes that a browser answers by itself, for a proxy in front of the hub; `Bearer` is a program's. */
const BROWSER_SCHEME = /^(basic|digest|negotiate|ntlm)\b/i;
/** Headers that a program sends and no EventSource: an API key, and the type of a body that a GET has not. */
const PROGRAM_HEADERS = ['x-api-key', 'content-type'] as const;

/** @throws HubError `invalid-query` for a `refusals` that is not known, or not possible without control events. */
export function checkRefusals(query: URLSearchParams): void {
  const refusals = query.get('refusals');
  if (refusals !== null && refusals !== 'status' && refusals !== 'stream') {
    throw new HubError(
      'invalid-query',
      `Cannot tell refusals as ${quote(refusals)}: only "status" and "stream" are known`,
    );
  }
  if (refusals === 'stream' && query.get('control') === 'none') {
    throw new HubError('invalid-query', 'Cannot tell refusals in the stream: with control=none it has no such event');
  }
}

/** Refuses a request for a stream in the way that its client can hear (PROTOCOL.md, 8.2). */
export function refusalAnswer(refusal: HubError, request: RefusedRequest, hub: HubCore): WholeAnswer {
  if (!isToldInStream(request)) return problemAnswer(refusal);
  if (isEndedByCookie(refusal, request, hub.settings)) {
    return eventSourceAnswer(refusal, { isRetryable: true, retryMs: hub.jitteredRetryMs() * COOKIE_WAITS });
  }
  const { isRetryable } = refusal.traits;
  return eventSourceAnswer(refusal, { isRetryable, retryMs: isRetryable ? hub.jitteredRetryMs() : NEVER_RETRY_MS });
}

/**
 * Whether a refusal goes out as 200 and `tidegate.error`. Any status but 200 ends a native EventSource for ever, with no
 * reason shown.
 */
export function isToldInStream({ headers, query }: RefusedRequest): boolean {
  if (query.get('control') === 'none') return false;
  const refusals = query.get('refusals');
  if (refusals === 'stream' || refusals === 'status') return refusals === 'stream';
  return isNativeEventSource(headers);
}

/**
 * A browser's own EventSource, by the headers that it sends in every case that was measured (docs/adr/0028). A `fetch` with the
 * same `Accept` and `cache: 'no-store'` sends the same ones and is taken for it.
 */
export function isNativeEventSource(headers: IncomingHttpHeaders): boolean {
  const { accept, authorization, 'cache-control': cacheControl } = headers;
  if (accept !== 'text/event-stream' || cacheControl !== 'no-cache') return false;
  if (authorization !== undefined && !BROWSER_SCHEME.test(authorization)) return false;
  return PROGRAM_HEADERS.every((name) => headers[name] === undefined) && isBrowser(headers);
}

/**
 * Browsers send Fetch Metadata to trustworthy origins only: https and this machine. To others, and from browsers before
 * it, there is `Accept-Language`. Node's fetch sends `Sec-Fetch-Mode` alone.
 */
function isBrowser(headers: IncomingHttpHeaders): boolean {
  const mode = headers['sec-fetch-mode'];
  if (mode === undefined) return headers['accept-language'] !== undefined;
  return mode === 'cors' && headers['sec-fetch-dest'] === 'empty';
}

/** A token in the URL stays what it is: then a native EventSource has no other to come back with. */
function isEndedByCookie({ code }: HubError, { query }: RefusedRequest, { auth }: HubSettings): boolean {
  const takesCookies = auth.mode === 'jwt' && auth.token.cookie !== undefined;
  return takesCookies && ENDED_BY_A_COOKIE.has(code) && !query.has('token') && !query.has('Authorization');
}

function eventSourceAnswer(
  { code, message }: HubError,
  { isRetryable, retryMs }: { readonly isRetryable: boolean; readonly retryMs: number },
): WholeAnswer {
  return {
    status: 200,
    headers: { 'Content-Type': 'text/event-stream; charset=utf-8', 'Cache-Control': 'no-store' },
    body: encodeError({ code, message, retryable: isRetryable }, retryMs),
  };
}
