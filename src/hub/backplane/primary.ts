import { createServer } from 'node:net';
import type { Socket } from 'node:net';

import { systemClock } from '../../base/index.js';
import { Revocations } from '../auth/revocations.js';
import type { Revocation } from '../auth/revocations.js';
import type { Channel } from '../channel.js';
import { createPrimaryMetrics } from '../metrics.js';
import type { Connection, Identity } from '../connection.js';
import type { ConnectionDetail, MetricsReport } from './backplane.js';
import { Followers } from './followers.js';
import { toLinkError } from './link-messages.js';
import type { PrimaryMessage, Request, WorkerMessage } from './link-messages.js';
import type { Question } from './question.js';
import { encodeLinkFrame, Link } from './link.js';
import { OWN_PUBLISHER } from '../store.js';
import type { MemoryBackplane } from './memory.js';

/** How long a worker has to answer a question; who is late is left out. */
const REPLY_MS = 1000;

/** The process that orders a hub's events and keeps them, for workers that hold its sockets. */
export class Primary implements AsyncDisposable {
  readonly #backplane: MemoryBackplane;
  readonly #workers = new Set<Worker>();
  readonly #revocations: Revocations;
  readonly #server = createServer((socket) => this.#connected(socket));
  readonly #upkeep: NodeJS.Timeout;
  readonly #metrics: () => Promise<MetricsReport>;

  /** `upkeepMs`: how often what is over is ended and forgotten, a share at a time. */
  constructor(backplane: MemoryBackplane, upkeepMs: number) {
    this.#backplane = backplane;
    this.#revocations = new Revocations({ clock: { ...systemClock, now: () => backplane.store.nowMs() } });
    this.#upkeep = setInterval(() => this.#keepUp(), upkeepMs).unref();
    this.#metrics = createPrimaryMetrics(backplane.store);
    backplane.onPlaced = (channel, frame, placement) => {
      let bytes: Buffer | undefined;
      for (const worker of this.#workers) {
        if (!worker.follows(channel)) continue;
        bytes ??= encodeLinkFrame({ channel: channel.name, frame, placement });
        worker.link.sendEncoded(bytes);
      }
    };
  }

  /** Listens on a Unix socket; who can reach `path` is trusted. */
  listen(path: string): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#server.once('error', reject);
      // Not through the cluster module, which would share it.
      this.#server.listen({ path, exclusive: true }, resolve);
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    clearInterval(this.#upkeep);
    for (const { link } of this.#workers) link.destroy();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #keepUp(): void {
    this.#backplane.keepUp();
    this.#revocations.forgetExpired();
  }

  #connected(socket: Socket): void {
    const worker: Worker = new Worker(socket, this.#backplane, {
      onClosed: () => this.#workers.delete(worker),
      gatherMetrics: () => this.#gatherMetrics(worker),
      askOwner: (id, question) => this.#askOwner(id, question),
      revoke: (revocation) => this.#revoke(revocation),
    });
    this.#workers.add(worker);
    worker.tellRevoked(this.#revocations.all());
  }

  async #gatherMetrics(asking: Worker): Promise<readonly MetricsReport[]> {
    const others = [...this.#workers].filter((worker) => worker !== asking);
    return Promise.all([this.#metrics(), ...others.map((worker) => worker.report())]);
  }

  /** Kept for workers that are started later. */
  #revoke({ target, issuedBeforeMs, expiresAtMs }: Revocation): void {
    const revocation = this.#revocations.revoke(target, { issuedBeforeMs, expiresAtMs });
    for (const worker of this.#workers) worker.tellRevoked([revocation]);
  }

  async #askOwner(connectionId: string, question: Question): Promise<unknown> {
    return [...this.#workers].find((worker) => worker.holds(connectionId))?.ask(question);
  }
}

interface WorkerOptions {
  readonly onClosed: () => void;
  readonly gatherMetrics: () => Promise<readonly MetricsReport[]>;
  readonly revoke: (revocation: Revocation) => void;
  /** Asks the worker that holds a connection. */
  readonly askOwner: (connectionId: string, question: Question) => Promise<unknown>;
}

/** A connection with the channels that it joined: their names may be of others by now. */
interface Joined {
  readonly connection: Connection;
  readonly channels: readonly Channel[];
}

/** One worker as the primary sees it: its connections, and the channels they follow. */
class Worker {
  readonly link: Link;
  readonly #backplane: MemoryBackplane;
  readonly #options: WorkerOptions;
  readonly #connections = new Map<string, Joined>();
  readonly #followers = new Followers<Channel>();
  readonly #questions = new Map<number, (reply: unknown) => void>();
  #lastQuestion = 0;

  constructor(socket: Socket, backplane: MemoryBackplane, options: WorkerOptions) {
    this.#backplane = backplane;
    this.#options = options;
    this.link = new Link(socket, {
      // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- both ends are the same program
      onMessage: (message) => this.#take(message as WorkerMessage),
      onFrame: () => undefined,
      onRead: () => undefined,
      onClosed: () => this.#closed(),
    });
    this.#send({ kind: 'hello', life: backplane.store.life, headOffset: backplane.store.headOffset });
  }

  follows(channel: Channel): boolean {
    return this.#followers.has(channel);
  }

  tellRevoked(revocations: readonly Revocation[]): void {
    if (revocations.length > 0) this.#send({ kind: 'revoked', revocations });
  }

  holds(connectionId: string): boolean {
    return this.#connections.has(connectionId);
  }

  async report(): Promise<MetricsReport> {
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- both ends are the same program
    return ((await this.ask({ ask: 'report' })) as MetricsReport | undefined) ?? [];
  }

  /** Undefined where it does not reply in time. */
  ask(question: Question): Promise<unknown> {
    this.#lastQuestion += 1;
    const id = this.#lastQuestion;
    return new Promise((resolve) => {
      const settle = (reply: unknown): void => {
        clearTimeout(timer);
        this.#questions.delete(id);
        resolve(reply);
      };
      const timer = setTimeout(() => settle(undefined), REPLY_MS);
      this.#questions.set(id, settle);
      this.#send({ kind: 'question', id, question });
    });
  }

  #send(message: PrimaryMessage): void {
    this.link.send(message);
  }

  #take(message: WorkerMessage): void {
    switch (message.kind) {
      case 'request':
        return void this.#answer(message.id, message.request);
      case 'leave':
        return this.#leave(message.connectionId);
      case 'reply':
        return this.#questions.get(message.id)?.(message.reply);
    }
  }

