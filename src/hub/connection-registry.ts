import type { Connection, ConnectionKey, ConnectionPage, ConnectionQuery, Identity } from './connection.js';
import { HubError } from './errors.js';
import type { HubLimits } from './limits.js';

type ConnectionLimits = Pick<HubLimits, 'connections' | 'connectionsPerAddress' | 'connectionsPerUser'>;
type Connections = Map<string, Connection>;

/** Every connection of a hub: how many there are, and those with an identity by application and user. */
export class ConnectionRegistry {
  readonly #limits: ConnectionLimits;
  /** Kept only where addresses are limited. */
  readonly #perAddress = new Map<string, number>();
  readonly #applications = new Map<string, Map<string, Connections>>();
  #total = 0;

  constructor(limits: ConnectionLimits) {
    this.#limits = limits;
  }

  /** @throws HubError `too-many-connections`, `too-many-connections-from-address`, `too-many-connections-of-user`; nothing is kept then. */
  add(connection: Connection): void {
    const { address, identity } = connection;
    const { connections, connectionsPerAddress, connectionsPerUser } = this.#limits;
    if (this.#total >= connections) refuse('too-many-connections', this.#total, '');
    const fromAddress = this.#perAddress.get(address) ?? 0;
    if (connectionsPerAddress > 0 && fromAddress >= connectionsPerAddress) {
      refuse('too-many-connections-from-address', fromAddress, ' from this address');
    }
    if (identity !== undefined) this.#addToUser(connection, identity, connectionsPerUser);
    if (connectionsPerAddress > 0) this.#perAddress.set(address, fromAddress + 1);
    this.#total += 1;
  }

  delete({ id, address, identity }: Connection): void {
    this.#total -= 1;
    const fromAddress = this.#perAddress.get(address) ?? 0;
    if (fromAddress > 1) this.#perAddress.set(address, fromAddress - 1);
    else this.#perAddress.delete(address);
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

type RefusalCode = 'too-many-connections' | 'too-many-connections-from-address' | 'too-many-connections-of-user';

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
