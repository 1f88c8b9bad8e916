import { importPem, importPublicJwk } from './jose.js';
import type { JWK, TokenAlgorithm, VerifyKey } from './jose.js';
import { parseUntrustedJson } from '../json-depth.js';

/** Where the key of a token comes from. */
export interface KeySource {
  /**
   * The key that signed a token with this `kid`. Without one there must be only one key to choose.
   * @throws HubError `token-unknown-key`, `keys-unavailable`.
   */
  find(kid: string | undefined): Promise<VerifyKey>;
  /** Rises when keys are replaced: what was verified before may not be valid any more. */
  readonly generation: number;
  /** Looks in the background whether the keys are still the same, where that can change and is due. */
  touch(): void;
  /** Gives up what is under way. */
  close(): void;
}

/** Usable keys of one algorithm. */
export interface KeySet {
  find(kid: string | undefined): VerifyKey | undefined;
  readonly size: number;
}

/** Keys that are read of one set. */
const KEYS_MAX = 100;

/**
 * The keys of a JWK set for `algorithm` (RFC 7517, 5). One that is malformed or too weak is passed over: it must not
 * cost the others.
 * @throws TypeError where the text is no JWK set, or none of its keys is of use.
 */
export async function readJwkSet(text: string, algorithm: TokenAlgorithm): Promise<KeySet> {
  const jwks = parseJwks(text).slice(0, KEYS_MAX);
  const keys: (readonly [kid: string | undefined, key: VerifyKey])[] = [];
  for (const jwk of jwks) {
    const key = await importPublicJwk(jwk, algorithm).catch(() => undefined);
    if (key !== undefined) keys.push([typeof jwk.kid === 'string' ? jwk.kid : undefined, key]);
  }
  if (keys.length === 0) throw new TypeError(`there is no usable key for ${algorithm} in it`);
  return keySetOf(keys);
}

/** The keys in a file: one public key in PEM (SPKI), or a JWK set. @throws TypeError where it is neither. */
export async function readKeyFile(text: string, algorithm: TokenAlgorithm): Promise<KeySet> {
  if (text.trimStart().startsWith('{')) return readJwkSet(text, algorithm);
  try {
    return singleKey(await importPem(text.trim(), algorithm));
  } catch (error) {
    // What the library says may quote the file.
    throw new TypeError(`it is neither a JWK set nor a public key in PEM (SPKI) for ${algorithm}`, { cause: error });
  }
}

/** One key for every token, whatever `kid` they name. */
export function singleKey(key: VerifyKey): KeySet {
  return { size: 1, find: () => key };
}

function keySetOf(keys: readonly (readonly [string | undefined, VerifyKey])[]): KeySet {
  const [only] = keys;
  return {
    size: keys.length,
    find(kid) {
      if (kid === undefined) return keys.length === 1 ? only?.[1] : undefined;
      return keys.find(([id]) => id === kid)?.[1];
    },
  };
}

function parseJwks(text: string): readonly JWK[] {
  const set = parseJson(text);
  const keys: unknown = typeof set === 'object' && set !== null && 'keys' in set ? set.keys : undefined;
  if (!Array.isArray(keys)) throw new TypeError('it is no JWK set');
  return keys.filter((key): key is JWK => typeof key === 'object' && key !== null);
}

/** Without a cause: what the parser says quotes the text, which may hold a private key. */
function parseJson(text: string): unknown {
  try {
    return parseUntrustedJson(text);
  } catch {
    throw new TypeError('it is no JSON');
  }
}