  async #answer(id: number, request: Request): Promise<void> {
    try {
      const result = await this.#call(request);
      this.#send({ kind: 'answer', id, result, headOffset: this.#backplane.store.headOffset });
    } catch (error) {
      this.#send({ kind: 'refusal', id, error: toLinkError(error) });
    }
  }

  #call(request: Request): Promise<unknown> {
    switch (request.call) {
      case 'publish':
        return this.#backplane.publish(request.publication);
      case 'end':
        return this.#backplane.end(request.channel, request.publisher);
      case 'join':
        return this.#join(request.connection);
      case 'connections':
        return this.#backplane.listConnections(request.query);
      case 'connection':
        return this.#describe(request.identity, request.id);
      case 'end-connection':
        return this.#endConnection(request.identity, request.id);
      case 'list':
        return this.#backplane.listChannels(request.request);
      case 'describe':
        return this.#backplane.describeChannel(request.channel);
      case 'history':
        return this.#backplane.readHistory(request.channel, request.request);
      case 'revoke':
        return this.#revoke(request.revocation);
      case 'metrics':
        return this.#options.gatherMetrics();
    }
  }

  async #join(connection: Connection): Promise<void> {
    const channels = await this.#backplane.join(connection);
    for (const channel of channels) {
      // A hundred histories at once might be more than a link may hold.
      await this.link.whenReady();
      if (this.#followers.add(channel)) this.#sendChannel(channel);
    }
    if (this.link.isClosed) this.#backplane.leave(connection);
    else this.#connections.set(connection.id, { connection, channels });
  }

  async #describe(identity: Identity, id: string): Promise<ConnectionDetail> {
    const connection = this.#backplane.findConnection(identity, id);
    const behind = await this.#options.askOwner(id, { ask: 'behind', connectionId: id });
    return { connection, eventsBehind: typeof behind === 'number' ? behind : null };
  }

  async #endConnection(identity: Identity, id: string): Promise<void> {
    this.#backplane.findConnection(identity, id);
    await this.#options.askOwner(id, { ask: 'end', connectionId: id });
  }

  async #revoke(revocation: Revocation): Promise<void> {
    this.#options.revoke(revocation);
  }

  #sendChannel(channel: Channel): void {
    const { name, history, endedAtMs } = channel;
    const { evictedOffset, evictedTimeMs, recentOffsets } = history;
    const more = {
      ...(endedAtMs === undefined ? {} : { endedAtMs }),
      ...(recentOffsets === undefined ? {} : { recentOffsets }),
    };
    const publisher = channel.account?.key ?? OWN_PUBLISHER;
    this.#send({ kind: 'channel', name, publisher, evictedOffset, evictedTimeMs, ...more });
    for (const frame of history.framesAfter(evictedOffset)) {
      const { offset, timeMs } = frame;
      const placement = { offset, timeMs, isEnd: channel.isEndFrame(offset) };
      this.link.sendEncoded(encodeLinkFrame({ channel: name, frame, placement }));
    }
  }

  #leave(id: string): void {
    const joined = this.#connections.get(id);
    if (joined === undefined) return;
    this.#connections.delete(id);
    for (const channel of joined.channels) this.#followers.remove(channel);
    this.#backplane.leave(joined.connection);
  }

  #closed(): void {
    for (const id of this.#connections.keys()) this.#leave(id);
    for (const settle of this.#questions.values()) settle(undefined);
    this.#options.onClosed();
  }
}
