/**
 * What a status says of a request.
 * - `taken`: it is done.
 * - `content`: this body will never be taken.
 * - `settings`: somebody must mend the URL, the credentials or the receiver; no event is to blame for it.
 * - `later`: it heals by itself.
 */
export type HttpVerdict = 'taken' | 'content' | 'settings' | 'later';

/** 4xx that are about who asks, or for what, and not about the body (RFC 9110, 15.5; RFC 6585, 3 to 6). */
const SETTINGS: ReadonlySet<number> = new Set([401, 402, 403, 404, 405, 407, 410, 421, 426, 451]);
/** 4xx that pass (RFC 9110, 15.5.9; RFC 8470, 5.2; RFC 6585, 4; RFC 4918, 11.3 and 11.4). */
const LATER: ReadonlySet<number> = new Set([408, 423, 424, 425, 429]);

/** What `status` means for who posts a batch. */
export function judgeStatus(status: number): HttpVerdict {
  if (status >= 200 && status < 300) return 'taken';
  if (SETTINGS.has(status) || (status >= 300 && status < 400)) return 'settings';
  return status >= 400 && status < 500 && !LATER.has(status) ? 'content' : 'later';
}
