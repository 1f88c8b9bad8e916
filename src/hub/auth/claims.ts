import { quote } from '../../protocol/index.js';
import { HubError } from '../errors.js';
import type { Access } from './access.js';
import { readGrants } from './grants.js';
import type { Grants } from './grants.js';
import { parseUntrustedJson } from '../json-depth.js';

/** What a token must claim, beside its signature. */
export interface ClaimRules {
  /** One of the token's `aud` must be this; undefined: any, or none. */
  readonly audience: string | undefined;
  /** Applications (`iss`) that are served; empty: any. */
  readonly issuers: readonly string[];
  /** How far clocks may be apart, in ms. */
  readonly toleranceMs: number;
  /** The grants of a token without the claim `tidegate`. */
  readonly withoutClaim: Grants;
}

/** Bytes of `iss`, `sub` and `jti` each: they are kept for every connection. */
const NAME_BYTES_MAX = 256;

/** The last second that a date can have. */
const SECONDS_MAX = 8_640_000_000_000;

type Claims = Readonly<Record<string, unknown>>;

/**
 * Who a token with a good signature speaks for at `nowMs` (RFC 7519, 4.1).
 * @throws HubError `token-invalid`, `token-expired`, `token-not-yet-valid`, `token-wrong-audience`, `token-wrong-issuer`.
 */
export function readClaims(payload: Uint8Array, rules: ClaimRules, nowMs: number): Omit<Access, 'credentialKey'> {
  const claims = parse(payload);
  const application = nameOf(claims, 'iss');
  const user = nameOf(claims, 'sub');
  const expMs = timeOf(claims, 'exp');
  if (application === undefined || user === undefined || expMs === undefined) {
    const missing = application === undefined ? 'iss' : user === undefined ? 'sub' : 'exp';
    throw invalid(`it has no ${missing}`);
  }
  const issuedAtMs = timeOf(claims, 'iat');
  const expiresAtMs = expMs + rules.toleranceMs;
  checkTimes({ expiresAtMs, issuedAtMs, notBeforeMs: timeOf(claims, 'nbf') }, rules.toleranceMs, nowMs);
  checkAudience(claims['aud'], rules.audience);
  if (rules.issuers.length > 0 && !rules.issuers.includes(application)) {
    throw new HubError('token-wrong-issuer', `Cannot use a token of application ${quote(application)} here`);
  }
  return {
    kind: 'user',
    application,
    user,
    grants: readGrants(claims['tidegate'], rules.withoutClaim),
    expiresAtMs,
    issuedAtMs,
    tokenId: nameOf(claims, 'jti'),
    rateKey: JSON.stringify([application, user]),
  };
}

/** @throws HubError `token-expired`. */
export function requireUnexpired({ expiresAtMs }: Pick<Access, 'expiresAtMs'>, nowMs: number): void {
  if (expiresAtMs !== undefined && nowMs >= expiresAtMs) {
    throw new HubError('token-expired', 'Cannot use the token: it has expired');
  }
}

interface Times {
  readonly expiresAtMs: number;
  readonly issuedAtMs: number | undefined;
  readonly notBeforeMs: number | undefined;
}

function checkTimes({ expiresAtMs, issuedAtMs, notBeforeMs }: Times, toleranceMs: number, nowMs: number): void {
  requireUnexpired({ expiresAtMs }, nowMs);
  const latestMs = nowMs + toleranceMs;
  if ((notBeforeMs ?? 0) > latestMs || (issuedAtMs ?? 0) > latestMs) {
    throw new HubError('token-not-yet-valid', 'Cannot use the token: its time has not come');
  }
}

/** A token for somebody else is refused; so is one for nobody, where somebody is expected (RFC 7519, 4.1.3). */
function checkAudience(claim: unknown, audience: string | undefined): void {
  const named: readonly unknown[] = Array.isArray(claim) ? claim : [claim];
  if (audience === undefined || named.includes(audience)) return;
  throw new HubError('token-wrong-audience', `Cannot use the token: it is not for ${quote(audience)}`);
}

function parse(payload: Uint8Array): Claims {
  try {
    const text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(payload);
    const claims = parseUntrustedJson(text);
    if (typeof claims === 'object' && claims !== null && !Array.isArray(claims)) return claims as Claims;
  } catch {
    // Said below, without what the parser says: it quotes.
  }
  throw invalid('its payload is no JSON object');
}

/** Lone surrogates are refused: written as UTF-8, two different ones would be the same name. */
function nameOf(claims: Claims, claim: 'iss' | 'sub' | 'jti'): string | undefined {
  const value = claims[claim];
  if (value === undefined) return undefined;
  if (typeof value !== 'string' || value === '' || !value.isWellFormed()) throw invalid(`its ${claim} is no name`);
  if (Buffer.byteLength(value) > NAME_BYTES_MAX) throw invalid(`its ${claim} takes over ${NAME_BYTES_MAX} bytes`);
  return value;
}

/** A NumericDate is in seconds, fractions allowed (RFC 7519, 2). */
function timeOf(claims: Claims, claim: 'exp' | 'nbf' | 'iat'): number | undefined {
  const value = claims[claim];
  if (value === undefined) return undefined;
  if (typeof value !== 'number' || !(Math.abs(value) <= SECONDS_MAX)) throw invalid(`its ${claim} is no time`);
  return value * 1000;
}

function invalid(reason: string): HubError {
  return new HubError('token-invalid', `Cannot use the token: ${reason}`);
}
