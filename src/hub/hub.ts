import type { RequestListener } from 'node:http';

import { MemoryBackplane } from './backplane/memory.js';
import type { Backplane, MetricsReport, Publication, Published } from './backplane/backplane.js';
import { ANONYMOUS } from './auth/access.js';
import type { Access } from './auth/access.js';
import { createAuthenticator } from './auth/authenticator.js';
import type { Authenticator } from './auth/authenticator.js';
import type { AuthRequest } from './auth/credential.js';
import { covers } from './auth/revocations.js';
import type { Revocation } from './auth/revocations.js';
import { Beats, TICKS_PER_HEARTBEAT } from './beats.js';
import type { Channel } from './channel.js';
import { Pings } from './compat/pings.js';
import { createServerStamp } from './compat/server-property.js';
import type { Connection } from './connection.js';
import { ConnectionPlaces } from './connection-places.js';
import { Delivery } from './delivery.js';
import type { BareListener } from './http/bare-listener.js';
import { HubError } from './errors.js';
import { checkChannel, checkEvent, withoutEmptyRetry } from './event.js';
import type { PublishEvent } from './event.js';
import { Departure } from './departure.js';
import { FeedRegistry } from './feed-registry.js';
import type { Feed } from './feed.js';
import { BodyShare } from './body-share.js';
import { FlushPacker } from './compression.js';
import { KeptPacks } from './kept-packs.js';
import { Lifetimes } from './lifetimes.js';
import { NEVER_RETRY_MS, USER_AGENT_BYTES_MAX } from './limits.js';
import { createCounters } from './metrics.js';
import type { HubCounters } from './metrics.js';
import { lossesWhileThere, resolveStart } from './resume.js';
import type { ResumeRequest, Start } from './resume.js';
import { settingsOf } from './settings.js';
import type { HubOptions, HubSettings } from './settings.js';
import type { ChannelStore } from './store.js';
import { countGaps, Subscriber } from './subscriber.js';
import type { Outlet, SubscriberContext } from './subscriber.js';
import { SilentPeers } from './sockets/silent-peers.js';
import { Authorizer } from './webhooks/authorizer.js';
import { NOTIFIER_FLUSH_MS, Notifier } from './webhooks/notifier.js';
import type { Question } from './webhooks/question.js';

/** What the hub is asked to deliver. */
export interface SubscribeRequest {
  readonly channels: readonly string[];
  /** Whether data is wrapped in JSON that names channel and id. */
  readonly isEnvelope: boolean;
  /** Whether control events are sent (default true). */
  readonly hasControlEvents?: boolean;
  readonly resume: ResumeRequest;
  /** Whether it is sent `ping` events (default false). */
  readonly isPinged?: boolean;
  /** Where the client connects from. */
  readonly address: string;
  /** Who it is. */
  readonly access: Access;
  /** What the client says it is. */
  readonly userAgent: string | undefined;
}

/** A subscription that can begin: `admit` or `abandon` it. */
export interface Opening {
  readonly access: Access;
  readonly connection: Connection;
  readonly feed: Feed;
  readonly start: Start;
  readonly isPinged: boolean;
  /** All its channels have ended and nothing is left to deliver. */
  readonly isOver: boolean;
}

/** The hub itself; `createHub` of the door adds HTTP. */
export interface Hub extends AsyncDisposable {
  /** Resolves when requests can be answered. @throws TypeError where the keys of tokens cannot be used. */
  ready(): Promise<void>;
  /** Answers every request below `basePath`; for `http.createServer(hub.handler)` or a route of a server you have. */
  readonly handler: RequestListener;
  /** Answers `/health`, `/ready` and `/metrics` to everybody: for a port of their own that only those who watch can reach. */
  readonly operationsHandler: RequestListener;
  /** Answers requests for streams on sockets that no HTTP server holds; {@link listen} uses it, and you need not. */
  readonly bareHandler: BareListener;
  /** Publishes one event. @throws HubError when it is refused. */
  publish(channel: string, event: PublishEvent): Promise<Published>;
  /** Ends a channel after its last event; false where it had ended already. */
  end(channel: string): Promise<boolean>;
  /** Refuses new subscribers and sends those there are away, spread over `drainMs`; resolves when none is left. */
  drain(): Promise<void>;
  /** Cuts all connections and stops. */
  close(): Promise<void>;
}

