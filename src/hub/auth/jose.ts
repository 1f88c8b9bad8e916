import { CompactSign, compactVerify, decodeProtectedHeader, importJWK, importSPKI } from 'jose';
import type { CryptoKey, JWK } from 'jose';

export type { JWK };

/** The ways a token may be signed; one of them is configured, and no token can choose another. */
export const TOKEN_ALGORITHMS = ['HS256', 'RS256', 'ES256', 'EdDSA'] as const;
export type TokenAlgorithm = (typeof TOKEN_ALGORITHMS)[number];

/** A key as it is used, never shown: a secret's bytes, or a public key. */
export type VerifyKey = CryptoKey | Uint8Array;

/** Bits below which RS256 keys are refused (RFC 7518, 3.3). */
const RSA_BITS_MIN = 2048;

const KEY_TYPES: Readonly<Record<TokenAlgorithm, string>> = { HS256: 'oct', RS256: 'RSA', ES256: 'EC', EdDSA: 'OKP' };

/** The `kid` of a token's header, before anything is verified; undefined where it has none. @throws where the header is none. */
export function keyIdOf(token: string): string | undefined {
  const { kid } = decodeProtectedHeader(token);
  return typeof kid === 'string' ? kid : undefined;
}

/** The payload of a token that `key` signed by `algorithm`. @throws where it did not, or the header names another algorithm. */
export async function verifySignature(token: string, key: VerifyKey, algorithm: TokenAlgorithm): Promise<Uint8Array> {
  const { payload } = await compactVerify(token, key, { algorithms: [algorithm] });
  return payload;
}

/** A token signed with a shared secret (HS256). */
export async function signWithSecret(payload: object, secret: string): Promise<string> {
  const encoder = new TextEncoder();
  return new CompactSign(encoder.encode(JSON.stringify(payload)))
    .setProtectedHeader({ alg: 'HS256', typ: 'JWT' })
    .sign(encoder.encode(secret));
}

/** A public key in PEM. @throws TypeError where it is none, or not one of `algorithm`. */
export async function importPem(pem: string, algorithm: TokenAlgorithm): Promise<VerifyKey> {
  return strong(await importSPKI(pem, algorithm));
}

/**
 * A public key of a JWK set (RFC 7517); undefined where it is for another algorithm or use. Only its public members are
 * read, so that a set with private keys verifies all the same.
 * @throws where it is malformed or too weak.
 */
export async function importPublicJwk(jwk: JWK, algorithm: TokenAlgorithm): Promise<VerifyKey | undefined> {
  const { kty, n, e, crv, x, y, alg = algorithm, use = 'sig' } = jwk;
  if (algorithm === 'HS256' || kty !== KEY_TYPES[algorithm] || alg !== algorithm || use !== 'sig') return undefined;
  const members = Object.entries({ n, e, crv, x, y }).filter(([, value]) => value !== undefined);
  return strong(await importJWK({ kty, ...Object.fromEntries(members) }, algorithm));
}

function strong(key: VerifyKey): VerifyKey {
  const bits = 'algorithm' in key ? (key.algorithm as { readonly modulusLength?: number }).modulusLength : undefined;
  if (bits !== undefined && bits < RSA_BITS_MIN) throw new TypeError(`the key has ${bits} bits, not ${RSA_BITS_MIN}`);
  return key;
}
