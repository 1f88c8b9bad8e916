import { assert, integer, property, record, string, uniqueArray, uuid } from 'fast-check';
import { describe, expect, it } from 'vitest';

import { ConnectionRegistry } from './connection-registry.js';
import type { Connection, ConnectionKey } from './connection.js';

const NO_LIMITS = { connections: 1e6, connectionsPerAddress: 0, connectionsPerUser: 0, connectionsPerToken: 0 };

function connection(id: string, application: string, user: string, address = '1.1.1.1'): Connection {
  return { id, channels: [], address, openedAtMs: 0, identity: { application, user } };
}

function compare([a = '', ...restOfA]: readonly string[], [b = '', ...restOfB]: readonly string[]): number {
  if (a !== b) return a < b ? -1 : 1;
  return restOfA.length === 0 ? 0 : compare(restOfA, restOfB);
}

describe('ConnectionRegistry', () => {
  it('list() pages through an application, each connection once, in the order of user and id', () => {
    const ids = uniqueArray(record({ user: string({ maxLength: 3 }), id: uuid() }), {
      maxLength: 40,
      selector: ({ id }) => id,
    });
    assert(
      property(ids, integer({ min: 1, max: 7 }), (made, limit) => {
        const registry = new ConnectionRegistry(NO_LIMITS);
        for (const { user, id } of made) registry.add(connection(id, 'app', user));
        registry.add(connection('other', 'other', 'user'));
        const listed: ConnectionKey[] = [];
        let after: ConnectionKey | undefined;
        do {
          const page = registry.list({ application: 'app', limit, ...(after === undefined ? {} : { after }) });
          expect(page.connections.length).toBeLessThanOrEqual(limit);
          for (const { id, identity } of page.connections) listed.push({ user: identity?.user ?? '', id });
          after = page.next ?? undefined;
        } while (after !== undefined);
        const ordered = made.toSorted((a, b) => compare([a.user, a.id], [b.user, b.id]));
        expect(listed).toEqual(ordered);
      }),
    );
  });

  it('list() shows one user alone, and nothing of who has gone', () => {
    const registry = new ConnectionRegistry(NO_LIMITS);
    const [a1, a2, b] = [connection('1', 'app', 'a'), connection('2', 'app', 'a'), connection('3', 'app', 'b')];
    for (const one of [a1, a2, b]) registry.add(one);
    expect(registry.list({ application: 'app', user: 'a', limit: 10 }).connections).toEqual([a1, a2]);
    registry.delete(a1);
    expect(registry.find({ application: 'app', user: 'a' }, '1')).toBeUndefined();
    expect(registry.list({ application: 'app', limit: 10 }).connections).toEqual([a2, b]);
    for (const one of [a2, b]) registry.delete(one);
    expect(registry.list({ application: 'app', limit: 10 })).toEqual({ connections: [], next: null });
  });

  it('add() refuses over each limit, and keeps nothing of what it refused', () => {
    const registry = new ConnectionRegistry({
      connections: 3,
      connectionsPerAddress: 2,
      connectionsPerUser: 1,
      connectionsPerToken: 0,
    });
    const first = connection('1', 'app', 'a');
    registry.add(first);
    expect(() => registry.add(connection('2', 'app', 'a', '2.2.2.2'))).toThrow(/of this user/);
    registry.add(connection('3', 'app', 'b'));
    expect(() => registry.add(connection('4', 'app', 'c'))).toThrow(/from this address/);
    registry.add(connection('5', 'app', 'c', '2.2.2.2'));
    expect(() => registry.add(connection('6', 'app', 'd', '3.3.3.3'))).toThrow(/holds 3 connections$/);
    registry.delete(first);
    registry.add(connection('2', 'app', 'a', '2.2.2.2'));
    expect(registry.list({ application: 'app', limit: 10 }).connections.map(({ id }) => id)).toEqual(['2', '3', '5']);
  });
});
