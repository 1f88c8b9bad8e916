/** What one channel's history may hold; the oldest events go first, and who missed them is told by a gap. */
export interface HistoryLimits {
  /** Events per channel (default 10,000). */
  readonly events: number;
  /** Bytes of encoded events per channel (default 16 MiB). */
  readonly bytes: number;
  /** Milliseconds an event is kept (default 300,000). */
  readonly ageMs: number;
  /** Bytes over all channels (default 512 MiB): over it, the publisher with the most gives up the older half of its largest channel. */
  readonly totalBytes: number;
}

/** What the hub takes before it refuses. */
export interface HubLimits {
  /** Subscribers at one time (default 100,000); then `too-many-connections`. */
  readonly connections: number;
  /** Subscribers from one address at one time (default 0: no limit, as one proxy may stand for thousands); then `too-many-connections-from-address`. */
  readonly connectionsPerAddress: number;
  /** Subscribers of one user at one time (default 100; 0: no limit); then `too-many-connections-of-user`. */
  readonly connectionsPerUser: number;
  /** Subscribers with one token or API key at one time (default 0: no limit); then `too-many-connections-of-token`. */
  readonly connectionsPerToken: number;
  /** Events that one publisher may publish a second, after a second's worth at once (default 0: no limit); then `publish-rate-exceeded`. */
  readonly publishPerSecond: number;
  /**
   * Channels with a history or a subscriber (default 1,000,000); then a channel of the publisher with the most gives way, or it is
   * `too-many-channels` (PROTOCOL.md, 6.6).
   */
  readonly channels: number;
  /** Channels on one connection or one publish (default 100); then `too-many-channels-asked`. */
  readonly channelsPerConnection: number;
  /** Bytes of one event's data, id and type (default 1 MiB), with seven for each line break; then `event-too-large`. */
  readonly eventBytes: number;
  /** Bytes of a publish body, streams excepted (default 16 MiB); then `body-too-large`. */
  readonly bodyBytes: number;
  /** Bytes of all publish bodies that are still arriving (default 256 MiB), streams excepted; then `too-many-bodies`. One publisher gets a quarter, but room for one body. */
  readonly bodiesBytes: number;
}

export const DEFAULT_HISTORY: HistoryLimits = {
  events: 10_000,
  bytes: 16 * 1024 * 1024,
  ageMs: 300_000,
  totalBytes: 512 * 1024 * 1024,
};

export const DEFAULT_LIMITS: HubLimits = {
  connections: 100_000,
  connectionsPerAddress: 0,
  connectionsPerUser: 100,
  connectionsPerToken: 0,
  publishPerSecond: 0,
  channels: 1_000_000,
  channelsPerConnection: 100,
  eventBytes: 1024 * 1024,
  bodyBytes: 16 * 1024 * 1024,
  bodiesBytes: 256 * 1024 * 1024,
};

/** Milliseconds; each is explained at {@link import('./hub.js').HubOptions}. */
export const DEFAULT_TIMES = {
  heartbeatMs: 15_000,
  pingMs: 30_000,
  retryMs: 2000,
  stallTimeoutMs: 60_000,
  drainMs: 10_000,
  maxStreamMs: 0,
  channelTtlMs: 0,
} as const;

/** Bytes of one flush to one subscriber, unless a single event is larger: others get their turn after it. */
export const FLUSH_BYTES_MAX = 256 * 1024;

/** Bytes of a publisher's own id: it comes back in a header, and headers are small. */
export const OWN_ID_BYTES_MAX = 512;

/** Events of one batch: they are read and published in one go, while everybody waits; then `body-too-large`. */
export const BATCH_EVENTS_MAX = 100_000;

/** Bytes of data on one page of history, unless a single event is larger. */
export const PAGE_BYTES_MAX = 1024 * 1024;

/** Bytes of a client's `User-Agent` that are kept with its connection. */
export const USER_AGENT_BYTES_MAX = 256;

/** Bytes of an idempotency key. */
export const IDEMPOTENCY_KEY_BYTES_MAX = 256;

/** Milliseconds in which {@link BODY_BYTES_MIN} of a publish body must come, or it is given up (`body-timeout`); streams excepted. */
export const BODY_WINDOW_MS = 10_000;

/** 1 KiB a second. */
export const BODY_BYTES_MIN = 10 * 1024;

/** Milliseconds a client is told to stay away where coming back is useless. */
export const NEVER_RETRY_MS = 86_400_000;
