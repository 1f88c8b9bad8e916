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

const REASONS: Readonly<Record<string, string>> = {
  WRONGPASS: 'it refuses the user and password',
  NOAUTH: 'it wants a password',
  NOPERM: 'the user may not do what a hub has to',
  ECONNREFUSED: 'nobody listens there',
  ENOTFOUND: 'its name is not known',
  READONLY: 'it is a replica',
  WRONGTYPE: 'one of its keys is not ours; choose another prefix',
};

/** Reasons that do not pass. */
const FATAL = new Set(['WRONGPASS', 'NOAUTH', 'NOPERM', 'WRONGTYPE']);

export function isFatal(reason: string): boolean {
  return FATAL.has(reason);
}

/** One sentence for why a connection failed. */
export function explain(reason: string): string {
  return `Cannot use Redis: ${REASONS[reason] ?? `it does not answer (${reason})`}`;
}
