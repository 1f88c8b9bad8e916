import { exportJWK, exportSPKI, generateKeyPair, SignJWT } from 'jose';
import type { CryptoKey, JWK } from 'jose';

export type Claims = Readonly<Record<string, unknown>>;

/** A pair of keys, and what one does with them. */
export interface TestKey {
  readonly publicJwk: JWK;
  readonly publicPem: string;
  sign(claims: Claims, header?: Readonly<Record<string, unknown>>): Promise<string>;
}

export async function createTestKey(alg: string, kid: string): Promise<TestKey> {
  const { publicKey, privateKey } = await generateKeyPair(alg, { extractable: true });
  return {
    publicJwk: { ...(await exportJWK(publicKey)), kid, alg },
    publicPem: await exportSPKI(publicKey),
    sign: (claims, header = {}) => sign(claims, privateKey, { alg, kid, ...header }),
  };
}

export async function signWith(
  secret: string,
  claims: Claims,
  header: Readonly<Record<string, unknown>> = {},
): Promise<string> {
  return sign(claims, new TextEncoder().encode(secret), { alg: 'HS256', ...header });
}

/** A token whose parts say anything, with whatever signature. */
export function forge(header: object, claims: object, signature = ''): string {
  const [head, body] = [header, claims].map((part) => Buffer.from(JSON.stringify(part)).toString('base64url'));
  return `${head}.${body}.${signature}`;
}

async function sign(
  claims: Claims,
  key: CryptoKey | Uint8Array,
  header: Readonly<Record<string, unknown>>,
): Promise<string> {
  return new SignJWT(claims).setProtectedHeader(header as { alg: string }).sign(key);
}
