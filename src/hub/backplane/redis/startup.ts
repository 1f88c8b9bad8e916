import type { RedisPlace } from './driver.js';
import type { Reply } from './replies.js';
import { listOf, textOf } from './replies.js';

/** What a Redis is like, as far as it matters. */
export interface RedisFacts {
  readonly version: string;
  readonly isReplica: boolean;
  readonly isAppendOnly: boolean;
  readonly evictionPolicy: string;
  readonly hasMemoryLimit: boolean;
  /** Type of the key that all scripts stand on; `none` where it is not there. */
  readonly metaType: string;
}

/** What is to be said before the hub begins. */
export interface Verdict {
  /** Why it cannot be used. */
  readonly refusal: string | undefined;
  readonly warnings: readonly string[];
}

/** Asks a Redis what it is like: its own description, and the type of our key. */
export const LUA_FACTS = `return { redis.call('INFO'), redis.call('TYPE', META).ok }`;

export function readFacts(reply: Reply): RedisFacts {
  const [info, metaType] = listOf(reply);
  const fields = new Map(
    textOf(info)
      .split('\r\n')
      .map((line) => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 1)]),
  );
  return {
    version: fields.get('redis_version') ?? '',
    isReplica: fields.get('role') === 'slave',
    isAppendOnly: fields.get('aof_enabled') === '1',
    evictionPolicy: fields.get('maxmemory_policy') ?? 'noeviction',
    hasMemoryLimit: (fields.get('maxmemory') ?? '0') !== '0',
    metaType: textOf(metaType),
  };
}

/** Whether a Redis can be used, and what it may lose. */
export function judge(facts: RedisFacts, metaKey: string): Verdict {
  const { isAppendOnly, evictionPolicy, hasMemoryLimit } = facts;
  const warnings: string[] = [];
  if (!isAppendOnly)
    warnings.push('Redis keeps no append-only file (appendonly no): what it holds is lost when it stops');
  if (hasMemoryLimit && evictionPolicy !== 'noeviction')
    warnings.push(
      `Redis gives up keys when its memory is full (maxmemory-policy ${evictionPolicy}): set noeviction, or histories vanish`,
    );
  return { refusal: refusalOf(facts, metaKey), warnings };
}

function refusalOf({ version, isReplica, metaType }: RedisFacts, metaKey: string): string | undefined {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  if (major < 6 || (major === 6 && minor < 2)) return `Cannot use Redis ${version}: 6.2 or newer is needed`;
  if (isReplica) return 'Cannot use this Redis: it is a replica; name the master, or the sentinels that know it';
  if (metaType !== 'hash' && metaType !== 'none')
    return `Cannot use this Redis: its key ${metaKey} is a ${metaType} and not ours; choose another prefix`;
  return undefined;
}

/** Why, and what to do. */
type Explanation = readonly [reason: string, cure: string];

const NO_TLS: Explanation = ['it does not speak TLS there', 'Write redis:// and not rediss:// in {setting}'];
const CERTIFICATE: Explanation = [
  'its certificate is not trusted',
  'Set NODE_EXTRA_CA_CERTS to the file of its authority',
];
const NO_HOST: Explanation = ['there is no such host', 'Correct {setting}'];
const UNREACHABLE: Explanation = ['the host cannot be reached', 'Correct {setting}, or open the way to it'];

const REASONS: Readonly<Record<string, Explanation>> = {
  WRONGPASS: ['it refuses the user and password', 'Correct them in {setting}'],
  NOAUTH: ['it wants a password', 'Write redis://:PASSWORD@HOST in {setting}'],
  NOPERM: ['the user may not do what a hub has to', 'Grant it: see docs/redis.md'],
  ECONNREFUSED: ['connection refused', 'Start it or set {setting}'],
  ENOTFOUND: NO_HOST,
  EAI_AGAIN: NO_HOST,
  EHOSTUNREACH: UNREACHABLE,
  ENETUNREACH: UNREACHABLE,
  ECONNRESET: ['it cut the connection', 'Correct {setting}: where it speaks TLS, write rediss://'],
  READONLY: ['it is a replica', 'Name the master in {setting}'],
  WRONGTYPE: ['one of its keys is not ours', 'Choose another redis.prefix'],
  EPROTO: NO_TLS,
  ERR_SSL_WRONG_VERSION_NUMBER: NO_TLS,
  ERR_SSL_PACKET_LENGTH_TOO_LONG: NO_TLS,
  DEPTH_ZERO_SELF_SIGNED_CERT: CERTIFICATE,
  SELF_SIGNED_CERT_IN_CHAIN: CERTIFICATE,
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: CERTIFICATE,
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: CERTIFICATE,
  CERT_HAS_EXPIRED: ['its certificate has expired', 'Renew it'],
  ERR_TLS_CERT_ALTNAME_INVALID: ['its certificate is for another name', 'Write that name in {setting}'],
};

/** Reasons that do not pass. */
const FATAL = new Set(['WRONGPASS', 'NOAUTH', 'NOPERM', 'WRONGTYPE']);

export function isFatal(reason: string): boolean {
  return FATAL.has(reason);
}

/** Where a Redis was looked for. */
export interface RedisPlaceName {
  /** Host and port, without user and password. */
  readonly address: string;
  /** What says so: a setting, or a flag. */
  readonly setting: string;
}

/** Why a connection failed, and what to do, without a secret. `reason` is a code, or undefined where nothing was heard. */
export function explain(reason: string | undefined, { address, setting }: RedisPlaceName): string {
  const why = reason === undefined ? 'it does not answer' : `it does not answer (${reason})`;
  const [what, cure] = REASONS[reason ?? ''] ?? [why, 'Correct {setting}: where it speaks TLS, write rediss://'];
  return `Cannot connect to Redis at ${address}: ${what}. ${cure.replace('{setting}', setting)}.`;
}

/** Where `urls` or `sentinels` lead, for people. */
export function addressOf({ urls, sentinels }: Pick<RedisPlace, 'urls' | 'sentinels'>): string {
  if (sentinels.length > 0) return `the sentinels ${sentinels.map(({ host, port }) => `${host}:${port}`).join(', ')}`;
  return urls.map((url) => hostOf(url)).join(', ');
}

function hostOf(text: string): string {
  const { hostname, port } = new URL(text);
  return `${hostname === '' ? '127.0.0.1' : hostname}:${port === '' ? PORT : port}`;
}

const PORT = 6379;
