import type { Logger } from '../../../runtime/index.js';
import { networkOf } from '../../address-network.js';
import { subscriberOf } from '../../connection.js';
import type { Connection, ConnectionPage, ConnectionQuery, Identity } from '../../connection.js';
import { HubError } from '../../errors.js';
import type { HistoryLimits, HubLimits } from '../../limits.js';
import type { Argument } from './client.js';
import { CLEAR_FIELDS_MAX, CONNECTIONS_AT_ONCE, LEAVES_MAX, connectionArguments, historyArguments } from './limits.js';
import { listOf, numberOf, textOf } from './replies.js';
import type { Reply } from './replies.js';
import { SCRIPTS } from './scripts.js';
import type { Script } from './scripts.js';

export interface RegistryOptions {
  readonly nodeId: string;
  readonly leaseMs: number;
  readonly history: HistoryLimits;
  readonly channelTtlMs: number;
  readonly limits: HubLimits;
  /** Whether `<application>:client:<user>` says who is connected. */
  readonly hasClientKeys: boolean;
  readonly logger: Logger | undefined;
  readonly run: (script: Script, args: readonly Argument[]) => Promise<Reply>;
  /** A user's connection has come or gone, and somebody watches its application. */
  readonly onWatched: (event: 'join' | 'leave', connection: Connection) => void;
}

/** A connection and the node that holds it. */
export interface Located {
  readonly connection: Connection;
  readonly nodeId: string;
}

/** What a node's renewal of its lease brings. */
export interface Renewal {
  readonly isKnown: boolean;
  readonly timeMs: number;
  readonly epoch: string;
  readonly head: number;
  /** A node whose lease is over; empty where there is none. */
  readonly dead: string;
}

/** This node's part of the registry in Redis: who is connected here is counted there. */
export class Registry {
  readonly #options: RegistryOptions;
  readonly #history: readonly number[];
  readonly #joined = new Map<string, Connection>();
  #leaving: Connection[] = [];
  #isFlushing = false;
  #clientKeyFailures = 0;
  /** What Redis has of this node may be wrong: it must be told everything anew. */
  #isInDoubt = false;

  constructor(options: RegistryOptions) {
    this.#options = options;
    this.#history = historyArguments(options.history, options.channelTtlMs);
  }

  /** Connections whose user's key could not be kept. */
  get clientKeyFailures(): number {
    return this.#clientKeyFailures;
  }

  get isInDoubt(): boolean {
    return this.#isInDoubt;
  }

