import { systemClock } from '../../base/index.js';
import type { Clock } from '../../base/index.js';
import type { Logger } from '../../runtime/index.js';
import { quote } from '../../protocol/index.js';
import { HubError } from '../errors.js';
import { meantBy } from '../query-names.js';
import { ANONYMOUS } from './access.js';
import type { Access } from './access.js';
import { ApiKeys } from './api-keys.js';
import type { ApiKey } from './api-keys.js';
import { requireUnexpired } from './claims.js';
import { findCredential } from './credential.js';
import type { AuthRequest, Credential, CredentialRules } from './credential.js';
import { NO_GRANTS } from './grants.js';
import type { Grants } from './grants.js';
import type { TokenAlgorithm } from './jose.js';
import { readKeyFile, singleKey } from './key-set.js';
import type { KeySet, KeySource } from './key-set.js';
import { RemoteKeys } from './remote-keys.js';
import { secretFault } from './secret-fault.js';
import type { RemoteKeyTimes } from './remote-keys.js';
import { Revocations } from './revocations.js';
import { staticKeys } from './static-keys.js';
import { TokenVerifier } from './token-verifier.js';

/** What tokens are checked with: the secret of HS256, or public keys behind a URL or in a text (PEM or a JWK set). */
export type TokenKeys =
  | { readonly algorithm: 'HS256'; readonly secret: string }
  | { readonly algorithm: Exclude<TokenAlgorithm, 'HS256'>; readonly jwksUrl: string }
  | { readonly algorithm: Exclude<TokenAlgorithm, 'HS256'>; readonly publicKeys: string };

export interface TokenOptions {
  readonly keys: TokenKeys;
  /** One of the token's `aud` must be this (default: any, or none). */
  readonly audience?: string | undefined;
  /** Applications (`iss`) that are served (default: any). */
  readonly issuers?: readonly string[];
  /** How far clocks may be apart (default 5,000 ms). */
  readonly toleranceMs?: number;
  /** The grants of a token without the claim `tidegate` (default: its own stream only). */
  readonly withoutClaim?: Grants;
  /** Warns of a secret under 32 bytes in place of refusing it, for systems whose tokens exist already (default false). */
  readonly allowsShortSecret?: boolean;
  /** The cookie that may hold a token (default: none). */
  readonly cookie?: string | undefined;
  /** How the server behind `jwksUrl` is asked. */
  readonly keyTimes?: Partial<RemoteKeyTimes>;
}

/** How callers prove who they are. With tokens, API keys serve beside them. */
export type AuthOptions =
  | { readonly mode: 'none' }
  | { readonly mode: 'jwt'; readonly token: TokenOptions; readonly apiKeys?: readonly ApiKey[] }
  | { readonly mode: 'apiKey'; readonly apiKeys: readonly ApiKey[] };

export interface AuthenticatorOptions {
  readonly auth: AuthOptions;
  /** Origins whose pages may act by cookie. */
  readonly origins: readonly string[];
  readonly clock?: Clock;
  readonly logger?: Logger | undefined;
}

const TOLERANCE_MS = 5000;

/** Says who sent a request. */
export class Authenticator {
  readonly revocations: Revocations;
  readonly #rules: CredentialRules;
  readonly #mode: AuthOptions['mode'];
  readonly #tokens: TokenVerifier | undefined;
  readonly #keys: KeySource | undefined;
  readonly #apiKeys: ApiKeys;
  readonly #clock: Clock;

  constructor(options: AuthenticatorOptions, keys: KeySource | undefined) {
    const { auth, origins, clock = systemClock } = options;
    const token = auth.mode === 'jwt' ? auth.token : undefined;
    this.revocations = new Revocations({ clock });
    this.#mode = auth.mode;
    this.#clock = clock;
    this.#rules = { cookie: token?.cookie, origins };
    this.#apiKeys = new ApiKeys(auth.mode === 'none' ? [] : (auth.apiKeys ?? []));
    this.#keys = keys;
    if (token === undefined || keys === undefined) return;
    const { audience, issuers = [], toleranceMs = TOLERANCE_MS, withoutClaim = NO_GRANTS } = token;
    const rules = { audience, issuers, toleranceMs, withoutClaim };
    this.#tokens = new TokenVerifier({ algorithm: token.keys.algorithm, keys, rules, clock });
  }

