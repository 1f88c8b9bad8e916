import { createHash, timingSafeEqual } from 'node:crypto';

import { quote } from '../../protocol/index.js';
import { HubError } from '../errors.js';
import type { Access } from './access.js';
import { ALL_GRANTS, isChannelPattern, isConnectionGrant, isOperateGrant, NO_GRANTS } from './grants.js';
import type { Grants } from './grants.js';

/** A server's key as it is kept: its hash, and what it may do. */
export interface ApiKey {
  /** Stands for the key in logs and limits. */
  readonly name: string;
  /** SHA-256 of the key, as 64 hexadecimal digits. */
  readonly sha256: string;
  /** The one application that it may act for; undefined: any. */
  readonly application: string | undefined;
  readonly grants: Grants;
}

/** Bytes of a key; a longer one is refused before it is hashed. */
const KEY_BYTES_MAX = 512;

/** Keys of one hub: each request with a key is compared with all of them. */
export const API_KEYS_MAX = 100;

/**
 * Reads `name:sha256` or `name:sha256:grants`, the grants as words like `publish=orders.* subscribe=* connections=read
 * users=true operate=read application=shop`. Without the third part the key may do everything.
 * @throws TypeError that says what is wrong, without the hash.
 */
export function parseApiKey(text: string): ApiKey {
  const [, name, sha256, words] = /^([A-Za-z0-9._-]{1,100}):([0-9A-Fa-f]{64})(?::(.*))?$/s.exec(text.trim()) ?? [];
  if (name === undefined || sha256 === undefined) {
    throw new TypeError('it must be name:sha256 or name:sha256:grants, the hash as 64 hexadecimal digits');
  }
  const hash = sha256.toLowerCase();
  if (words === undefined) return { name, sha256: hash, application: undefined, grants: ALL_GRANTS };
  const { application, ...grants } = readWords(words);
  return { name, sha256: hash, application, grants };
}

/** The hash under which `key` is kept. */
export function hashApiKey(key: string): string {
  return createHash('sha256').update(key).digest('hex');
}

/** Finds whose key a request carries, in a time that does not depend on which one is near. */
export class ApiKeys {
  readonly #keys: readonly { readonly hash: Buffer; readonly access: Access }[];

  /** @throws TypeError for more than {@link API_KEYS_MAX} keys, or two of one name. */
  constructor(keys: readonly ApiKey[]) {
    if (keys.length > API_KEYS_MAX)
      throw new TypeError(`Cannot use ${keys.length} API keys: ${API_KEYS_MAX} are allowed`);
    const twice = keys.find(({ name }, at) => keys.findIndex((other) => other.name === name) !== at);
    if (twice !== undefined) throw new TypeError(`Cannot use two API keys of the name ${quote(twice.name)}`);
    this.#keys = keys.map((key) => ({ hash: Buffer.from(key.sha256, 'hex'), access: accessOf(key) }));
  }

  get size(): number {
    return this.#keys.length;
  }

  /** @throws HubError `unknown-api-key`, `token-too-large`. */
  verify(key: string): Access {
    if (key.length > KEY_BYTES_MAX) {
      throw new HubError('token-too-large', `Cannot use the API key: it takes over ${KEY_BYTES_MAX} bytes`);
    }
    const hash = createHash('sha256').update(key).digest();
    let found: Access | undefined;
    for (const known of this.#keys) if (timingSafeEqual(known.hash, hash)) found = known.access;
    if (found === undefined) throw new HubError('unknown-api-key', 'Cannot use the API key: it is not known here');
    return found;
  }
}

function accessOf({ name, application, grants }: ApiKey): Access {
  return {
    kind: 'server',
    application,
    user: undefined,
    grants,
    expiresAtMs: undefined,
    issuedAtMs: undefined,
    tokenId: undefined,
    credentialKey: `key:${name}`,
    rateKey: `key:${name}`,
  };
}

function readWords(words: string): Grants & { readonly application: string | undefined } {
  const granted = { ...NO_GRANTS, subscribe: [] as string[], publish: [] as string[], application: undefined };
  return words
    .split(/\s+/)
    .filter((word) => word !== '')
    .reduce<Grants & { readonly application: string | undefined }>(addWord, granted);
}

function addWord<T extends Grants & { readonly application: string | undefined }>(granted: T, word: string): T {
  const mark = word.indexOf('=');
  const what = word.slice(0, mark);
  const value = word.slice(mark + 1);
  if ((what === 'publish' || what === 'subscribe') && isChannelPattern(value)) {
    return { ...granted, [what]: [...granted[what], value] };
  }
  if (what === 'connections' && isConnectionGrant(value)) return { ...granted, connections: value };
  if (what === 'users' && (value === 'true' || value === 'false')) return { ...granted, users: value === 'true' };
  if (what === 'operate' && isOperateGrant(value)) return { ...granted, operate: value };
  if (what === 'application' && value !== '') return { ...granted, application: value };
  throw new TypeError(
    `${quote(word)} is no grant; write publish=…, subscribe=…, connections=…, users=true, operate=read or application=…`,
  );
}
