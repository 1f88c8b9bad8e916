import type { HistoryLimits, HubLimits } from '../../limits.js';

/** Publications that may wait for Redis; then `backplane-busy`. */
export const WAITING_PUBLICATIONS_MAX = 50_000;
/** Bytes that may wait for Redis; then `backplane-busy`. */
export const WAITING_BYTES_MAX = 64 * 1024 * 1024;
/** Events of one script: others wait while it runs. */
export const BATCH_EVENTS_MAX = 512;
/** Bytes of one script's events, unless a single publication has more. */
export const BATCH_BYTES_MAX = 1024 * 1024;
/** Scripts that are under way at one time: while they are, the next grows. */
export const BATCHES_MAX = 2;
/** Bytes of one answer with histories. */
export const READ_BYTES_MAX = 1024 * 1024;
/** Channels that are asked for in one go. */
export const READ_CHANNELS_MAX = 100;
/** Bytes of messages that are kept while a node catches up; then it begins anew. */
export const HELD_BYTES_MAX = 64 * 1024 * 1024;
/** Connections in one script. */
export const CONNECTIONS_AT_ONCE = 100;
/** Channels of one sweep. */
export const SWEEP_CHANNELS_MAX = 1000;
/** Fields of a dead node's count that are taken back in one script. */
export const CLEAR_FIELDS_MAX = 500;
/** Leaves that may wait for Redis; then all of this node is told anew. */
export const LEAVES_MAX = 10_000;
/** Revocations at one time; then `too-many-revocations`. */
export const REVOCATIONS_MAX = 100_000;
/** Messages that a node keeps until they are known to be published; then the oldest goes. */
export const BRIDGE_MESSAGES_MAX = 100_000;
/** Bytes of them. */
export const BRIDGE_BYTES_MAX = 64 * 1024 * 1024;
/** How long another node may take to answer. */
export const ANSWER_MS = 1000;

/** How the scripts want the limits of a channel's history (`limitsAt`). */
export function historyArguments(history: HistoryLimits, channelTtlMs: number): readonly number[] {
  return [history.events, history.bytes, history.ageMs, channelTtlMs];
}

/** How the scripts want the limits of connections. */
export function connectionArguments(limits: HubLimits): readonly number[] {
  const { connections, connectionsPerAddress, connectionsPerUser, connectionsPerToken, channels } = limits;
  return [connections, connectionsPerAddress, connectionsPerUser, connectionsPerToken, channels];
}