  /**
   * Who sent `request`; never anonymous where authentication is on.
   * @throws HubError `token-…`, `unknown-api-key`, `keys-unavailable` or `foreign-origin`; no message quotes a secret.
   */
  async authenticate(request: AuthRequest): Promise<Access> {
    if (this.#mode === 'none') return ANONYMOUS;
    const credential = findCredential(request, this.#rules);
    if (credential === undefined) {
      const what = this.#mode === 'jwt' ? 'a token' : 'an API key';
      const cookie = this.#rules.cookie === undefined ? '' : ', or the cookie that auth.cookie names';
      const hint = this.#mode === 'jwt' ? misnamedToken(request.query) : '';
      throw new HubError('token-missing', `Cannot do this without ${what}: send Authorization: Bearer${cookie}${hint}`);
    }
    const access = await this.#verify(credential);
    this.requireStillValid(access);
    return access;
  }

  /** @throws HubError `token-revoked`, `token-expired` if `access` was good once and is not any more. */
  requireStillValid(access: Access): void {
    if (this.revocations.isRevoked(access)) throw new HubError('token-revoked', 'Cannot use the token: it was revoked');
    requireUnexpired(access, this.#clock.now());
  }

  /** Gives up what is under way. */
  close(): void {
    this.#keys?.close();
  }

  async #verify({ text, from }: Credential): Promise<Access> {
    if (this.#tokens === undefined && from === 'query') {
      throw new HubError('token-missing', 'Cannot take an API key from a URL: send X-API-Key or Authorization: Bearer');
    }
    if (this.#tokens === undefined || from === 'api-key') return this.#apiKeys.verify(text);
    // A token has three parts; a key that has them too must come as X-API-Key.
    const mayBeKey = from === 'bearer' && this.#apiKeys.size > 0 && text.split('.', 4).length !== 3;
    return mayBeKey ? this.#apiKeys.verify(text) : this.#tokens.verify(text);
  }
}

/** What to call a parameter of the query that was probably meant to hold the token. */
function misnamedToken(query: URLSearchParams): string {
  for (const name of query.keys()) {
    const meant = meantBy(name, 'subscribe');
    if (meant === 'token' || meant === 'Authorization') return `, or ${meant} and not ${quote(name)} in the query`;
  }
  return '';
}

/** @throws TypeError where the keys cannot be used: one sentence, without anything of them. */
export async function createAuthenticator(options: AuthenticatorOptions): Promise<Authenticator> {
  const { auth } = options;
  return new Authenticator(options, auth.mode === 'jwt' ? await openKeys(auth.token, options) : undefined);
}

async function openKeys(
  { keys, keyTimes = {}, ...token }: TokenOptions,
  options: AuthenticatorOptions,
): Promise<KeySource> {
  const { clock = systemClock, logger } = options;
  const { algorithm } = keys;
  if ('jwksUrl' in keys) {
    const remote = new RemoteKeys({ url: keys.jwksUrl, algorithm, clock, logger, times: keyTimes });
    // So that the first caller need not wait, and a wrong URL is told of at the start.
    remote.touch();
    return remote;
  }
  if ('publicKeys' in keys) return staticKeys(await readPublicKeys(keys.publicKeys, algorithm));
  const fault = secretFault(keys.secret);
  if (fault !== undefined && (keys.secret === '' || token.allowsShortSecret !== true))
    throw new TypeError(`Cannot check tokens with the secret: ${fault}`);
  if (fault !== undefined) logger?.warn({}, `The secret of tokens can be guessed from one token: ${fault}`);
  return staticKeys(singleKey(new TextEncoder().encode(keys.secret)));
}

async function readPublicKeys(text: string, algorithm: TokenAlgorithm): Promise<KeySet> {
  try {
    return await readKeyFile(text, algorithm);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new TypeError(`Cannot use the public keys of tokens: ${reason}`, { cause: error });
  }
}
