import { quote } from '../../../protocol/index.js';
import type { Revocation } from '../../auth/revocations.js';
import type { Channel } from '../../channel.js';
import type { Bridge } from '../../compat/bridge/bridge.js';
import type { Connection, ConnectionPage, ConnectionQuery, Identity } from '../../connection.js';
import { HubError } from '../../errors.js';
import { readHistory } from '../../listing.js';
import type { ChannelPage, ChannelSummary, HistoryPage, HistoryRequest, ListRequest } from '../../listing.js';
import { ChannelStore, createEpoch } from '../../store.js';
import type { Life } from '../../store.js';
import { announcementOf, connectionsChannel } from '../announcement.js';
import type {
  Backplane,
  ConnectionDetail,
  ConnectionOwner,
  MetricsReport,
  Publication,
  Published,
} from '../backplane.js';
import { answerQuestion } from '../question.js';
import { ChannelList } from './channel-list.js';
import type { RedisLink } from './client.js';
import { RedisCondition } from './condition.js';
import { Follower } from './follower.js';
import { inTime } from './in-time.js';
import { REVOCATIONS_MAX, SWEEP_CHANNELS_MAX, historyArguments } from './limits.js';
import type { RedisBackplaneOptions } from './options.js';
import { Publisher } from './publisher.js';
import { Questions } from './questions.js';
import { startRedisBridge } from './redis-bridge.js';
import type { RedisBridge } from './redis-bridge.js';
import { Registry } from './registry.js';
import type { Located } from './registry.js';
import { bytesOf, listOf, numberOf, textOf } from './replies.js';
import type { Reply } from './replies.js';
import { decodeRevocation, decodeToldRevocation, encodeTarget } from './revoked.js';
import { SCRIPTS } from './scripts.js';

/** Between two attempts to catch up with Redis. */
const RETRY_MS = 200;
/** Between two looks at the lease, at what is over, and at whether messages were missed. */
const UPKEEP_MS = 1000;

