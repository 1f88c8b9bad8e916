import { networkOf } from './address-network.js';
import type { Connection, ConnectionKey, ConnectionPage, ConnectionQuery, Identity } from './connection.js';
import { HubError } from './errors.js';
import type { HubLimits } from './limits.js';

type ConnectionLimits = Pick<
  HubLimits,
  'connections' | 'connectionsPerAddress' | 'connectionsPerUser' | 'connectionsPerToken'
>;
type Connections = Map<string, Connection>;

/** Every connection of a hub: how many there are, and those with an identity by application and user. */
export class ConnectionRegistry {
  readonly #limits: ConnectionLimits;
  readonly #addresses: Tally;
  readonly #credentials: Tally;
  readonly #applications = new Map<string, Map<string, Connections>>();
  #total = 0;

  constructor(limits: ConnectionLimits) {
    this.#limits = limits;
    this.#addresses = new Tally(limits.connectionsPerAddress);
    this.#credentials = new Tally(limits.connectionsPerToken);
  }

  /**
   * @throws HubError `too-many-connections`, `too-many-connections-from-address`, `too-many-connections-of-user`,
   * `too-many-connections-of-token`; nothing is kept then.
   */
  add(connection: Connection): void {
    const { credential, identity } = connection;
    const address = networkOf(connection.address);
    const { connections, connectionsPerUser } = this.#limits;
    if (this.#total >= connections) refuse('too-many-connections', this.#total, '');
    if (this.#addresses.isFull(address))
      refuse('too-many-connections-from-address', this.#addresses.max, ' from this address');
    if (credential !== undefined && this.#credentials.isFull(credential))
      refuse('too-many-connections-of-token', this.#credentials.max, ' with this token');
    if (identity !== undefined) this.#addToUser(connection, identity, connectionsPerUser);
    this.#addresses.add(address);
    if (credential !== undefined) this.#credentials.add(credential);
    this.#total += 1;
  }

  delete({ id, address, credential, identity }: Connection): void {
    this.#total -= 1;
    this.#addresses.delete(networkOf(address));
    if (credential !== undefined) this.#credentials.delete(credential);
    if (identity === undefined) return;
    const users = this.#applications.get(identity.application);
    const connections = users?.get(identity.user);
    connections?.delete(id);
    if (connections?.size === 0) users?.delete(identity.user);
    if (users?.size === 0) this.#applications.delete(identity.application);
  }

  find({ application, user }: Identity, id: string): Connection | undefined {
    return this.#applications.get(application)?.get(user)?.get(id);
  }

  /** A page by user and id. */
  list({ application, user, limit, after }: ConnectionQuery): ConnectionPage {
    const users = this.#applications.get(application);
    const names = user === undefined ? pageOfNames(users?.keys() ?? [], after?.user, limit) : [user];
    const connections: Connection[] = [];
    for (const name of names) {
      const ids = [...(users?.get(name)?.values() ?? [])].toSorted((a, b) => (a.id < b.id ? -1 : 1));
      connections.push(...ids.filter(({ id }) => after === undefined || isBehind({ user: name, id }, after)));
      if (connections.length > limit) break;
    }
    const page = connections.slice(0, limit);
    const last = page.at(-1);
    const isMore = connections.length > limit && last?.identity !== undefined;
    return { connections: page, next: isMore ? { user: last.identity.user, id: last.id } : null };
  }

  #addToUser(connection: Connection, { application, user }: Identity, countMax: number): void {
    const held = this.#applications.get(application)?.get(user)?.size ?? 0;
    if (countMax > 0 && held >= countMax) refuse('too-many-connections-of-user', held, ' of this user');
    let users = this.#applications.get(application);
    if (users === undefined) this.#applications.set(application, (users = new Map()));
    let connections = users.get(user);
    if (connections === undefined) users.set(user, (connections = new Map()));
    connections.set(connection.id, connection);
  }
}

/** How many there are of each; nothing is counted that is not limited. */
class Tally {
  readonly max: number;
  readonly #counts = new Map<string, number>();

  /** @param max 0: no limit. */
  constructor(max: number) {
    this.max = max;
  }

  isFull(key: string): boolean {
    return this.max > 0 && (this.#counts.get(key) ?? 0) >= this.max;
  }

  add(key: string): void {
    if (this.max > 0) this.#counts.set(key, (this.#counts.get(key) ?? 0) + 1);
  }

  delete(key: string): void {
    const left = (this.#counts.get(key) ?? 0) - 1;
    if (left > 0) this.#counts.set(key, left);
    else this.#counts.delete(key);
  }
}

type RefusalCode =
  | 'too-many-connections'
  | 'too-many-connections-from-address'
  | 'too-many-connections-of-token'
  | 'too-many-connections-of-user';

function refuse(code: RefusalCode, held: number, whose: string): never {
  throw new HubError(code, `Cannot subscribe: the hub holds ${held} connections${whose}`);
}

/** The first names from `from` on, in order; one more than a page needs. Of a million only that many are kept and sorted. */
function pageOfNames(names: Iterable<string>, from: string | undefined, limit: number): readonly string[] {
  let page: string[] = [];
  for (const name of names) {
    if (from !== undefined && name < from) continue;
    page.push(name);
    if (page.length > limit * 4 + 8) page = page.toSorted().slice(0, limit + 2);
  }
  return page.toSorted().slice(0, limit + 2);
}

function isBehind({ user, id }: ConnectionKey, after: ConnectionKey): boolean {
  return user === after.user ? id > after.id : user > after.user;
}
