import { createHash } from 'node:crypto';

import type { Clock } from '../../base/index.js';
import { HubError } from '../errors.js';
import type { Access } from './access.js';
import { readClaims, requireUnexpired } from './claims.js';
import type { ClaimRules } from './claims.js';
import { keyIdOf, verifySignature } from './jose.js';
import type { TokenAlgorithm, VerifyKey } from './jose.js';
import type { KeySource } from './key-set.js';

export interface TokenVerifierOptions {
  readonly algorithm: TokenAlgorithm;
  readonly keys: KeySource;
  readonly rules: ClaimRules;
  readonly clock: Clock;
  /** Verified tokens that are remembered (default 10,000); the one that was used longest ago goes. */
  readonly cacheMax?: number;
}

/** Bytes of a token; a longer one is refused before anything of it is read. */
const TOKEN_BYTES_MAX = 8192;

const TOKENS_CACHED_MAX = 10_000;

interface Verified {
  readonly access: Access;
  readonly generation: number;
}

/** Checks tokens, and remembers those that are good until they expire; by hash, so that memory holds none in clear. */
export class TokenVerifier {
  readonly #options: TokenVerifierOptions;
  readonly #cacheMax: number;
  readonly #verified = new Map<string, Verified>();

  constructor(options: TokenVerifierOptions) {
    this.#options = options;
    this.#cacheMax = options.cacheMax ?? TOKENS_CACHED_MAX;
  }

  /** Tokens that are remembered. */
  get cached(): number {
    return this.#verified.size;
  }

  /** @throws HubError whose code begins with `token-`, or `keys-unavailable`; never with anything of the token. */
  async verify(token: string): Promise<Access> {
    const { keys, algorithm, rules, clock } = this.#options;
    if (token.length > TOKEN_BYTES_MAX) {
      throw new HubError('token-too-large', `Cannot use the token: it takes over ${TOKEN_BYTES_MAX} bytes`);
    }
    const hash = createHash('sha256').update(token).digest('base64url');
    const before = this.#recall(hash);
    if (before !== undefined) return before;
    // Read before the key is: of keys that are replaced meanwhile, nothing must be remembered as checked by the new ones.
    const { generation } = keys;
    const key = await keys.find(readKeyId(token));
    const payload = await checkSignature(token, key, algorithm);
    const claims = readClaims(payload, rules, clock.now());
    const access: Access = { ...claims, credentialKey: credentialKeyOf(token, claims) };
    this.#remember(hash, { access, generation });
    return access;
  }

  #recall(hash: string): Access | undefined {
    const { keys, clock } = this.#options;
    // Without it, a key that was withdrawn would serve on as long as only known tokens come.
    keys.touch();
    const before = this.#verified.get(hash);
    if (before === undefined) return undefined;
    this.#verified.delete(hash);
    if (before.generation !== keys.generation) return undefined;
    requireUnexpired(before.access, clock.now());
    this.#verified.set(hash, before);
    return before.access;
  }

  #remember(hash: string, verified: Verified): void {
    this.#verified.set(hash, verified);
    const [oldest] = this.#verified.keys();
    if (this.#verified.size > this.#cacheMax && oldest !== undefined) this.#verified.delete(oldest);
  }
}

/** A `jti` is unique within its application. Without one, what is signed is the token: a signature can often be written in several ways. */
function credentialKeyOf(token: string, { application, tokenId }: Omit<Access, 'credentialKey'>): string {
  if (tokenId !== undefined) return JSON.stringify([application, tokenId]);
  return createHash('sha256')
    .update(token.slice(0, token.lastIndexOf('.')))
    .digest('base64url');
}

function readKeyId(token: string): string | undefined {
  try {
    return keyIdOf(token);
  } catch {
    throw malformed();
  }
}

async function checkSignature(token: string, key: VerifyKey, algorithm: TokenAlgorithm): Promise<Uint8Array> {
  try {
    return await verifySignature(token, key, algorithm);
  } catch {
    // One answer for every reason: an attacker learns nothing of how far the token came.
    throw malformed();
  }
}

function malformed(): HubError {
  return new HubError(
    'token-invalid',
    'Cannot use the token: it is malformed, or its signature or algorithm is not right',
  );
}
