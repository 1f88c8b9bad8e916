import { hostname } from 'node:os';

import { systemClock } from '../base/index.js';
import type { Clock } from '../base/index.js';
import { quote } from '../protocol/index.js';
import type { Logger } from '../runtime/index.js';
import type { AuthOptions } from './auth/authenticator.js';
import { ChannelRules } from './channel-rules.js';
import type { ChannelRule } from './channel-rules.js';
import type { Compression } from './compression.js';
import { DEFAULT_HISTORY, DEFAULT_LIMITS, DEFAULT_TIMES } from './limits.js';
import type { HistoryLimits, HubLimits } from './limits.js';
import { TrustedProxies } from './trusted-proxies.js';
import type { AuthorizerOptions } from './webhooks/authorizer.js';
import type { NotifierOptions } from './webhooks/notifier.js';

/** Other servers that this hub calls; each process of a hub does its own. */
export interface WebhookOptions {
  /** Told of connections that opened and closed. */
  readonly notify?: NotifierOptions;
  /** Asked before somebody may subscribe or publish. */
  readonly authorize?: AuthorizerOptions;
}

/** Everything has a default; times are in milliseconds. */
export interface HubOptions {
  readonly history?: Partial<HistoryLimits>;
  readonly limits?: Partial<HubLimits>;
  /** Streams that this process has room for, such as by the files that it may open (default: no limit); then `too-many-connections`. */
  readonly connectionsHere?: number;
  /** The longest silence on a stream: an idle one gets a comment before it has passed (default 15,000). */
  readonly heartbeatMs?: number;
  /** Between `ping` events on a user's own stream, to a sixteenth of `heartbeatMs` (default 30,000; 0: none). */
  readonly pingMs?: number;
  /** What clients are told to wait before they reconnect (default 2,000). */
  readonly retryMs?: number;
  /** How long a subscriber may take none of its bytes, or on Linux acknowledge none, before it is cut off (default 60,000). */
  readonly stallTimeoutMs?: number;
  /** The window over which `drain()` sends subscribers away (default 10,000). */
  readonly drainMs?: number;
  /** How long a stream lives at most; each ends when 75 to 100 % of it have passed, and its client goes on (default 0: for ever). */
  readonly maxStreamMs?: number;
  /** What holds for which channels; the first rule that fits counts (default none: `gap` for all). */
  readonly channels?: readonly ChannelRule[];
  /** How long after its last event a channel ends by itself (default 0: never). */
  readonly channelTtlMs?: number;
  /** How callers prove who they are (default: nobody is asked). */
  readonly auth?: AuthOptions;
  /** Other servers that are told or asked (default: none). */
  readonly webhooks?: WebhookOptions;
  readonly cors?: {
    /** Origins whose pages may read and publish; `*` is all, without credentials (default none but the hub's own). */
    readonly origins: readonly string[];
    /** Request headers that they may send beside those that the hub knows (default none). */
    readonly headers?: readonly string[];
  };
  /** Proxies whose `X-Forwarded-For` is believed: addresses, networks such as `10.0.0.0/8`, `loopback`, `private` (default none). */
  readonly trustedProxies?: readonly string[];
  /** Host names that requests may name beside `localhost` and IP addresses; `*` is any (default `*`). */
  readonly hosts?: readonly string[];
  /** What this machine is called in the list of connections (default: its host name). */
  readonly nodeId?: string;
  /** A property that JSON objects get which says the node that delivers them, such as `server` (default: none). */
  readonly serverProperty?: string;
  /** The channel that `GET /sse` carries where nobody is asked who they are (default `sse`). */
  readonly anonymousChannel?: string;
  /** How streams are sent to who accepts it: `gzip`, each flush compressed once for all (the default), or `none`. */
  readonly compression?: Compression;
  /** Where the hub is mounted in a server that strips nothing, such as `/events` (default none). */
  readonly basePath?: string;
  readonly logger?: Logger;
  readonly clock?: Clock;
}

/** The options with their defaults filled in. */
export type HubSettings = Required<
  Omit<HubOptions, 'history' | 'limits' | 'logger' | 'cors' | 'channels' | 'trustedProxies' | 'serverProperty'>
> & {
  readonly history: HistoryLimits;
  readonly limits: HubLimits;
  readonly rules: ChannelRules;
  readonly origins: readonly string[];
  /** Request headers that a page of another origin may send. */
  readonly corsHeaders: readonly string[];
  readonly proxies: TrustedProxies;
  readonly serverProperty: string | undefined;
  readonly logger: Logger | undefined;
};

/** @throws TypeError where `basePath` or a proxy is none, or a channel rule cannot be read. */
export function settingsOf(options: HubOptions): HubSettings {
  const {
    basePath = '',
    history,
    limits,
    cors,
    channels = [],
    trustedProxies = [],
    logger,
    clock = systemClock,
    ...others
  } = options;
  if (basePath !== '' && !/^(\/[A-Za-z0-9._~-]+)+$/.test(basePath)) {
    throw new TypeError(`Cannot mount the hub at ${quote(basePath)}: write it like "/events"`);
  }
  return {
    ...DEFAULT_TIMES,
    connectionsHere: Infinity,
    compression: 'gzip',
    auth: { mode: 'none' },
    nodeId: hostname(),
    hosts: ['*'],
    anonymousChannel: 'sse',
    serverProperty: undefined,
    webhooks: {},
    ...others,
    basePath,
    clock,
    logger,
    history: { ...DEFAULT_HISTORY, ...history },
    limits: { ...DEFAULT_LIMITS, ...limits },
    rules: new ChannelRules(channels),
    origins: cors?.origins ?? [],
    corsHeaders: cors?.headers ?? [],
    proxies: new TrustedProxies(trustedProxies),
  };
}