/** Upkeep ticks per heartbeat interval: each looks after the subscribers that are due, and one share of the channels. */
export const UPKEEP_SHARES = TICKS_PER_HEARTBEAT;
const DRAIN_TICK_MS = 20;
const DRAINING = { code: 'draining', message: 'The hub is shutting down: come back', retryable: true };
const REVOKED = { code: 'token-revoked', message: 'The token was revoked', retryable: true };
const DISCONNECTED = { code: 'disconnected', message: 'This connection was ended: stay away', retryable: false };

/** Channels, subscribers and what moves events from the ones to the others; no HTTP. */
export class HubCore {
  readonly settings: HubSettings;
  readonly backplane: Backplane;
  readonly counters: HubCounters = createCounters();
  readonly subscribers: Beats<Subscriber>;
  readonly departure: Departure;
  readonly bodies: BodyShare;
  readonly packer: FlushPacker;
  /** Hears of each round how long its first event waited for its last write, in milliseconds. */
  onFlushed: ((waitedMs: number) => void) | undefined;
  /** What this process has counted, for another that is asked for all. */
  onReport: (() => Promise<MetricsReport>) | undefined;
  /** Told of connections; undefined: nobody is. */
  readonly notifier: Notifier | undefined;
  /** Asked before somebody may subscribe or publish; undefined: nobody is. */
  readonly authorizer: Authorizer | undefined;
  readonly #feeds: FeedRegistry;
  readonly #places: ConnectionPlaces;
  /** Of connections with an identity: they can be asked for. */
  readonly #identified = new Map<string, Subscriber>();
  readonly #lifetimes: Lifetimes;
  readonly #silentPeers: SilentPeers;
  readonly #authenticator: Promise<Authenticator>;
  /** The same once it is there, for what must be known in this turn; nobody was authenticated before. */
  #openAuthenticator: Authenticator | undefined;
  readonly #delivery: Delivery;
  /** Channels with something new since the round that is under way began. */
  #touched = new Set<Channel>();
  /** Channels whose news that round sends. */
  #flushing: ReadonlySet<Channel> = new Set();
  /** Events up to here are in that round, or were in an earlier one. */
  #roundOffset = 0;
  readonly #upkeep: NodeJS.Timeout;
  readonly #context: SubscriberContext;

