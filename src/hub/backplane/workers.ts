import { connect } from 'node:net';

import type { Revocation } from '../auth/revocations.js';
import type { Channel } from '../channel.js';
import { NO_RULES } from '../channel-rules.js';
import type { ChannelRules } from '../channel-rules.js';
import { HubError } from '../errors.js';
import type { HistoryLimits } from '../limits.js';
import type { ChannelPage, ChannelSummary, HistoryPage, HistoryRequest, ListRequest } from '../listing.js';
import { ChannelStore } from '../store.js';
import type { Life } from '../store.js';
import type { Connection, ConnectionPage, ConnectionQuery, Identity } from '../connection.js';
import type {
  Backplane,
  ConnectionDetail,
  ConnectionOwner,
  MetricsReport,
  Publication,
  Published,
} from './backplane.js';
import { Followers } from './followers.js';
import { fromLinkError } from './link-messages.js';
import type { PrimaryMessage, Request, WorkerMessage } from './link-messages.js';
import { Link } from './link.js';
import { answerQuestion } from './question.js';
import type { Question } from './question.js';
import type { LinkFrame } from './link.js';

export interface WorkersBackplaneOptions {
  /** The Unix socket on which the primary listens. */
  readonly path: string;
  /** How many workers there are. */
  readonly workers: number;
  readonly history: HistoryLimits;
  readonly rules?: ChannelRules;
  readonly nowMs: () => number;
  /** The primary is gone: nothing can be published or joined any more, and what is here belongs to an epoch that is over. */
  readonly onLost: () => void;
}

interface Pending {
  readonly resolve: (result: unknown) => void;
  readonly reject: (error: unknown) => void;
}

/** Milliseconds for the primary to answer a connection. */
const HELLO_MS = 10_000;

/** Bytes that may wait for the primary; then `backplane-busy`. */
const BUSY_BYTES = 64 * 1024 * 1024;

/** Joins a worker to its primary. @throws Error where it does not answer. */
export async function connectToPrimary(options: WorkersBackplaneOptions): Promise<WorkersBackplane> {
  const backplane = new WorkersBackplane(options);
  await backplane.connected;
  return backplane;
}

/**
 * One worker's end: the primary orders and keeps all events, the worker holds a copy of each channel that has a
 * subscriber here. A channel's history comes with its first subscriber and goes with its last.
 */
export class WorkersBackplane implements Backplane {
  readonly isReplica = true;
  readonly isReady = true;
  readonly processCount: number;
  /** Resolves with the first word of the primary. */
  readonly connected: Promise<void>;
  readonly #options: WorkersBackplaneOptions;
  readonly #link: Link;
  readonly #pending = new Map<number, Pending>();
  /** How many connections here have each channel. */
  readonly #followers = new Followers<string>();
  readonly #joined = new Set<Connection>();
  readonly #changed = new Set<Channel>();
  #store: ChannelStore | undefined;
  #owner: ConnectionOwner | undefined;
  readonly #revocations: Revocation[] = [];
  #lastId = 0;
  #isClosed = false;
  #greet: (() => void) | undefined;

