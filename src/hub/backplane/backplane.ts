import type { Cursor } from '../../protocol/index.js';
import type { Revocation } from '../auth/revocations.js';
import type { Channel } from '../channel.js';
import type { Bridge } from '../compat/bridge/bridge.js';
import type { Connection, ConnectionPage, ConnectionQuery, Identity } from '../connection.js';
import type { PublishEvent } from '../event.js';
import type { ChannelPage, ChannelSummary, HistoryPage, HistoryRequest, ListRequest } from '../listing.js';
import type { ChannelStore } from '../store.js';

/** What is published in one go: every event to every channel, or nothing. */
export interface Publication {
  readonly channels: readonly string[];
  /** Checked already: each may be published by itself. */
  readonly events: readonly PublishEvent[];
  /** Whose rate it counts against, and to whom new channels are charged; none means the hub's own, which has no rate. */
  readonly publisher?: string;
}

/** The answer to a publish. */
export interface Published {
  readonly channel: string;
  /** The id that subscribers see: the publisher's own, else the cursor. */
  readonly id: string;
  readonly cursor: Cursor;
  /** An event with the same idempotency key was there already; this is its id. */
  readonly isDuplicate: boolean;
}

/** What one process has counted, in the form that the metrics library merges. */
export type MetricsReport = readonly object[];

/** How a backplane gets along with the server that it stands on; counted since this process began. */
export interface BackplaneCondition {
  /** How much later it is there than here, in milliseconds. */
  readonly clockSkewMs: number;
  /** How often it went away. */
  readonly outages: number;
  /** How often it had lost events that were told, so that another epoch began. */
  readonly epochs: number;
  /** How often messages of other nodes were missed, and read later. */
  readonly catchUps: number;
  /** Messages that no node of this program wrote. */
  readonly refusedMessages: number;
  /** Connections and commands that failed, by reason. */
  readonly errors: ReadonlyMap<string, number>;
}

/** One connection, looked at closely. */
export interface ConnectionDetail {
  readonly connection: Connection;
  /** Events that it has yet to be sent; null where its process does not say. */
  readonly eventsBehind: number | null;
}

/** What a backplane asks of the process that holds a connection. */
export interface ConnectionOwner {
  /** Sends the connection away for good; nothing where it has gone. */
  end(id: string): void;
  /** Events that the connection has yet to be sent; undefined where it has gone. */
  eventsBehind(id: string): number | undefined;
  /** Tokens are not good any more: none is let in with them, and their streams end. */
  revoked(revocations: readonly Revocation[]): Promise<void>;
  /** What this process has counted. */
  report(): Promise<MetricsReport>;
}

/**
 * What a hub's processes share: the order of events, who is connected, and what both may come to. Each process
 * reads from its own `store`, which the backplane fills, and subscribers never wait for anything else.
 *
 * Every implementation passes `test/conformance/backplane.ts`. Promises reject with a HubError.
 */
export interface Backplane extends AsyncDisposable {
  /** The channels that this process follows, each with its history. */
  readonly store: ChannelStore;
  /** Whether `store` is a copy of what another process keeps: its channels are then counted there. */
  readonly isReplica: boolean;
  /** Whether it can be asked: while it cannot, who is there stays, and nobody publishes or comes. */
  readonly isReady: boolean;
  /** What takes messages of another system for the whole hub; undefined: nothing does. */
  readonly bridge?: Bridge | undefined;
  /** Connections whose user's key could not be kept for others to read; undefined: none is kept. */
  readonly clientKeyFailures?: number | undefined;
  /** Missing where it stands on no server. */
  readonly condition?: BackplaneCondition;
  /** Processes that deliver the same events on this machine: together they shall write no more often than one would. */
  readonly processCount: number;
  /**
   * Resolves when every event is placed and kept; by then, or soon after, it is in the store of all who follow.
   * @throws HubError `channel-ended`, `idempotency-mismatch` with its event, `too-many-channels`, `publish-rate-exceeded`, `backplane-busy`, `backplane-unavailable`, `primary-lost`, or as the encoder refuses.
   */
  publish(publication: Publication): Promise<readonly Published[]>;
  /** Ends a channel: subscribers get `tidegate.end` after its last event. False where it had ended. One that is not there yet is charged to `publisher`. */
  end(channel: string, publisher?: string): Promise<boolean>;
  /**
   * Admits a connection. Resolves with its channels, in the store and with everything that was published until
   * now; they are followed until as many connections have left.
   * @throws HubError `too-many-connections`, `too-many-connections-from-address`, `too-many-connections-of-user`, `too-many-connections-of-token`,
   * `too-many-channels`.
   */
  join(connection: Connection): Promise<readonly Channel[]>;
  /** Every connection that joined leaves, once. */
  leave(connection: Connection): void;
  /** Takes tokens back, in every process; resolves when this one has. @throws HubError `too-many-revocations`. */
  revoke(revocation: Revocation): Promise<void>;
  listChannels(request: ListRequest): Promise<ChannelPage>;
  /** @throws HubError `unknown-channel`. */
  describeChannel(name: string): Promise<ChannelSummary>;
  /** @throws HubError `unknown-channel`, or as a subscription with the same parameters would. */
  readHistory(name: string, request: HistoryRequest): Promise<HistoryPage>;
  /** Who answers for the connections of this process. */
  attach(owner: ConnectionOwner): void;
  /** The connections that have an identity, over all processes. */
  listConnections(query: ConnectionQuery): Promise<ConnectionPage>;
  /** @throws HubError `unknown-connection`. */
  describeConnection(identity: Identity, id: string): Promise<ConnectionDetail>;
  /** Ends a connection, whichever process holds it. @throws HubError `unknown-connection`. */
  endConnection(identity: Identity, id: string): Promise<void>;
  /**
   * Whether other processes take the clients of this one when it stops; never rejects. The workers of one service stop
   * together, so they do not count.
   */
  hasOthers(): Promise<boolean>;
  /** What the hub's other processes have counted. */
  gatherMetrics(): Promise<readonly MetricsReport[]>;
  /** Called a few times in every heartbeat interval: ends and forgets what is over. */
  keepUp(): void;
}
