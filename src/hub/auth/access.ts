import { quote } from '../../protocol/index.js';
import { HubError } from '../errors.js';
import { ALL_GRANTS, allows, NO_GRANTS } from './grants.js';
import type { ChannelAction, Grants } from './grants.js';

/** Who is asking, and what they may do. It holds no secret: it may be logged. */
export interface Access {
  /** `anonymous` without authentication, `user` by a token, `server` by an API key. */
  readonly kind: 'anonymous' | 'user' | 'server';
  /** The token's `iss`, or the application that an API key is bound to; undefined: any. */
  readonly application: string | undefined;
  /** The token's `sub`; undefined: nobody in particular. */
  readonly user: string | undefined;
  readonly grants: Grants;
  /** When open streams must end, in ms since 1970: the token's `exp` and the tolerance. Undefined: never. */
  readonly expiresAtMs: number | undefined;
  /** The token's `iat` in ms since 1970. */
  readonly issuedAtMs: number | undefined;
  /** The token's `jti`. */
  readonly tokenId: string | undefined;
  /** Which token or API key it is, for limits: a name or a hash, good for nothing else. */
  readonly credentialKey: string | undefined;
  /** Under which limits of rate are counted; undefined: the caller's address must do. */
  readonly rateKey: string | undefined;
}

/** Everybody, where there is no authentication. */
export const ANONYMOUS: Access = {
  kind: 'anonymous',
  application: undefined,
  user: undefined,
  grants: ALL_GRANTS,
  expiresAtMs: undefined,
  issuedAtMs: undefined,
  tokenId: undefined,
  credentialKey: undefined,
  rateKey: undefined,
};

/** A caller that nobody asked who it is, where that is asked of others: it may do nothing. */
export const NOBODY: Access = { ...ANONYMOUS, kind: 'user', grants: NO_GRANTS };

/** @throws HubError `forbidden-channel` for the first of `channels` that `access` may not use so. */
export function requireChannels(access: Access, action: ChannelAction, channels: readonly string[]): void {
  const refused = channels.find((channel) => !allows(access.grants, action, channel));
  if (refused === undefined) return;
  const verb = action === 'subscribe' ? 'subscribe' : 'publish';
  throw new HubError(
    'forbidden-channel',
    `Cannot ${verb} to channel ${quote(refused)}: no pattern of the grant "${action}" matches it`,
  );
}

/** The caller's own stream. @throws HubError `token-missing` where the caller is no user. */
export function requireUser(access: Access): { readonly application: string; readonly user: string } {
  const { application, user } = access;
  if (application === undefined || user === undefined) {
    throw new HubError('token-missing', 'Cannot find your stream: it needs the token of a user');
  }
  return { application, user };
}

/** @throws HubError `forbidden-application` or `forbidden-channel`. */
export function requirePublishToUsers(access: Access, application: string): void {
  requireApplication(access, application);
  if (!access.grants.users) {
    throw new HubError('forbidden-channel', 'Cannot publish to a user: the grant "users" is missing');
  }
}

/** @throws HubError `forbidden-application` or `forbidden-connections`. */
export function requireConnections(access: Access, action: 'read' | 'manage', application: string): void {
  requireApplication(access, application);
  const { connections } = access.grants;
  if (connections === 'manage' || connections === action) return;
  throw new HubError(
    'forbidden-connections',
    `Cannot ${action} connections: the grant "connections" is ${quote(connections)}, and must be ${quote(action)}`,
  );
}

/** @throws HubError `forbidden-operations`. */
export function requireOperations({ grants }: Access): void {
  if (grants.operate === 'read') return;
  throw new HubError(
    'forbidden-operations',
    `Cannot read how the hub runs: the grant "operate" is ${quote(grants.operate)}, and must be "read"`,
  );
}

function requireApplication(access: Access, application: string): void {
  if (access.application === undefined ? access.kind !== 'user' : access.application === application) return;
  throw new HubError('forbidden-application', `Cannot act for application ${quote(application)}: it is another one`);
}
