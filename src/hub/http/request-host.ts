import type { IncomingMessage } from 'node:http';

import { quote } from '../../protocol/index.js';
import { HubError } from '../errors.js';
import { isAuthority } from './target.js';
import type { Target } from './target.js';

/**
 * Makes a request name one host only: an absolute-form target counts in place of `Host` (RFC 9112, 3.2.2).
 * @throws HubError `invalid-host` for two hosts, or one that cannot be read (RFC 9112, 3.2; RFC 9113, 8.3.1).
 */
export function settleHost(request: IncomingMessage, { authority: ofTarget }: Pick<Target, 'authority'>): void {
  const { headers } = request;
  const authority = headers[':authority']?.toString();
  const lines = linesOf(request, 'host');
  if (lines.length > 1) throw invalid('it has more than one Host');
  if (authority !== undefined && lines.some((host) => host !== authority)) throw invalid('Host is not :authority');
  const host = authority ?? headers.host;
  // HTTP/1.0 clients may name none, and an empty one stands for a target without a host (RFC 9110, 7.2).
  if (host !== undefined && host !== '' && !isAuthority(host)) throw invalid(`${quote(host)} cannot be read`);
  if (ofTarget === undefined) return;
  if (authority !== undefined) throw invalid('a path of HTTP/2 holds no host');
  headers.host = ofTarget;
}

/**
 * Refuses a request with two `Authorization` lines: a proxy before the hub may have judged the other one.
 * @throws HubError `token-ambiguous`.
 */
export function refuseTwoAuthorizations(request: IncomingMessage): void {
  if (linesOf(request, 'authorization').length < 2) return;
  throw new HubError('token-ambiguous', 'Cannot tell who is asking: the request has more than one Authorization');
}

/** Node keeps the first of several lines, and says nothing. */
function linesOf({ rawHeaders }: IncomingMessage, name: string): readonly string[] {
  const lines: string[] = [];
  for (let at = 0; at < rawHeaders.length; at += 2) {
    if (rawHeaders[at]?.toLowerCase() === name) lines.push(rawHeaders[at + 1] ?? '');
  }
  return lines;
}

function invalid(reason: string): HubError {
  return new HubError('invalid-host', `Cannot tell which host the request is for: ${reason}`);
}