/** Several machines: Redis orders and keeps all events, each node holds a copy of the channels that have a subscriber there. */
export class RedisBackplane implements Backplane {
  /** Redis counts nothing: each node tells of its own copy. */
  readonly isReplica = false;
  readonly processCount = 1;
  readonly condition: RedisCondition;
  readonly #options: RedisBackplaneOptions;
  readonly #nodeId = crypto.randomUUID();
  readonly #keys: {
    readonly base: string;
    readonly events: string;
    readonly all: string;
    readonly node: string;
    readonly meta: string;
  };
  readonly #history: readonly number[];
  readonly #publisher: Publisher;
  readonly #registry: Registry;
  readonly #questions: Questions;
  readonly #list: ChannelList;
  readonly #revocations: Revocation[] = [];
  readonly #waiting = new Set<() => void>();
  #link: RedisLink | undefined;
  #bridge: RedisBridge | undefined;
  #follower: Follower | undefined;
  #store: ChannelStore | undefined;
  #owner: ConnectionOwner | undefined;
  #run = '';
  #isReady = false;
  #isClosed = false;
  /** A catching up that is under way is for nothing where this has moved. */
  #life = 0;
  #upkeptAtMs = -Infinity;
  #isUpkeepUnderWay = false;
  /** The head that the last upkeep saw in Redis. */
  #behindHead = 0;

  constructor(options: RedisBackplaneOptions) {
    this.#options = options;
    this.condition = new RedisCondition(options.logger);
    const base = `{${options.prefix}}:`;
    this.#keys = {
      base,
      meta: `${base}meta`,
      events: `${base}events`,
      all: `${base}all`,
      node: `${base}node:${this.#nodeId}`,
    };
    const { history, channelTtlMs, limits, rules, commandTimeoutMs, leaseMs } = options;
    this.#history = historyArguments(history, channelTtlMs);
    this.#publisher = new Publisher({
      run: (batch) => this.#place(batch),
      isReady: () => this.#isReady,
      onForeignEpoch: () => this.#startOver(),
      formatCursor: (offset) => this.store.formatCursor(offset),
      rules,
      timeoutMs: commandTimeoutMs,
    });
    this.#registry = new Registry({
      nodeId: this.#nodeId,
      leaseMs,
      history,
      channelTtlMs,
      limits,
      hasClientKeys: options.bridgeUsers && !options.isCluster,
      logger: options.logger,
      run: (script, args) => this.#connected.run(script, args),
      onWatched: (event, connection) => this.#announce(event, connection),
    });
    this.#list = new ChannelList({
      run: (args) => this.#connected.run(SCRIPTS.list, [...this.#history, ...args]),
      formatCursor: (offset) => this.store.formatCursor(offset),
    });
    this.#questions = new Questions({
      nodeId: this.#nodeId,
      send: (nodeId, message) => this.#connected.publish(`${base}node:${nodeId}`, message),
      answer: (question) => answerQuestion(this.#owner, question),
    });
  }

  /** The keys and channels of this node. */
  get keys(): { readonly meta: string; readonly channels: readonly string[] } {
    const { meta, events, all, node } = this.#keys;
    return { meta, channels: [events, all, node] };
  }

  get bridge(): Bridge | undefined {
    return this.#bridge?.bridge;
  }

  get clientKeyFailures(): number | undefined {
    return this.#options.bridgeUsers ? this.#registry.clientKeyFailures : undefined;
  }

  get isReady(): boolean {
    return this.#isReady;
  }

  get store(): ChannelStore {
    if (this.#store === undefined) throw new HubError('internal', 'Cannot read the store: Redis has said nothing');
    return this.#store;
  }

  /** Reaches Redis through `link`, whose handlers call {@link up}, {@link down} and {@link take}. */
  use(link: RedisLink): void {
    this.#link = link;
  }

  /** Begins to bridge Redis channels, where that is asked for. */
  async startBridge(): Promise<void> {
    const [link, publisher] = [this.#connected, this.#publisher];
    const { base } = this.#keys;
    this.#bridge = await startRedisBridge({ ...this.#options, nodeId: this.#nodeId, base, link, publisher });
  }

  up(): void {
    this.#life += 1;
    this.#follower?.hold();
    void this.#begin(this.#life);
  }

  down(): void {
    this.#life += 1;
    this.#isReady = false;
    this.#follower?.hold();
    if (!this.#isClosed) this.condition.away();
  }

  take(channel: string, message: Buffer): void {
    try {
      this.#takeUp(channel, message);
    } catch (error) {
      if (!isUnreadable(error)) throw error;
      // If it was one of ours after all, the next leaves a hole, which is read.
      this.condition.refused(channel);
    }
  }

  /** Resolves when Redis can be asked. @throws HubError `backplane-unavailable` where it cannot be in time. */
  whenReady(timeoutMs: number): Promise<void> {
    if (this.#isReady) return Promise.resolve();
    let settle: (() => void) | undefined;
    const ready = new Promise<void>((resolve) => {
      settle = resolve;
      this.#waiting.add(resolve);
    });
    return inTime(ready, timeoutMs).finally(() => {
      if (settle !== undefined) this.#waiting.delete(settle);
    });
  }

  publish(publication: Publication): Promise<readonly Published[]> {
    return this.#publisher.publish(publication);
  }

  end(channel: string, publisher?: string): Promise<boolean> {
    return this.#publisher.end(channel, { publisher });
  }

  async join(connection: Connection): Promise<readonly Channel[]> {
    const { commandTimeoutMs } = this.#options;
    await this.whenReady(commandTimeoutMs);
    // First, so that what is published from here on is kept for them.
    this.#following.follow(connection.channels);
    try {
      const head = await this.#registry.join(connection);
      return await inTime(this.#following.load(connection.channels, head), commandTimeoutMs);
    } catch (error) {
      this.#registry.leave(connection);
      this.#following.unfollow(connection.channels);
      throw error;
    }
  }

  leave(connection: Connection): void {
    if (this.#registry.leave(connection)) this.#following.unfollow(connection.channels);
  }

  async revoke({ target, issuedBeforeMs, expiresAtMs }: Revocation): Promise<void> {
    const tell = this.#connected.publishCommand;
    const args = [encodeTarget(target), issuedBeforeMs, expiresAtMs, tell, this.#nodeId, REVOCATIONS_MAX];
    if (numberOf(await this.#connected.run(SCRIPTS.revoke, args)) === 0)
      throw new HubError(
        'too-many-revocations',
        `Cannot revoke more than ${REVOCATIONS_MAX} tokens, users and applications`,
      );
    await this.#tellRevoked([{ target, issuedBeforeMs, expiresAtMs }]);
  }

  listChannels(request: ListRequest): Promise<ChannelPage> {
    return this.#list.list(request);
  }

  async describeChannel(name: string): Promise<ChannelSummary> {
    return (await this.#list.describe(name)) ?? unknownChannel(name);
  }

  async readHistory(name: string, request: HistoryRequest): Promise<HistoryPage> {
    const { history, rules } = this.#options;
    const { life, headOffset } = this.store;
    const store = new ChannelStore({ history, rules, channelsMax: 1, nowMs: () => this.#nowMs(), life });
    const channel = (await this.#following.readInto(store, name)) ?? unknownChannel(name);
    store.advance(headOffset);
    return readHistory(store, channel, request);
  }

  attach(owner: ConnectionOwner): void {
    this.#owner = owner;
    void this.#tellRevoked(this.#revocations.splice(0));
  }

  listConnections(query: ConnectionQuery): Promise<ConnectionPage> {
    return this.#registry.list(query);
  }

  async describeConnection(identity: Identity, id: string): Promise<ConnectionDetail> {
    const { connection, nodeId } = await this.#locate(identity, id);
    const behind = await this.#questions.ask(nodeId, { ask: 'behind', connectionId: id });
    return { connection, eventsBehind: typeof behind === 'number' ? behind : null };
  }

  async endConnection(identity: Identity, id: string): Promise<void> {
    const { nodeId } = await this.#locate(identity, id);
    await this.#questions.ask(nodeId, { ask: 'end', connectionId: id });
  }

  async gatherMetrics(): Promise<readonly MetricsReport[]> {
    if (!this.#isReady) return [];
    const others = await this.#listOthers();
    const reports = await Promise.all(others.map((node) => this.#questions.ask(node, { ask: 'report' })));
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- a node of the same program answered
    return reports.filter((report) => Array.isArray(report)) as readonly MetricsReport[];
  }

  async hasOthers(): Promise<boolean> {
    if (!this.#isReady) return false;
    return (await this.#listOthers()).length > 0;
  }

  /** The other nodes whose lease holds; where Redis goes away meanwhile, this node still has its own to tell. */
  async #listOthers(): Promise<readonly string[]> {
    const reply = await this.#connected.run(SCRIPTS.nodes, []).catch(() => []);
    return listOf(reply)
      .map((node) => textOf(node))
      .filter((node) => node !== this.#nodeId);
  }

  keepUp(): void {
    this.store.sweep((channel) => this.store.trim(channel));
    const nowMs = performance.now();
    if (!this.#isReady || nowMs - this.#upkeptAtMs < Math.min(UPKEEP_MS, this.#options.leaseMs / 3)) return;
    this.#upkeptAtMs = nowMs;
    if (this.#isUpkeepUnderWay) return;
    this.#isUpkeepUnderWay = true;
    // Whatever fails is tried again, or the link is down and all begins anew.
    void this.#upkeep()
      .catch(() => undefined)
      .finally(() => (this.#isUpkeepUnderWay = false));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#bridge?.[Symbol.asyncDispose]();
    this.#isClosed = true;
    if (this.#isReady) await this.#registry.clear(this.#nodeId).catch(() => undefined);
    this.#isReady = false;
    this.#publisher.close();
    this.#questions.close();
    this.#link?.close();
  }

  get #connected(): RedisLink {
    if (this.#link === undefined) throw new HubError('internal', 'Cannot ask Redis: there is no link');
    return this.#link;
  }

  get #following(): Follower {
    if (this.#follower === undefined) throw new HubError('internal', 'Cannot follow a channel: Redis has said nothing');
    return this.#follower;
  }

  #takeUp(channel: string, message: Buffer): void {
    if (channel === this.#keys.events) this.#follower?.take(message);
    else if (channel === this.#keys.node) this.#questions.take(message.toString());
    else if (channel === this.#keys.all) {
      const { nodeId, revocation } = decodeToldRevocation(message);
      if (nodeId !== this.#nodeId) void this.#tellRevoked([revocation]);
    }
  }

  #nowMs(): number {
    // All nodes count time as Redis does.
    return this.#options.clock.now() + this.condition.clockSkewMs;
  }

  /** Finds out where Redis stands, catches up, and tells it who is here. */
  async #begin(life: number): Promise<void> {
    try {
      await this.#sync(life);
      if (life !== this.#life) return;
      await this.#loadRevocations();
      const { isKnown } = await this.#registry.renew();
      if (!isKnown || this.#registry.isInDoubt) await this.#registry.enter();
      if (life !== this.#life || this.#isClosed) return;
      this.#isReady = true;
      for (const resolve of this.#waiting) resolve();
      this.#waiting.clear();
      this.#publisher.flush();
    } catch (error) {
      this.#options.logger?.warn({ err: error }, 'Cannot catch up with Redis yet');
      setTimeout(() => {
        if (life === this.#life && !this.#isClosed) this.up();
      }, RETRY_MS);
    }
  }

  async #sync(life: number): Promise<void> {
    const known = this.#store;
    const args = [known?.epoch ?? '', known?.headOffset ?? 0, this.#run, createEpoch()];
    const [epoch, head, run, timeMs, beganAtMs] = listOf(await this.#connected.run(SCRIPTS.sync, args));
    if (life !== this.#life) return;
    this.#run = textOf(run);
    this.condition.skewed(numberOf(timeMs) - this.#options.clock.now());
    const itsLife = { epoch: textOf(epoch), beganAtMs: numberOf(beganAtMs) };
    if (known === undefined) this.#create(itsLife, numberOf(head));
    else if (known.epoch !== itsLife.epoch) {
      this.condition.begunEpoch(itsLife.epoch);
      this.#following.beginLife(itsLife, numberOf(head));
    }
    await this.#following.catchUp(numberOf(head));
  }

  #create(life: Life, head: number): void {
    const { history, rules } = this.#options;
    const store = new ChannelStore({ history, rules, channelsMax: Infinity, nowMs: () => this.#nowMs(), life });
    store.advance(head);
    this.#store = store;
    this.#follower = new Follower({
      store,
      endedAgeMs: history.ageMs,
      read: (readArgs) => this.#connected.run(SCRIPTS.read, readArgs),
      onHole: () => this.#missed(),
    });
  }

  #missed(): void {
    this.condition.catchUps += 1;
    this.#startOver();
  }

  /** What is here may not be whole, or not of this epoch. */
  #startOver(): void {
    if (this.#isClosed || !this.#connected.isUp) return;
    this.#isReady = false;
    this.up();
  }

  async #place(batch: readonly Buffer[]): Promise<Reply> {
    const { limits, waitReplicas, commandTimeoutMs } = this.#options;
    const link = this.#connected;
    const head = [this.store.epoch, ...this.#history, limits.channels, limits.publishPerSecond, link.publishCommand];
    const placed = link.run(SCRIPTS.publish, [...head, ...batch]);
    if (waitReplicas === 0) return placed;
    // Both are sent before the first answer: one way, not two.
    const [reply, replicas] = await Promise.all([placed, link.wait(waitReplicas, commandTimeoutMs)]);
    if (replicas >= waitReplicas) return reply;
    throw new HubError(
      'backplane-unavailable',
      `Cannot keep the event on ${waitReplicas} replicas: ${replicas} have it`,
    );
  }

  async #upkeep(): Promise<void> {
    const { store } = this;
    const { isKnown, timeMs, epoch, head, dead } = await this.#registry.renew();
    this.condition.skewed(timeMs - this.#options.clock.now());
    // A message takes its time; one that is missing for a second was lost.
    const isBehind = this.#behindHead > store.headOffset;
    this.#behindHead = head;
    if (epoch !== store.epoch) return this.#startOver();
    if (isBehind) return this.#missed();
    if (!isKnown || this.#registry.isInDoubt) return this.#startOver();
    if (dead !== '') await this.#registry.clear(dead);
    const over = await this.#connected.run(SCRIPTS.sweep, [...this.#history, SWEEP_CHANNELS_MAX]);
    for (const one of listOf(over)) {
      const [name, lastEventMs] = listOf(one);
      await this.#publisher.end(textOf(name), { quietSinceMs: numberOf(lastEventMs) });
    }
  }

  async #loadRevocations(): Promise<void> {
    const revoked = listOf(await this.#connected.run(SCRIPTS.revoked, [])).map((one) => decodeRevocation(bytesOf(one)));
    if (revoked.length > 0) await this.#tellRevoked(revoked);
  }

  /** Before there is an owner they wait; nobody is let in until then. */
  async #tellRevoked(revocations: readonly Revocation[]): Promise<void> {
    if (this.#owner === undefined) this.#revocations.push(...revocations);
    else if (revocations.length > 0) await this.#owner.revoked(revocations);
  }

  #announce(event: 'join' | 'leave', connection: Connection): void {
    const { identity } = connection;
    if (identity === undefined) return;
    const channels = [connectionsChannel(identity.application)];
    // Nobody waits for it, and where Redis is gone there is nobody to tell.
    this.#publisher.publish({ channels, events: [announcementOf(event, connection, identity)] }).catch(() => undefined);
  }

  async #locate(identity: Identity, id: string): Promise<Located> {
    const located = await this.#registry.find(identity, id);
    if (located === undefined) throw new HubError('unknown-connection', `Cannot find connection ${quote(id)}`);
    return located;
  }
}

/** What reading bytes of a stranger comes to. */
function isUnreadable(error: unknown): boolean {
  return error instanceof RangeError || error instanceof SyntaxError;
}

function unknownChannel(name: string): never {
  throw new HubError('unknown-channel', `Cannot find channel ${quote(name)}`);
}
