import type { Revocation } from '../auth/revocations.js';
import type { Channel } from '../channel.js';
import { NO_RULES } from '../channel-rules.js';
import type { ChannelRules } from '../channel-rules.js';
import { ConnectionRegistry } from '../connection-registry.js';
import { subscriberOf } from '../connection.js';
import type { Connection, ConnectionPage, ConnectionQuery, Identity } from '../connection.js';
import { HubError } from '../errors.js';
import { announcementOf, connectionsChannel } from './announcement.js';
import type { PublishEvent } from '../event.js';
import { readFrame } from '../form.js';
import { encodeEnd } from '../frame.js';
import type { EncodedFrame } from '../frame.js';
import { encodePublished, fingerprintOf, refuseMismatches } from '../idempotency.js';
import type { HistoryLimits, HubLimits } from '../limits.js';
import { describeChannel, findChannel, listChannels, readHistory } from '../listing.js';
import type { ChannelPage, ChannelSummary, HistoryPage, HistoryRequest, ListRequest } from '../listing.js';
import { PublishRate } from '../publish-rate.js';
import { ChannelStore, OWN_PUBLISHER } from '../store.js';
import type { Placement } from '../store.js';
import { quote } from '../../protocol/index.js';
import type {
  Backplane,
  ConnectionDetail,
  ConnectionOwner,
  MetricsReport,
  Publication,
  Published,
} from './backplane.js';

export interface MemoryBackplaneOptions {
  readonly history: HistoryLimits;
  readonly limits: HubLimits;
  readonly rules?: ChannelRules;
  /** How long after its last event a channel ends by itself; 0: never. */
  readonly channelTtlMs: number;
  readonly nowMs: () => number;
}

/** Sees every frame as it is placed. */
export type PlacedListener = (channel: Channel, frame: EncodedFrame, placement: Placement) => void;

/** One process for itself: its store is the only one, and the order of events is the order in which they come. */
export class MemoryBackplane implements Backplane {
  readonly store: ChannelStore;
  readonly isReplica = false;
  readonly isReady = true;
  readonly processCount = 1;
  onPlaced: PlacedListener | undefined;
  readonly #channelTtlMs: number;
  readonly #connections: ConnectionRegistry;
  readonly #rate: PublishRate;
  /** A name may be of another channel by the time a connection leaves. */
  readonly #joined = new Map<Connection, readonly Channel[]>();
  #owner: ConnectionOwner | undefined;

  constructor({ history, limits, rules = NO_RULES, channelTtlMs, nowMs }: MemoryBackplaneOptions) {
    this.store = new ChannelStore({ history, channelsMax: limits.channels, rules, nowMs });
    this.#channelTtlMs = channelTtlMs;
    this.#connections = new ConnectionRegistry(limits);
    this.#rate = new PublishRate(limits.publishPerSecond, nowMs);
  }

