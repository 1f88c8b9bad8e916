import { quote } from '../../../protocol/index.js';
import { checkChannel } from '../../event.js';
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
  /**
   * Whether what anybody publishes on the Redis channel `<application>:channel:<user>` reaches that user's stream, and
   * `<application>:client:<user>` says who is connected (default false). All nodes of a hub must have it alike.
   */
  readonly bridgeUsers?: boolean;
  /** Redis channels whose messages become events of a channel, as `redis-channel` or `redis-channel=channel` (default none). */
  readonly bridgeChannels?: readonly string[];
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
  bridgeUsers: false,
  bridgeChannels: [] as readonly string[],
} as const;

/** A Redis channel, and the channel that its messages go to. */
export interface BridgedChannel {
  readonly redisChannel: string;
  readonly channel: string;
}

export interface RedisSettings extends RedisAddress {
  readonly prefix: string;
  readonly waitReplicas: number;
  readonly leaseMs: number;
  readonly bridgeUsers: boolean;
  readonly bridgeChannels: readonly BridgedChannel[];
}

const SENTINEL_PORT = 26_379;

/** @throws TypeError where an option cannot be used; the URL is never repeated, as it may hold a password. */
export function redisSettingsOf(options: RedisOptions): RedisSettings {
  const { url, cluster, sentinels, bridgeChannels, ...others } = { ...DEFAULT_REDIS, ...options };
  const urls = url.split(',').map((one) => one.trim());
  if (!urls.every((one) => isRedisUrl(one)))
    throw new TypeError('Cannot use the URL of Redis: write it like "redis://127.0.0.1:6379"');
  if (urls.length > 1 && !cluster) throw new TypeError('Cannot use several URLs of Redis that are no cluster');
  if (cluster && sentinels.length > 0) throw new TypeError('Cannot reach a Redis Cluster by sentinels');
  if (cluster && others.waitReplicas > 0) throw new TypeError('Cannot wait for replicas of a Redis Cluster');
  // Braces would move the keys to another master of a cluster.
  if (!/^[^{}\s]{1,100}$/.test(others.prefix)) throw new TypeError(`Cannot begin keys with ${quote(others.prefix)}`);
  if (others.prefix.includes(':channel:')) throw new TypeError('Cannot use a prefix with ":channel:" in it');
  return {
    ...others,
    urls,
    isCluster: cluster,
    sentinels: sentinels.map((text) => readSentinel(text)),
    bridgeChannels: readBridgedChannels(bridgeChannels),
  };
}

function isRedisUrl(text: string): boolean {
  return URL.canParse(text) && /^rediss?:$/.test(new URL(text).protocol);
}

function readBridgedChannels(texts: readonly string[]): readonly BridgedChannel[] {
  const channels = texts.map((text) => {
    const mark = text.lastIndexOf('=');
    const [redisChannel, channel] = mark === -1 ? [text, text] : [text.slice(0, mark), text.slice(mark + 1)];
    // They would be heard twice, or be the hub's own.
    if (redisChannel === '' || /:channel:|^\{/.test(redisChannel))
      throw new TypeError(`Cannot listen on Redis channel ${quote(redisChannel)}`);
    return { redisChannel, channel: checkBridged(channel) };
  });
  const names = new Set(channels.map(({ redisChannel }) => redisChannel));
  if (names.size < channels.length) throw new TypeError('Cannot listen on one Redis channel for two channels');
  return channels;
}

function checkBridged(channel: string): string {
  if (!channel.startsWith('tidegate.')) return checkChannel(channel);
  throw new TypeError(`Cannot bridge to channel ${quote(channel)}: it is the hub's own`);
}

function readSentinel(text: string): { readonly host: string; readonly port: number } {
  const [, host, port] = /^(.+?)(?::(\d{1,5}))?$/.exec(text) ?? [];
  if (host === undefined) throw new TypeError(`Cannot use sentinel ${quote(text)}: write it like "10.0.0.1:26379"`);
  return { host, port: port === undefined ? SENTINEL_PORT : Number(port) };
}
