import { quote } from '../../../protocol/index.js';
import type { RedisAddress } from './client.js';

/** How a hub reaches Redis, and what it asks of it. */
export interface RedisOptions {
  /**
   * `redis://[user:password@]host:port[/database]`, or `rediss://` for TLS (default `redis://127.0.0.1:6379`). Of a
   * cluster, one or more of its nodes, with commas between them. With sentinels, user and password are taken from it.
   */
  readonly url?: string;
  /** Whether `url` is of a Redis Cluster (default false). */
  readonly cluster?: boolean;
  /** Sentinels as `host:port`, asked for the master's address (default none). */
  readonly sentinels?: readonly string[];
  /** The master's name at the sentinels (default `mymaster`). */
  readonly master?: string;
  /** What all keys begin with, in braces (default `tidegate`): hubs with different prefixes do not know of each other. */
  readonly prefix?: string;
  /** Replicas that must have an event before its publish is answered (default 0); fewer: `backplane-unavailable`. */
  readonly waitReplicas?: number;
  /** How long a publish or a subscription waits for Redis in milliseconds (default 2,000); then `backplane-unavailable`. */
  readonly commandTimeoutMs?: number;
  /** How long a node that was killed is still counted in milliseconds (default 30,000). */
  readonly leaseMs?: number;
}

const DEFAULT_REDIS = {
  url: 'redis://127.0.0.1:6379',
  cluster: false,
  sentinels: [] as readonly string[],
  master: 'mymaster',
  prefix: 'tidegate',
  waitReplicas: 0,
  commandTimeoutMs: 2000,
  leaseMs: 30_000,
} as const;

export interface RedisSettings extends RedisAddress {
  readonly prefix: string;
  readonly waitReplicas: number;
  readonly leaseMs: number;
}

const SENTINEL_PORT = 26_379;

/** @throws TypeError where an option cannot be used; the URL is never repeated, as it may hold a password. */
export function redisSettingsOf(options: RedisOptions): RedisSettings {
  const { url, cluster, sentinels, ...others } = { ...DEFAULT_REDIS, ...options };
  const urls = url.split(',').map((one) => one.trim());
  if (!urls.every((one) => isRedisUrl(one)))
    throw new TypeError('Cannot use the URL of Redis: write it like "redis://127.0.0.1:6379"');
  if (urls.length > 1 && !cluster) throw new TypeError('Cannot use several URLs of Redis that are no cluster');
  if (cluster && sentinels.length > 0) throw new TypeError('Cannot reach a Redis Cluster by sentinels');
  if (cluster && others.waitReplicas > 0) throw new TypeError('Cannot wait for replicas of a Redis Cluster');
  // Braces would move the keys to another master of a cluster.
  if (!/^[^{}\s]{1,100}$/.test(others.prefix)) throw new TypeError(`Cannot begin keys with ${quote(others.prefix)}`);
  return { ...others, urls, isCluster: cluster, sentinels: sentinels.map((text) => readSentinel(text)) };
}

function isRedisUrl(text: string): boolean {
  return URL.canParse(text) && /^rediss?:$/.test(new URL(text).protocol);
}

function readSentinel(text: string): { readonly host: string; readonly port: number } {
  const [, host, port] = /^(.+?)(?::(\d{1,5}))?$/.exec(text) ?? [];
  if (host === undefined) throw new TypeError(`Cannot use sentinel ${quote(text)}: write it like "10.0.0.1:26379"`);
  return { host, port: port === undefined ? SENTINEL_PORT : Number(port) };
}
