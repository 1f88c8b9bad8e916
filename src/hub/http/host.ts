import type { IncomingHttpHeaders } from 'node:http';
import { isIP } from 'node:net';

import { quote } from '../../protocol/index.js';
import { HubError } from '../errors.js';

/**
 * Whether a request names a host that the hub answers for: an IP address, `localhost`, a name without a dot, or one of
 * `hosts`; `*` is any.
 * A page whose own name was pointed at this machine (DNS rebinding) is of one origin with the hub to its browser, and
 * only the name gives it away. Programs that name none (HTTP/1.0) are no browser.
 */
export function isHostAllowed(headers: IncomingHttpHeaders, hosts: readonly string[]): boolean {
  if (hosts.includes('*')) return true;
  const host = hostOf(headers);
  if (host === undefined) return true;
  const name = host
    .toLowerCase()
    .replace(/:[0-9]*$/, '')
    .replace(/\.$/, '');
  // To browsers and resolvers whatever ends in it is this machine (RFC 6761, 6.3).
  if (name.endsWith('.localhost')) return true;
  // Nobody can have such a name in the public DNS (RFC 7085); services of a compose stack do, and `/etc/hosts`.
  if (/^[\w-]+$/.test(name)) return true;
  if (isIP(name) === 4 || (/^\[.*\]$/.test(name) && isIP(name.slice(1, -1)) === 6)) return true;
  return hosts.some((allowed) => allowed.toLowerCase() === name);
}

/** @throws HubError `host-not-allowed`. */
export function refuseForeignHost(headers: IncomingHttpHeaders, hosts: readonly string[]): void {
  if (isHostAllowed(headers, hosts)) return;
  const host = quote(hostOf(headers) ?? '');
  throw new HubError('host-not-allowed', `Cannot answer for host ${host}: it is not listed in http.hosts`);
}

/** HTTP/2 says it in a header of its own, beside which a `Host` counts for nothing (RFC 9113, 8.3.1). */
function hostOf(headers: IncomingHttpHeaders): string | undefined {
  return headers[':authority']?.toString() ?? headers.host;
}