  /** Resolves with the head as it was then. @throws HubError as {@link import('../backplane.js').Backplane.join} does. */
  async join(connection: Connection): Promise<number> {
    const { run, nodeId, limits } = this.#options;
    let reply: Reply;
    try {
      const args = ['1', ...connectionArguments(limits), this.#hasKeys, ...this.#argumentsOf(connection)];
      reply = await run(SCRIPTS.join, [...this.#history, nodeId, ...args]);
    } catch (error) {
      // It may have been done all the same.
      this.#isInDoubt = true;
      throw error;
    }
    const [code, number, isWatched, isKeyInTheWay] = listOf(reply);
    if (Buffer.isBuffer(code)) throw refusalOf(code.toString(), numberOf(number));
    this.#joined.set(connection.id, connection);
    if (textOf(isKeyInTheWay) !== '') this.#keyInTheWay();
    if (textOf(isWatched) !== '') this.#options.onWatched('join', connection);
    return numberOf(number);
  }

  /** False where it had not joined. */
  leave(connection: Connection): boolean {
    if (!this.#joined.delete(connection.id)) return false;
    if (this.#leaving.length >= LEAVES_MAX) {
      this.#leaving = [];
      this.#isInDoubt = true;
    }
    this.#leaving.push(connection);
    this.flush();
    return true;
  }

  /** Tells Redis who has left. */
  flush(): void {
    if (this.#isFlushing || this.#leaving.length === 0) return;
    this.#isFlushing = true;
    setImmediate(() => void this.#flushLeaves());
  }

  async renew(): Promise<Renewal> {
    const { run, nodeId, leaseMs } = this.#options;
    const [isKnown, timeMs, epoch, head, dead] = listOf(await run(SCRIPTS.renew, [nodeId, leaseMs]));
    return {
      isKnown: numberOf(isKnown) === 1,
      timeMs: numberOf(timeMs),
      epoch: textOf(epoch),
      head: numberOf(head),
      dead: textOf(dead),
    };
  }

  /** Tells Redis everything of this node, in place of whatever it had. */
  async enter(): Promise<void> {
    const { run, nodeId, leaseMs, limits } = this.#options;
    this.#isInDoubt = false;
    this.#leaving = [];
    this.#isFlushing = true;
    const told = new Set<string>();
    try {
      await this.clear(nodeId);
      await run(SCRIPTS.enter, [nodeId, leaseMs]);
      const all = [...this.#joined.values()];
      for (let from = 0; from < all.length; from += CONNECTIONS_AT_ONCE) {
        const some = all.slice(from, from + CONNECTIONS_AT_ONCE).filter(({ id }) => this.#joined.has(id));
        const args = some.flatMap((connection) => this.#argumentsOf(connection));
        for (const { id } of some) told.add(id);
        const rules = ['', ...connectionArguments(limits), this.#hasKeys];
        await run(SCRIPTS.join, [...this.#history, nodeId, ...rules, ...args]);
      }
    } catch (error) {
      this.#isInDoubt = true;
      throw error;
    } finally {
      this.#isFlushing = false;
      // Who left before it was told of has nothing to take back.
      this.#leaving = this.#leaving.filter(({ id }) => told.has(id));
      this.flush();
    }
  }

  /** Takes back what a node has counted whose lease is over; that of this node at any time. */
  async clear(nodeId: string): Promise<void> {
    const isOwn = nodeId === this.#options.nodeId;
    for (let isMore = true; isMore;) {
      const args = [...this.#history, nodeId, CLEAR_FIELDS_MAX, isOwn ? '1' : '', this.#hasKeys];
      const [more, gone] = listOf(await this.#options.run(SCRIPTS.clear, args));
      isMore = numberOf(more) === 1;
      if (isOwn) continue;
      for (const one of listOf(gone)) this.#options.onWatched('leave', readConnection(listOf(one)[1]));
    }
  }

  /** A page by user and id. */
  async list({ application, user, limit, after }: ConnectionQuery): Promise<ConnectionPage> {
    const from =
      after === undefined ? (user === undefined ? '' : prefixOf(user)) : `${prefixOf(after.user)}${after.id}`;
    // Behind the whole of a connection's place, whichever node is named in it.
    const start = after === undefined ? `[${from}` : `(${from}\u{1}`;
    const end = user === undefined ? '+' : `(${escaped(user)}\u{1}`;
    const found = await this.#find(application, [start, end], limit + 1);
    const connections = found.slice(0, limit).map(({ connection }) => connection);
    const last = connections.at(-1);
    const isMore = found.length > limit && last?.identity !== undefined;
    return { connections, next: isMore ? { user: last.identity.user, id: last.id } : null };
  }

  async find({ application, user }: Identity, id: string): Promise<Located | undefined> {
    const place = `${prefixOf(user)}${id}\0`;
    const [found] = await this.#find(application, [`[${place}`, `(${place}\xff`], 1);
    return found;
  }

  async #find(
    application: string,
    [start, end]: readonly [string, string],
    count: number,
  ): Promise<readonly Located[]> {
    const reply = await this.#options.run(SCRIPTS.connections, [application, start, end, count]);
    return listOf(reply).map((one) => {
      const [nodeId, record] = listOf(one);
      return { nodeId: textOf(nodeId), connection: readConnection(record) };
    });
  }

  async #flushLeaves(): Promise<void> {
    const some = this.#leaving.splice(0, CONNECTIONS_AT_ONCE);
    try {
      const args = some.flatMap((connection) => this.#argumentsOf(connection));
      const reply = await this.#options.run(SCRIPTS.leave, [
        ...this.#history,
        this.#options.nodeId,
        this.#hasKeys,
        ...args,
      ]);
      for (const number of listOf(reply)) {
        const connection = some[numberOf(number) - 1];
        if (connection !== undefined) this.#options.onWatched('leave', connection);
      }
    } catch {
      this.#isInDoubt = true;
    } finally {
      this.#isFlushing = false;
      if (!this.#isInDoubt) this.flush();
    }
  }

  get #hasKeys(): string {
    return this.#options.hasClientKeys ? '1' : '';
  }

  #keyInTheWay(): void {
    this.#clientKeyFailures += 1;
    if (this.#clientKeyFailures > 1) return;
    this.#options.logger?.warn({}, 'Cannot say in Redis that a user is connected: a key of another type is in the way');
  }

  #argumentsOf(whole: Connection): readonly Argument[] {
    const { channels, credential = '', ...connection } = whole;
    const { id, address, identity } = connection;
    const { connectionsPerAddress, connectionsPerToken } = this.#options.limits;
    const place = identity === undefined ? '' : `${prefixOf(identity.user)}${id}\0${this.#options.nodeId}`;
    return [
      id,
      connectionsPerAddress > 0 ? networkOf(address) : '',
      connectionsPerToken > 0 ? credential : '',
      identity?.application ?? '',
      identity?.user ?? '',
      place,
      identity === undefined ? '' : JSON.stringify({ ...connection, channels }),
      subscriberOf(whole),
      channels.length,
      ...channels,
    ];
  }
}

/** NUL parts a user from an id, and is lower than all else: so places stand in the order of users. */
function prefixOf(user: string): string {
  return `${escaped(user)}\0`;
}

/** Without NUL, and in the same order. */
function escaped(user: string): string {
  // oxlint-disable-next-line no-control-regex -- control characters are what is looked for
  return user.replace(/[\u0000\u0001]/g, (character) => (character === '\0' ? '\u{1}\u{1}' : '\u{1}\u{2}'));
}

function readConnection(record: Reply | undefined): Connection {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- a node of the same program wrote it
  return JSON.parse(textOf(record)) as Connection;
}

function refusalOf(code: string, held: number): Error {
  switch (code) {
    case 'too-many-connections':
      return new HubError(code, `Cannot subscribe: the hub holds ${held} connections`);
    case 'too-many-connections-from-address':
      return new HubError(code, `Cannot subscribe: the hub holds ${held} connections from this address`);
    case 'too-many-connections-of-token':
      return new HubError(code, `Cannot subscribe: the hub holds ${held} connections with this token`);
    case 'too-many-connections-of-user':
      return new HubError(code, `Cannot subscribe: the hub holds ${held} connections of this user`);
    case 'too-many-channels':
      return new HubError(code, `Cannot open the channels: the hub holds ${held}`);
    default:
      return new Error(`The joining script answered ${code}`);
  }
}
