import type { Clock } from '../../../base/index.js';
import type { Logger } from '../../../runtime/index.js';
import type { ChannelRules } from '../../channel-rules.js';
import type { HistoryLimits, HubLimits } from '../../limits.js';
import type { RedisAddress } from './client.js';
import type { BridgedChannel } from './settings.js';

/** What a node of a hub on Redis is made with. */
export interface RedisBackplaneOptions extends RedisAddress {
  /** What all keys begin with, in braces: hubs with different prefixes do not know of each other. */
  readonly prefix: string;
  /** How long a node that says nothing counts as there. */
  readonly leaseMs: number;
  /** Replicas that must have an event before its publish is answered; 0: none. */
  readonly waitReplicas: number;
  readonly history: HistoryLimits;
  readonly limits: HubLimits;
  readonly rules: ChannelRules;
  /** How long after its last event a channel ends by itself; 0: never. */
  readonly channelTtlMs: number;
  /** Whether messages for users are bridged, and users' keys kept. */
  readonly bridgeUsers: boolean;
  /** Redis channels that are bridged to a channel. */
  readonly bridgeChannels: readonly BridgedChannel[];
  readonly clock: Clock;
  readonly logger?: Logger | undefined;
}
