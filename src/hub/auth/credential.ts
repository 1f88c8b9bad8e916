import { quote } from '../../protocol/index.js';
import { HubError } from '../errors.js';

/** What is read of a request to find out who sent it; `IncomingMessage` gives all of it. */
export interface AuthRequest {
  readonly method: string;
  /** Names in small letters. */
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>;
  readonly query: URLSearchParams;
}

/** Something secret that a request carries, and whether the browser added it by itself. */
export interface Credential {
  readonly text: string;
  readonly from: 'bearer' | 'api-key' | 'query' | 'cookie';
}

export interface CredentialRules {
  /** The cookie that may hold a token; undefined: none. */
  readonly cookie: string | undefined;
  /** Origins whose pages may act by cookie; `*` names none. */
  readonly origins: readonly string[];
}

/**
 * What the request proves its sender with: `Authorization: Bearer`, `X-API-Key` or the query; the cookie only where none
 * of them is there, as a browser sends it unasked (PROTOCOL.md, 11.2). Undefined where there is nothing.
 * @throws HubError `token-ambiguous` where two differ, `foreign-origin` for a cookie from a page that may not use it.
 */
export function findCredential(request: AuthRequest, rules: CredentialRules): Credential | undefined {
  const explicit = onlyOne(explicitCredentials(request));
  if (explicit !== undefined || rules.cookie === undefined) return explicit;
  const cookie = onlyOne(cookieCredentials(request, rules.cookie));
  if (cookie !== undefined) refuseForeignCookie(request, rules.origins);
  return cookie;
}

function explicitCredentials({ headers, query }: AuthRequest): readonly Credential[] {
  const bearer = bearerOf(textOf(headers['authorization']));
  const key = textOf(headers['x-api-key'])?.trim();
  const inQuery = [...query.getAll('Authorization').map((text) => bearerOf(text) ?? text), ...query.getAll('token')];
  const found: readonly Credential[] = [
    ...(bearer === undefined ? [] : [{ text: bearer, from: 'bearer' as const }]),
    ...(key === undefined ? [] : [{ text: key, from: 'api-key' as const }]),
    ...inQuery.map((text) => ({ text: text.trim(), from: 'query' as const })),
  ];
  return found.filter(({ text }) => text !== '');
}

/** Another scheme, such as Basic for a proxy in front, is no token of ours. */
function bearerOf(header: string | undefined): string | undefined {
  return header === undefined ? undefined : /^\s*Bearer\s+(.*)$/is.exec(header)?.[1]?.trim();
}

function cookieCredentials({ headers }: AuthRequest, name: string): readonly Credential[] {
  const pairs = (textOf(headers['cookie'], '; ') ?? '').split(';').map((pair) => pair.trim());
  return pairs
    .filter((pair) => pair.startsWith(`${name}=`))
    .map((pair) => ({ text: pair.slice(name.length + 1).replace(/^"(.*)"$/, '$1'), from: 'cookie' as const }))
    .filter(({ text }) => text !== '');
}

/** To choose one of two different ones would be to guess who is asking. */
function onlyOne([first, ...more]: readonly Credential[]): Credential | undefined {
  if (more.every(({ text }) => text === first?.text)) return first;
  throw new HubError('token-ambiguous', 'Cannot tell who is asking: the request carries two different tokens');
}

/**
 * A browser sends cookies for whichever page asks. So one counts for reading only, and for changes only where the
 * page's origin is listed; a page of another site may not even read.
 */
function refuseForeignCookie({ method, headers }: AuthRequest, origins: readonly string[]): void {
  const origin = textOf(headers['origin']);
  if (origin !== undefined && origins.includes(origin)) return;
  if (method !== 'GET' && method !== 'HEAD') {
    const page = origin === undefined ? 'a request without an Origin' : `a page of ${quote(origin)}`;
    throw foreign(`Cannot change anything by cookie for ${page}: send Authorization: Bearer, or ${LIST}`);
  }
  if (origin === undefined) {
    if (textOf(headers['sec-fetch-site']) !== 'cross-site') return;
    throw foreign('Cannot use the cookie for a page of another site');
  }
  const host = textOf(headers[':authority']) ?? textOf(headers['host']);
  if (URL.canParse(origin) && new URL(origin).host !== '' && new URL(origin).host === host) return;
  throw foreign(
    `Cannot use the cookie for a page of ${quote(origin)}: its host is not the request's Host. To allow it, ${LIST}`,
  );
}

const LIST = 'list the origin in http.cors.origins (cors.origins of createHub)';

function foreign(message: string): HubError {
  return new HubError('foreign-origin', message);
}

function textOf(value: string | readonly string[] | undefined, separator = ', '): string | undefined {
  return value === undefined || typeof value === 'string' ? value : value.join(separator);
}
