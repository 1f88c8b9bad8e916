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
  const lines = hostLines(request);
  if (lines.length > 1) throw invalid('it has more than one Host');
  if (authority !== undefined && lines.some((host) => host !== authority)) throw invalid('Host is not :authority');
  const host = authority ?? headers.host;
  // HTTP/1.0 clients may name none, and an empty one stands for a target without a host (RFC 9110, 7.2).
  if (host !== undefined && host !== '' && !isAuthority(host)) throw invalid(`${quote(host)} cannot be read`);
  if (ofTarget === undefined) return;
  if (authority !== undefined) throw invalid('a path of HTTP/2 holds no host');
  headers.host = ofTarget;
}

/** Node keeps the first of several lines, and says nothing. */
function hostLines({ rawHeaders }: IncomingMessage): readonly string[] {
  const lines: string[] = [];
  for (let at = 0; at < rawHeaders.length; at += 2) {
    if (rawHeaders[at]?.toLowerCase() === 'host') lines.push(rawHeaders[at + 1] ?? '');
  }
  return lines;
}

function invalid(reason: string): HubError {
  return new HubError('invalid-host', `Cannot tell which host the request is for: ${reason}`);
}