  async publish({ channels, events, publisher }: Publication): Promise<readonly Published[]> {
    if (publisher !== undefined) this.#rate.take(publisher, channels.length * events.length);
    const opened = this.#openAll(channels, publisher ?? OWN_PUBLISHER);
    refuseMismatches(this.store, opened, events);
    for (const channel of opened) this.#refuseEnded(channel, events);
    return opened.flatMap((channel) => {
      const published = events.map((event) => this.#publishOne(channel, event));
      this.store.changed(channel);
      return published;
    });
  }

  async end(name: string, publisher = OWN_PUBLISHER): Promise<boolean> {
    return this.#end(this.store.open(name, publisher));
  }

  async join(connection: Connection): Promise<readonly Channel[]> {
    this.#connections.add(connection);
    const channels: Channel[] = [];
    try {
      for (const name of connection.channels) {
        const channel = this.store.openFor(subscriberOf(connection), name);
        channel.subscriberCount += 1;
        channels.push(channel);
      }
      this.#joined.set(connection, channels);
      this.#announce('join', connection);
      return channels;
    } catch (error) {
      this.#connections.delete(connection);
      for (const channel of channels) this.#release(channel);
      throw error;
    }
  }

  leave(connection: Connection): void {
    const channels = this.#joined.get(connection);
    if (channels === undefined) return;
    this.#joined.delete(connection);
    this.#connections.delete(connection);
    this.#announce('leave', connection);
    for (const channel of channels) this.#release(channel);
  }

  async revoke(revocation: Revocation): Promise<void> {
    await this.#owner?.revoked([revocation]);
  }

  async listChannels(request: ListRequest): Promise<ChannelPage> {
    return listChannels(this.store, request);
  }

  async describeChannel(name: string): Promise<ChannelSummary> {
    return describeChannel(this.store, findChannel(this.store, name));
  }

  async readHistory(name: string, request: HistoryRequest): Promise<HistoryPage> {
    return readHistory(this.store, findChannel(this.store, name), request);
  }

  attach(owner: ConnectionOwner): void {
    this.#owner = owner;
  }

  async listConnections(query: ConnectionQuery): Promise<ConnectionPage> {
    return this.#connections.list(query);
  }

  async describeConnection(identity: Identity, id: string): Promise<ConnectionDetail> {
    const connection = this.findConnection(identity, id);
    return { connection, eventsBehind: this.#owner?.eventsBehind(id) ?? null };
  }

  async endConnection(identity: Identity, id: string): Promise<void> {
    this.#owner?.end(this.findConnection(identity, id).id);
  }

  /** @throws HubError `unknown-connection`. */
  findConnection(identity: Identity, id: string): Connection {
    const connection = this.#connections.find(identity, id);
    if (connection === undefined) throw new HubError('unknown-connection', `Cannot find connection ${quote(id)}`);
    return connection;
  }

  async gatherMetrics(): Promise<readonly MetricsReport[]> {
    return [];
  }

  async hasOthers(): Promise<boolean> {
    return false;
  }

  keepUp(): void {
    const nowMs = this.store.nowMs();
    this.#rate.forgetIdle();
    this.store.sweep((channel) => {
      const isOver = this.#channelTtlMs > 0 && nowMs - (channel.lastEventMs ?? nowMs) >= this.#channelTtlMs;
      if (isOver && !channel.isEnded) this.#end(channel);
      this.store.trim(channel);
      this.store.release(channel);
    });
  }

  [Symbol.asyncDispose](): Promise<void> {
    return Promise.resolve();
  }

  /** Tells who watches the application's connections; nobody there, nothing said. */
  #announce(event: 'join' | 'leave', connection: Connection): void {
    const { identity } = connection;
    if (identity === undefined) return;
    const channel = this.store.channels.get(connectionsChannel(identity.application));
    if (channel === undefined || channel.subscriberCount === 0 || channel.isEnded) return;
    this.#publishOne(channel, announcementOf(event, connection, identity));
    this.store.changed(channel);
  }

  #release(channel: Channel): void {
    channel.subscriberCount -= 1;
    this.store.release(channel);
  }

  #end(channel: Channel): boolean {
    if (channel.isEnded) return false;
    const placement = this.#next(true);
    this.#place(channel, encodeEnd({ channel: channel.name }, this.store.formatCursor(placement.offset)), placement);
    this.store.changed(channel);
    return true;
  }

  /** @throws HubError `channel-ended`, unless all the events were published before it ended. */
  #refuseEnded(channel: Channel, events: readonly PublishEvent[]): void {
    if (!channel.isEnded || events.every((event) => this.#findDuplicate(channel, event) !== undefined)) return;
    throw new HubError('channel-ended', `Cannot publish to channel ${quote(channel.name)}: it has ended`);
  }

  #publishOne(channel: Channel, event: PublishEvent): Published {
    const duplicate = this.#findDuplicate(channel, event);
    if (duplicate !== undefined) return duplicate;
    const placement = this.#next(false);
    const cursor = this.store.formatCursor(placement.offset);
    this.#place(channel, encodePublished(event, cursor), placement);
    if (event.idempotencyKey !== undefined) {
      const fingerprint = channel.slow === 'latest' ? fingerprintOf(event) : undefined;
      channel.rememberKey(event.idempotencyKey, { offset: placement.offset, fingerprint });
    }
    return { channel: channel.name, id: event.id ?? cursor, cursor, isDuplicate: false };
  }

  /** None is given up for another while they are opened. */
  #openAll(names: readonly string[], publisher: string): readonly Channel[] {
    const [only] = names;
    if (only !== undefined && names.length === 1) return [this.store.open(only, publisher)];
    const opened: Channel[] = [];
    try {
      for (const name of names) {
        const channel = this.store.open(name, publisher);
        channel.subscriberCount += 1;
        opened.push(channel);
      }
    } finally {
      for (const channel of opened) channel.subscriberCount -= 1;
    }
    return opened;
  }

  #place(channel: Channel, frame: EncodedFrame, placement: Placement): void {
    this.store.append(channel, frame, placement);
    this.onPlaced?.(channel, frame, placement);
  }

  #next(isEnd: boolean): Placement {
    return { offset: this.store.headOffset + 1, timeMs: this.store.nowMs(), isEnd };
  }

  #findDuplicate(channel: Channel, { idempotencyKey }: PublishEvent): Published | undefined {
    const found = idempotencyKey === undefined ? undefined : channel.findKey(idempotencyKey);
    if (found === undefined) return undefined;
    const { offset } = found;
    const [frame] = channel.history.framesAfter(offset - 1);
    const cursor = this.store.formatCursor(offset);
    return {
      channel: channel.name,
      id: frame?.offset === offset ? readFrame(frame).id : cursor,
      cursor,
      isDuplicate: true,
    };
  }
}
