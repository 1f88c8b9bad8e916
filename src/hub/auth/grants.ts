import { quote } from '../../protocol/index.js';
import { matchesChannel } from '../channel-pattern.js';
import { HubError } from '../errors.js';

/** What may be done to a channel. */
export type ChannelAction = 'subscribe' | 'publish';

/** Who is connected in an application: seen, or also disconnected. */
export type ConnectionGrant = 'none' | 'read' | 'manage';

/** How the hub runs: its metrics, nodes and pipelines. */
export type OperateGrant = 'none' | 'read';

/** What a token or an API key may do, beside its own stream (PROTOCOL.md, 11.4). */
export interface Grants {
  /** Channel patterns (PROTOCOL.md, 11.5). */
  readonly subscribe: readonly string[];
  readonly publish: readonly string[];
  readonly connections: ConnectionGrant;
  /** Whether it may publish to the users of its application. */
  readonly users: boolean;
  readonly operate: OperateGrant;
}

/** What somebody without any grant has: their own stream. */
export const NO_GRANTS: Grants = { subscribe: [], publish: [], connections: 'none', users: false, operate: 'none' };

const EVERY_CHANNEL = ['*', 'tidegate.*'];

/** Everything, the hub's own channels included. */
export const ALL_GRANTS: Grants = {
  subscribe: EVERY_CHANNEL,
  publish: EVERY_CHANNEL,
  connections: 'manage',
  users: true,
  operate: 'read',
};

/** Patterns of one list in a claim; a token is small anyway. */
const PATTERNS_MAX = 100;

/** Channels whose events the hub makes itself, such as who joins and leaves an application. */
const RESERVED = 'tidegate.';

/** Whether `grants` let the caller do `action` to `channel`, a name that follows the grammar of channels. */
export function allows(grants: Grants, action: ChannelAction, channel: string): boolean {
  return grants[action].some(
    // A `*` that was meant for the application's channels must not open the hub's own.
    (pattern) => (!channel.startsWith(RESERVED) || pattern.startsWith(RESERVED)) && matchesChannel(pattern, channel),
  );
}

/** What a channel pattern may hold: the grammar of channels (PROTOCOL.md, 2.1) and `*`. */
const PATTERN = /^[\p{L}\p{M}\p{N}._~:@!$&'()+,;=*-]{1,200}$/u;

export function isChannelPattern(text: unknown): text is string {
  return typeof text === 'string' && PATTERN.test(text);
}

/**
 * The grants in the claim `tidegate` of a token; `undefined` is no claim, and gives `withoutClaim`. A field that is
 * missing grants nothing, and one that is not known is passed over: it belongs to another version.
 * @throws HubError `token-invalid` where the claim is malformed: to guess what it means could grant too much.
 */
export function readGrants(claim: unknown, withoutClaim: Grants): Grants {
  if (claim === undefined) return withoutClaim;
  if (typeof claim !== 'object' || claim === null || Array.isArray(claim)) throw malformed('tidegate');
  const {
    subscribe,
    publish,
    connections = 'none',
    users = false,
    operate = 'none',
  } = claim as Readonly<Record<string, unknown>>;
  if (!isConnectionGrant(connections)) throw malformed('tidegate.connections');
  if (typeof users !== 'boolean') throw malformed('tidegate.users');
  if (!isOperateGrant(operate)) throw malformed('tidegate.operate');
  return {
    subscribe: readPatterns('subscribe', subscribe),
    publish: readPatterns('publish', publish),
    connections,
    users,
    operate,
  };
}

export function isConnectionGrant(value: unknown): value is ConnectionGrant {
  return value === 'none' || value === 'read' || value === 'manage';
}

export function isOperateGrant(value: unknown): value is OperateGrant {
  return value === 'none' || value === 'read';
}

function readPatterns(action: ChannelAction, value: unknown = []): readonly string[] {
  if (!Array.isArray(value) || value.length > PATTERNS_MAX || !value.every(isChannelPattern)) {
    throw malformed(`tidegate.${action}`);
  }
  return value;
}

function malformed(claim: string): HubError {
  return new HubError('token-invalid', `Cannot use the token: its claim ${quote(claim)} is malformed`);
}
