import type { Clock } from '../../base/index.js';
import { HubError } from '../errors.js';
import type { Access } from './access.js';

/** Whose tokens are not good any more. A `jti` is unique within its application only (RFC 7519, 4.1.7). */
export type RevocationTarget =
  | { readonly application: string; readonly tokenId: string }
  | { readonly application: string; readonly user: string }
  | { readonly application: string };

export interface Revocation {
  readonly target: RevocationTarget;
  /** Tokens issued at this time or before are revoked, in ms since 1970; also those that do not say when. */
  readonly issuedBeforeMs: number;
  /** When it is forgotten, in ms since 1970: later than any token that it is about lives. */
  readonly expiresAtMs: number;
}

/** What is revoked; the times have defaults. */
export interface RevokeOptions {
  /** Default: now. A token by its `jti` is revoked whenever it was issued. */
  readonly issuedBeforeMs?: number;
  /** Default: 30 days from now. */
  readonly expiresAtMs?: number;
}

export interface RevocationsOptions {
  readonly clock: Clock;
  /** Revocations at one time (default 100,000); then `too-many-revocations`: to forget one would let its token in. */
  readonly max?: number;
}

const REVOCATIONS_MAX = 100_000;
/** How long a revocation is kept: longer than tokens should live. */
export const KEEP_MS = 30 * 86_400_000;

/** Which tokens were taken back before they expired, and who wants to know when another is. */
export class Revocations {
  readonly #clock: Clock;
  readonly #max: number;
  readonly #byTarget = new Map<string, Revocation>();
  readonly #listeners = new Set<(revocation: Revocation) => void>();

  constructor({ clock, max = REVOCATIONS_MAX }: RevocationsOptions) {
    this.#clock = clock;
    this.#max = max;
  }

  get size(): number {
    return this.#byTarget.size;
  }

  /** Revokes and tells the listeners; again for the same target, the wider of both holds. @throws HubError `too-many-revocations`. */
  revoke(target: RevocationTarget, options: RevokeOptions = {}): Revocation {
    const nowMs = this.#clock.now();
    const key = keyOf(target);
    const before = this.#byTarget.get(key);
    if (before === undefined && this.#byTarget.size >= this.#max) this.#makeRoom();
    const { issuedBeforeMs = nowMs, expiresAtMs = nowMs + KEEP_MS } = options;
    const revocation: Revocation = {
      target,
      issuedBeforeMs: Math.max(issuedBeforeMs, before?.issuedBeforeMs ?? 0),
      expiresAtMs: Math.max(expiresAtMs, before?.expiresAtMs ?? 0),
    };
    this.#byTarget.set(key, revocation);
    for (const listener of this.#listeners) listener(revocation);
    return revocation;
  }

  /** Everything that is revoked now. */
  all(): readonly Revocation[] {
    return [...this.#byTarget.values()];
  }

  /** Whether the token behind `access` was revoked. */
  isRevoked(access: Access): boolean {
    if (access.kind !== 'user' || this.#byTarget.size === 0) return false;
    const nowMs = this.#clock.now();
    return targetsOf(access).some((target) => {
      const revocation = this.#byTarget.get(keyOf(target));
      return revocation !== undefined && revocation.expiresAtMs > nowMs && covers(revocation, access);
    });
  }

  /** Calls `listener` with each revocation, so that open streams can end; the returned function takes that back. */
  onRevoked(listener: (revocation: Revocation) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Forgets what no token can be about any more. */
  forgetExpired(): void {
    const nowMs = this.#clock.now();
    for (const [key, { expiresAtMs }] of this.#byTarget) if (expiresAtMs <= nowMs) this.#byTarget.delete(key);
  }

  #makeRoom(): void {
    this.forgetExpired();
    if (this.#byTarget.size < this.#max) return;
    const message = `Cannot revoke more than ${this.#max} tokens, users and applications at one time`;
    throw new HubError('too-many-revocations', message);
  }
}

/** Whether `revocation` is about the token behind `access`. */
export function covers({ target, issuedBeforeMs }: Revocation, access: Access): boolean {
  if (access.kind !== 'user' || target.application !== access.application) return false;
  if ('tokenId' in target) return target.tokenId === access.tokenId;
  if ('user' in target && target.user !== access.user) return false;
  // Without `iat` nobody knows: the safe side.
  return access.issuedAtMs === undefined || access.issuedAtMs <= issuedBeforeMs;
}

function targetsOf({ application, user, tokenId }: Access): readonly RevocationTarget[] {
  if (application === undefined || user === undefined) return [];
  const wide = [{ application }, { application, user }];
  return tokenId === undefined ? wide : [...wide, { application, tokenId }];
}

/** JSON keeps the parts apart, whatever is in them. */
function keyOf(target: RevocationTarget): string {
  if ('tokenId' in target) return JSON.stringify(['token', target.application, target.tokenId]);
  if ('user' in target) return JSON.stringify(['user', target.application, target.user]);
  return JSON.stringify(['application', target.application]);
}