  constructor(options: WorkersBackplaneOptions) {
    this.#options = options;
    this.processCount = options.workers;
    const socket = connect(options.path);
    this.connected = new Promise((resolve, reject) => {
      const timer = setTimeout(() => socket.destroy(new Error('The primary does not answer')), HELLO_MS);
      socket.once('error', reject);
      socket.once('close', () => clearTimeout(timer));
      this.#greet = () => {
        clearTimeout(timer);
        resolve();
      };
    });
    this.#link = new Link(socket, {
      // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- both ends are the same program
      onMessage: (message) => this.#take(message as PrimaryMessage),
      onFrame: (frame) => this.#append(frame),
      onRead: () => this.#tellChanged(),
      onClosed: () => this.#lost(),
    });
  }

  get store(): ChannelStore {
    if (this.#store === undefined)
      throw new HubError('internal', 'Cannot read the store: the primary has said nothing');
    return this.#store;
  }

  publish(publication: Publication): Promise<readonly Published[]> {
    return this.#ask({ call: 'publish', publication });
  }

  end(channel: string, publisher?: string): Promise<boolean> {
    return this.#ask({ call: 'end', channel, ...(publisher === undefined ? {} : { publisher }) });
  }

  async join(connection: Connection): Promise<readonly Channel[]> {
    for (const name of connection.channels) this.#followers.add(name);
    try {
      await this.#ask({ call: 'join', connection });
    } catch (error) {
      this.#unfollow(connection.channels);
      throw error;
    }
    this.#joined.add(connection);
    return connection.channels.map((name) => this.#channel(name));
  }

  leave(connection: Connection): void {
    if (!this.#joined.delete(connection)) return;
    this.#unfollow(connection.channels);
    this.#send({ kind: 'leave', connectionId: connection.id });
  }

  revoke(revocation: Revocation): Promise<void> {
    return this.#ask({ call: 'revoke', revocation });
  }

  listChannels(request: ListRequest): Promise<ChannelPage> {
    return this.#ask({ call: 'list', request });
  }

  describeChannel(channel: string): Promise<ChannelSummary> {
    return this.#ask({ call: 'describe', channel });
  }

  readHistory(channel: string, request: HistoryRequest): Promise<HistoryPage> {
    return this.#ask({ call: 'history', channel, request });
  }

  attach(owner: ConnectionOwner): void {
    this.#owner = owner;
    void this.#tellRevoked();
  }

  listConnections(query: ConnectionQuery): Promise<ConnectionPage> {
    return this.#ask({ call: 'connections', query });
  }

  describeConnection(identity: Identity, id: string): Promise<ConnectionDetail> {
    return this.#ask({ call: 'connection', identity, id });
  }

  endConnection(identity: Identity, id: string): Promise<void> {
    return this.#ask({ call: 'end-connection', identity, id });
  }

  gatherMetrics(): Promise<readonly MetricsReport[]> {
    return this.#ask({ call: 'metrics' });
  }

  async hasOthers(): Promise<boolean> {
    return false;
  }

  keepUp(): void {
    this.store.sweep((channel) => this.store.trim(channel));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isClosed = true;
    this.#link.end();
    await Promise.resolve();
  }

  #channel(name: string): Channel {
    const channel = this.store.channels.get(name);
    if (channel === undefined) throw new HubError('internal', `The primary did not send channel ${name}`);
    return channel;
  }

  #unfollow(names: readonly string[]): void {
    for (const name of names) if (this.#followers.remove(name)) this.store.drop(name);
  }

  async #ask<Result>(request: Request): Promise<Result> {
    if (this.#isClosed) throw lostError();
    if (this.#link.pendingBytes > BUSY_BYTES)
      throw new HubError('backplane-busy', 'Cannot do it now: the process that orders events is behind');
    this.#lastId += 1;
    const id = this.#lastId;
    const answer = new Promise<unknown>((resolve, reject) => this.#pending.set(id, { resolve, reject }));
    this.#send({ kind: 'request', id, request });
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- both ends are the same program
    return (await answer) as Result;
  }

  #send(message: WorkerMessage): void {
    if (!this.#isClosed) this.#link.send(message);
  }

  #take(message: PrimaryMessage): void {
    switch (message.kind) {
      case 'hello':
        return this.#begin(message.life, message.headOffset);
      case 'channel': {
        const { name, publisher, evictedOffset, evictedTimeMs, endedAtMs, recentOffsets } = message;
        const lost = { offset: evictedOffset, timeMs: evictedTimeMs };
        const channel = this.store.replace(name, { lost, publisher });
        if (recentOffsets !== undefined) channel.history.recallOffsets?.(recentOffsets);
        if (endedAtMs !== undefined) channel.markEnded(endedAtMs);
        return undefined;
      }
      case 'answer':
        // What was asked for may be acted on as soon as it is here: so must what came before it.
        this.#tellChanged();
        this.store.advance(message.headOffset);
        return this.#settle(message.id)?.resolve(message.result);
      case 'refusal':
        return this.#settle(message.id)?.reject(fromLinkError(message.error));
      case 'revoked':
        this.#revocations.push(...message.revocations);
        return void this.#tellRevoked();
      case 'question':
        return void this.#reply(message.id, message.question);
    }
  }

  #begin(life: Life, headOffset: number): void {
    const { history, rules = NO_RULES, nowMs } = this.#options;
    this.#store = new ChannelStore({ history, rules, channelsMax: Infinity, nowMs, life });
    this.#store.advance(headOffset);
    this.#greet?.();
  }

  #append({ channel: name, frame, placement }: LinkFrame): void {
    // The last subscriber may have left while it was on its way.
    const channel = this.store.channels.get(name);
    if (channel === undefined) return this.store.advance(placement.offset);
    this.store.append(channel, frame, placement);
    this.#changed.add(channel);
  }

  #tellChanged(): void {
    for (const channel of this.#changed) this.store.changed(channel);
    this.#changed.clear();
  }

  #settle(id: number): Pending | undefined {
    const pending = this.#pending.get(id);
    this.#pending.delete(id);
    return pending;
  }

  /** Before there is an owner they wait; nobody is let in until then. */
  async #tellRevoked(): Promise<void> {
    if (this.#owner !== undefined) await this.#owner.revoked(this.#revocations.splice(0));
  }

  async #reply(id: number, question: Question): Promise<void> {
    this.#send({ kind: 'reply', id, reply: await answerQuestion(this.#owner, question) });
  }

  #lost(): void {
    const wasClosed = this.#isClosed;
    this.#isClosed = true;
    for (const { reject } of this.#pending.values()) reject(lostError());
    this.#pending.clear();
    if (!wasClosed && this.#store !== undefined) this.#options.onLost();
  }
}

function lostError(): HubError {
  return new HubError('primary-lost', 'Cannot do it: the process that orders events is gone');
}