  constructor(options: HubOptions, backplane?: Backplane) {
    this.settings = settingsOf(options);
    const nowMs = (): number => this.settings.clock.now();
    const { auth, origins, clock, logger, webhooks, heartbeatMs, stallTimeoutMs } = this.settings;
    this.notifier = webhooks.notify && new Notifier(webhooks.notify, { clock, logger });
    this.authorizer = webhooks.authorize && new Authorizer(webhooks.authorize, { clock, logger });
    this.#authenticator = createAuthenticator({ auth, origins, clock, logger });
    // Told to whoever asks for it: with keys that cannot be used, everybody is refused.
    this.#authenticator.then(
      (authenticator) => (this.#openAuthenticator = authenticator),
      () => undefined,
    );
    this.backplane = backplane ?? new MemoryBackplane({ ...this.settings, nowMs });
    this.backplane.attach({
      end: (id) => this.#identified.get(id)?.sendAway(DISCONNECTED, NEVER_RETRY_MS),
      eventsBehind: (id) => this.#identified.get(id)?.eventsBehind,
      revoked: (revocations) => this.#revoked(revocations),
      report: async () => (await this.onReport?.()) ?? [],
    });
    this.#lifetimes = new Lifetimes(this.settings.maxStreamMs);
    const afterMs = this.notifier === undefined ? 0 : NOTIFIER_FLUSH_MS;
    this.departure = new Departure({ clock, drainMs: this.settings.drainMs, afterMs });
    this.store.onChanged = (channel) => this.#channelChanged(channel);
    const { serverProperty, nodeId, history } = this.settings;
    const packs = new KeptPacks({ nowMs, roomBytes: () => history.totalBytes - this.store.bytes });
    this.packer = new FlushPacker(this.counters, packs);
    this.store.spare = packs;
    if (serverProperty !== undefined) this.store.stamp = createServerStamp(serverProperty, nodeId);
    this.bodies = new BodyShare(this.settings.limits);
    this.#places = new ConnectionPlaces(this.settings.connectionsHere, this.settings.logger);
    this.#feeds = new FeedRegistry((offset) => this.store.formatCursor(offset));
    this.#delivery = new Delivery({
      counters: this.counters,
      processCount: this.backplane.processCount,
      onBegin: () => this.#roundBegins(),
      onFlushed: (waitedMs) => this.#flushed(waitedMs),
    });
    const beats = new Beats<Subscriber>({
      heartbeatMs,
      lookMsMax: stallTimeoutMs / 4,
      nowMs: () => performance.now(),
    });
    this.subscribers = beats;
    this.#silentPeers = new SilentPeers({ subscribers: beats, stallTimeoutMs, logger });
    this.#context = {
      counters: this.counters,
      beats,
      stallTimeoutMs,
      nowMs,
      formatCursor: (offset) => this.store.formatCursor(offset),
      gapsBehind: (offset, lost) => lossesWhileThere(lost, offset, this.store),
      jitteredRetryMs: () => this.jitteredRetryMs(),
      scheduleTurn: (subscriber) => this.#delivery.scheduleTurn(subscriber),
    };
    this.#upkeep = setInterval(() => this.#keepUp(), Math.max(1, heartbeatMs / UPKEEP_SHARES)).unref();
  }

  get isDraining(): boolean {
    return this.departure.hasBegun;
  }

  /** Resolves when requests can be answered. @throws TypeError where the keys of tokens cannot be used. */
  async ready(): Promise<void> {
    await this.#authenticator;
  }

  /** Who sent a request. @throws HubError as {@link Authenticator.authenticate} does. */
  async authenticate(request: AuthRequest): Promise<Access> {
    if (this.settings.auth.mode === 'none') return ANONYMOUS;
    const authenticator = await this.#authenticator;
    return authenticator.authenticate(request);
  }

  /**
   * Asks the authorizer, where there is one.
   * @throws HubError as {@link Authorizer.require} does, and where the answer came too late to be of use.
   */
  async authorize(question: Question): Promise<void> {
    if (this.authorizer === undefined) return;
    await this.authorizer.require(question);
    this.requireStillValid(question.access);
  }

  /** @throws HubError `token-revoked`, `token-expired` if that happened to a caller since it was authenticated. */
  requireStillValid(access: Access): void {
    this.#openAuthenticator?.requireStillValid(access);
  }

  /** The channels that this process holds. */
  get store(): ChannelStore {
    return this.backplane.store;
  }

  async publishOne(channel: string, event: PublishEvent): Promise<Published> {
    checkChannel(channel);
    checkEvent(event, this.settings.limits.eventBytes);
    const [published] = await this.publish({ channels: [channel], events: [withoutEmptyRetry(event)] });
    if (published === undefined) throw new HubError('internal', 'Cannot tell what became of the event');
    return published;
  }

  /** Every event to every channel, or nothing where one of them is refused; the events must have been checked. */
  async publish(publication: Publication): Promise<readonly Published[]> {
    this.#refuseWhileDraining('publish');
    const published = await this.backplane.publish(publication);
    for (const { isDuplicate } of published) this.counters[isDuplicate ? 'duplicates' : 'published'] += 1;
    return published;
  }

  /** Finds out where a subscription would begin. @throws HubError when it is refused. */
  async open(request: SubscribeRequest): Promise<Opening> {
    this.#refuseWhileDraining('subscribe');
    this.#places.take();
    try {
      return await this.#open(request);
    } catch (error) {
      this.#places.giveBack();
      throw error;
    }
  }

  async #open(request: SubscribeRequest): Promise<Opening> {
    const {
      channels: names,
      address,
      access,
      userAgent,
      isEnvelope,
      hasControlEvents = true,
      resume,
      isPinged = false,
    } = request;
    const { application, user } = access;
    const isUser = application !== undefined && user !== undefined;
    const connection: Connection = {
      id: crypto.randomUUID(),
      channels: names,
      address,
      openedAtMs: this.store.nowMs(),
      ...(access.credentialKey === undefined ? {} : { credential: access.credentialKey }),
      ...(isUser ? { identity: { application, user }, node: this.settings.nodeId } : {}),
      ...(isUser && userAgent !== undefined ? { userAgent: shortened(userAgent) } : {}),
    };
    if (this.authorizer !== undefined) {
      await this.authorize({ action: 'subscribe', access, channels: names, address, connection: connection.id });
      this.#refuseWhileDraining('subscribe');
    }
    const channels = await this.backplane.join(connection);
    let feed: Feed | undefined;
    try {
      feed = this.#feeds.open(channels, { isEnvelope, hasControlEvents });
      const start = resolveStart(resume, feed, this.store.state);
      const isOver = start.gaps.length === 0 && feed.isOverAt(start.offset);
      return { access, connection, feed, start, isPinged, isOver };
    } catch (error) {
      if (feed !== undefined) this.#feeds.release(feed);
      this.backplane.leave(connection);
      throw error;
    }
  }

  /** Nothing will come of it. */
  abandon({ connection, feed }: Opening): void {
    this.#places.giveBack();
    this.#feeds.release(feed);
    this.backplane.leave(connection);
  }

  /** Begins to deliver; the caller has written what the stream opens with. */
  admit({ access, connection, feed, start, isPinged }: Opening, outlet: Outlet): Subscriber {
    const subscriber = new Subscriber({
      access,
      connection,
      feed,
      outlet,
      offset: start.offset,
      context: this.#context,
      pings: isPinged ? this.#createPings() : undefined,
    });
    feed.subscribers.add(subscriber);
    this.subscribers.add(subscriber);
    if (connection.identity !== undefined) this.#identified.set(connection.id, subscriber);
    this.#lifetimes.add(subscriber);
    this.counters.subscriptions += 1;
    countGaps(this.counters, start.gaps);
    this.notifier?.notify('opened', connection);
    return subscriber;
  }

  /** The connection is gone, from whichever side. */
  release(subscriber: Subscriber): void {
    this.#places.giveBack();
    this.subscribers.delete(subscriber);
    this.#identified.delete(subscriber.connection.id);
    this.#lifetimes.delete(subscriber);
    subscriber.feed.subscribers.delete(subscriber);
    this.#feeds.release(subscriber.feed);
    this.backplane.leave(subscriber.connection);
    this.notifier?.notify('closed', subscriber.connection);
  }

  /** Counts a refusal by its code; `cause`, where it is no refusal but a fault of ours, goes to the log. */
  countRefusal({ code }: HubError, cause: unknown): void {
    this.counters.refusals.set(code, (this.counters.refusals.get(code) ?? 0) + 1);
    if (code === 'internal') this.settings.logger?.error({ err: cause }, 'A request failed inside the hub');
  }

  /** Milliseconds to tell a client to wait, spread so that many do not come back at once; not while this hub goes. */
  jitteredRetryMs(): number {
    return Math.round(this.departure.leftMs + this.settings.retryMs * (0.5 + Math.random()));
  }

  async drain(): Promise<void> {
    this.departure.begin();
    this.departure.hasOthers = await this.backplane.hasOthers();
    const { clock, drainMs } = this.settings;
    const leaving = [...this.subscribers];
    const startedMs = clock.now();
    let sent = 0;
    while (sent < leaving.length) {
      const share = drainMs === 0 ? 1 : (clock.now() - startedMs + DRAIN_TICK_MS) / drainMs;
      const due = Math.min(leaving.length, Math.ceil(leaving.length * share));
      for (; sent < due; sent += 1) {
        // What was published in this turn has yet to be flushed.
        leaving[sent]?.pull();
        leaving[sent]?.sendAway(DRAINING, this.jitteredRetryMs());
      }
      await this.#pause(DRAIN_TICK_MS);
    }
    // A subscriber that does not take its farewell is cut off.
    const isUnderWay = (): boolean => this.subscribers.size > 0 || this.departure.underWay > 0;
    while (isUnderWay() && clock.now() < this.departure.deadlineMs) await this.#pause(DRAIN_TICK_MS);
    await this.#tellTheLast();
    this.close();
  }

  close(): void {
    this.departure.begin();
    clearInterval(this.#upkeep);
    this.#silentPeers.close();
    this.authorizer?.close();
    this.notifier?.close();
    void this.#authenticator.then(
      (authenticator) => authenticator.close(),
      () => undefined,
    );
    for (const subscriber of this.subscribers) subscriber.destroy();
  }

  /** Cuts off who is left, so that the receiver of webhooks hears of them too. */
  async #tellTheLast(): Promise<void> {
    if (this.notifier === undefined) return;
    for (const subscriber of this.subscribers) subscriber.destroy();
    if (this.subscribers.size > 0) await this.#pause(DRAIN_TICK_MS);
    await this.notifier.flush();
  }

  /** Takes revocations over, and ends the streams that they are about. */
  async #revoked(revocations: readonly Revocation[]): Promise<void> {
    const authenticator = await this.#authenticator;
    for (const { target, issuedBeforeMs, expiresAtMs } of revocations)
      authenticator.revocations.revoke(target, { issuedBeforeMs, expiresAtMs });
    for (const subscriber of this.#identified.values()) {
      const isRevoked = revocations.some((revocation) => covers(revocation, subscriber.access));
      if (isRevoked) subscriber.sendAway(REVOKED, this.jitteredRetryMs());
    }
  }

  #createPings(): Pings | undefined {
    const { pingMs, heartbeatMs } = this.settings;
    const everyTicks = Math.max(1, Math.round((pingMs / heartbeatMs) * TICKS_PER_HEARTBEAT));
    return pingMs === 0 ? undefined : new Pings(this.subscribers.tick, everyTicks);
  }

  #pause(delayMs: number): Promise<void> {
    return new Promise((resolve) => void this.settings.clock.after(delayMs, resolve));
  }

  #refuseWhileDraining(what: string): void {
    if (this.isDraining) throw new HubError('draining', `Cannot ${what}: the hub is shutting down`);
  }

  #channelChanged(channel: Channel): void {
    if (channel.feeds.size === 0) return;
    channel.unsentAfter ??= this.#roundOffset;
    this.#touched.add(channel);
    this.#delivery.channelChanged(channel);
  }

  #roundBegins(): void {
    this.#roundOffset = this.store.headOffset;
    this.#flushing = this.#touched;
    this.#touched = new Set();
  }

  #flushed(waitedMs: number | undefined): void {
    if (waitedMs !== undefined) this.onFlushed?.(waitedMs);
    for (const channel of this.#flushing) {
      channel.unsentAfter = this.#touched.has(channel) ? this.#roundOffset : undefined;
      this.store.trim(channel);
    }
    this.#flushing = new Set();
  }

  #keepUp(): void {
    this.subscribers.turn();
    this.backplane.keepUp();
    this.packer.kept.forgetUnused();
    this.#lifetimes.endDue(this.settings.clock.now(), this.store.nowMs(), () => this.jitteredRetryMs());
  }
}

/** A copy of the first bytes of a header: a slice of the string would keep the whole head in memory. */
function shortened(header: string): string {
  return Buffer.from(header.slice(0, USER_AGENT_BYTES_MAX), 'latin1').toString('latin1');
}
