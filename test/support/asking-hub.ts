import { mintToken } from '../../src/hub/index.js';
import { HubServer } from './hub-server.js';

/** What `tokenFor()` signs with. */
export const TOKEN_SECRET = 'a secret of more than thirty-two bytes, for tests alone';

/** What a token of the application `shop` says. */
interface TokenFor {
  readonly user?: string;
  /** Default 60,000. */
  readonly lifetimeMs?: number;
  readonly grants?: Readonly<Record<string, unknown>>;
}

export function tokenFor({ user = 'ann', lifetimeMs = 60_000, grants }: TokenFor = {}): Promise<string> {
  return mintToken({ secret: TOKEN_SECRET, application: 'shop', user, lifetimeMs, grants, nowMs: Date.now() });
}

/** A hub that asks for tokens, by header, query or the cookie `session`; pages of `origins` may act by that cookie. */
export function startAskingHub(retryMs: number, origins: readonly string[] = ['*']): Promise<HubServer> {
  const token = { keys: { algorithm: 'HS256', secret: TOKEN_SECRET }, toleranceMs: 0, cookie: 'session' } as const;
  return HubServer.start({ auth: { mode: 'jwt', token }, retryMs, cors: { origins } });
}
