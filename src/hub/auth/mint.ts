import { signWithSecret } from './jose.js';

/** What a token for development says. */
export interface MintOptions {
  /** The secret that the hub checks tokens with (HS256). */
  readonly secret: string;
  readonly application: string;
  readonly user: string;
  /** How long it is valid, in ms, from now on. */
  readonly lifetimeMs: number;
  readonly audience?: string | undefined;
  readonly tokenId?: string | undefined;
  /** The claim `tidegate`; none: what the hub gives without one. */
  readonly grants?: Readonly<Record<string, unknown>> | undefined;
  /** In ms since 1970. */
  readonly nowMs: number;
}

/** A signed token (RFC 7519) with `iss`, `sub`, `iat`, `exp`, and what else was asked for. */
export async function mintToken(options: MintOptions): Promise<string> {
  const { secret, application, user, lifetimeMs, audience, tokenId, grants, nowMs } = options;
  const payload = {
    iss: application,
    sub: user,
    aud: audience,
    jti: tokenId,
    iat: Math.floor(nowMs / 1000),
    exp: Math.ceil((nowMs + lifetimeMs) / 1000),
    tidegate: grants,
  };
  return signWithSecret(payload, secret);
}
