import { describe, expect, it } from 'vitest';

import type { Revocation } from '../../src/hub/auth/revocations.js';
import type { Connection } from '../../src/hub/connection.js';
import { readFrame } from '../../src/hub/form.js';
import { DEFAULT_HISTORY, DEFAULT_LIMITS } from '../../src/hub/limits.js';
import { connectionTo, dataOf, defaults, ends, publishTo, refusedWith } from './backplane-fixture.js';
import type { Start } from './backplane-fixture.js';
import { describeKeeping } from './backplane-keeping.js';

function connectionOf(application: string, user: string): Connection {
  return { ...connectionTo('a'), identity: { application, user }, userAgent: 'test' };
}

/** What every backplane must do (`src/hub/backplane/backplane.ts`). */
export function describeBackplane(name: string, start: Start): void {
  describe(`${name} (backplane conformance)`, () => {
    describePublishing(start);
    describeJoining(start);
    describeLimits(start);
    describeLooking(start);
    describeConnections(start);
    describeKeeping(start);
  });
}

function describePublishing(start: Start): void {
  it('publish() gives offsets that rise over all channels and nodes', async () => {
    await using fixture = await start(defaults);
    const [here, there] = ends(fixture);
    const cursors: string[] = [];
    for (const [node, channel] of [
      [here, 'a'],
      [there, 'b'],
      [here, 'b'],
      [there, 'a'],
    ] as const) {
      const [published] = await publishTo(node, channel, 'x');
      cursors.push(published?.cursor ?? '');
    }
    const offsets = cursors.map((cursor) => Number(cursor.split('-')[1]));
    expect(offsets).toEqual(offsets.toSorted((a, b) => a - b));
    expect(new Set(offsets).size).toBe(4);
    expect(new Set(cursors.map((cursor) => cursor.split('-')[0]))).toEqual(new Set([here.store.epoch]));
    expect(there.store.epoch).toBe(here.store.epoch);
  });

  it('publish() from every node at once ends in one order on all', async () => {
    await using fixture = await start(defaults);
    const [here, there] = ends(fixture);
    await Promise.all(fixture.nodes.map((node) => node.join(connectionTo('a'))));
    const count = 300;
    const publishing = fixture.nodes.map(async (node, at) => {
      for (let number = 0; number < count; number += 1) await publishTo(node, 'a', `${at}:${number}`);
    });
    await Promise.all(publishing);
    const total = count * fixture.nodes.length;
    for (const node of fixture.nodes) await expect.poll(() => dataOf(node, 'a').length).toBe(total);
    expect(dataOf(there, 'a')).toEqual(dataOf(here, 'a'));
    for (const at of fixture.nodes.keys()) {
      const own = dataOf(here, 'a').filter((data) => data.startsWith(`${at}:`));
      expect(own).toEqual(Array.from({ length: count }, (_, number) => `${at}:${number}`));
    }
  });

  it('publish() to several channels reaches all or none', async () => {
    await using fixture = await start(defaults);
    const [here, there] = ends(fixture);
    await here.join(connectionTo('a', 'b'));
    const published = await there.publish({ channels: ['a', 'b'], events: [{ data: 'both' }] });
    expect(published.map(({ channel }) => channel)).toEqual(['a', 'b']);
    await expect.poll(() => [dataOf(here, 'a'), dataOf(here, 'b')]).toEqual([['both'], ['both']]);
    await there.end('b');
    const refused = here.publish({ channels: ['a', 'b'], events: [{ data: 'none' }] });
    await expect(refused).rejects.toEqual(refusedWith('channel-ended'));
    await publishTo(there, 'a', 'after');
    await expect.poll(() => dataOf(here, 'a')).toEqual(['both', 'after']);
  });

  it('publish() takes a key once, whichever node it comes to', async () => {
    await using fixture = await start(defaults);
    const publication = { channels: ['a'], events: [{ data: 'once', idempotencyKey: 'k' }] };
    const answers = await Promise.all([...fixture.nodes, ...fixture.nodes].map((node) => node.publish(publication)));
    const published = answers.flat();
    expect(published.filter(({ isDuplicate }) => !isDuplicate)).toHaveLength(1);
    expect(new Set(published.map(({ cursor }) => cursor)).size).toBe(1);
    const [here] = ends(fixture);
    await here.join(connectionTo('a'));
    expect(dataOf(here, 'a')).toEqual(['once']);
  });

  it('publish() keeps any bytes, own ids and event types', async () => {
    await using fixture = await start(defaults);
    const [here, there] = ends(fixture);
    await there.join(connectionTo('a:b@c'));
    const event = { id: 'own-1', event: 'typ ß', data: 'zwei\nZeilen \u{1F30A}', retry: 1234 };
    const [published] = await here.publish({ channels: ['a:b@c'], events: [event] });
    expect(published).toMatchObject({ channel: 'a:b@c', id: 'own-1', isDuplicate: false });
    await expect.poll(() => dataOf(there, 'a:b@c')).toEqual([event.data]);
    const frame = [...(there.store.channels.get('a:b@c')?.history.framesAfter(0) ?? [])][0];
    expect(frame && readFrame(frame)).toEqual(event);
  });

  it('end() ends a channel once, everywhere, behind its last event', async () => {
    await using fixture = await start(defaults);
    const [here, there] = ends(fixture);
    const [channel] = await there.join(connectionTo('a'));
    await publishTo(here, 'a', 'last');
    expect(await Promise.all([here.end('a'), there.end('a')])).toContain(true);
    expect(await here.end('a')).toBe(false);
    await expect.poll(() => channel?.isEnded).toBe(true);
    expect(channel?.eventCount).toBe(1);
    for (const node of fixture.nodes)
      await expect(publishTo(node, 'a', 'late')).rejects.toEqual(refusedWith('channel-ended'));
    const [again] = await here.join(connectionTo('a'));
    expect(again?.isEnded).toBe(true);
  });
}

function describeJoining(start: Start): void {
  it('join() brings everything that was published until then, on whichever node', async () => {
    await using fixture = await start(defaults);
    const [here, there] = ends(fixture);
    for (let round = 0; round < 50; round += 1) {
      const channel = `c${round}`;
      const [published] = await publishTo(here, channel, 'one', 'two');
      const [joined] = await there.join(connectionTo(channel));
      expect(dataOf(there, channel)).toEqual(['one', 'two']);
      expect(joined).toBe(there.store.channels.get(channel));
      expect(there.store.headOffset).toBeGreaterThanOrEqual(Number(published?.cursor.split('-')[1]));
    }
  });

  it('join() and leave() in any order neither lose nor repeat an event', async () => {
    await using fixture = await start(defaults);
    const [here, there] = ends(fixture);
    let isOver = false;
    const sent: string[] = [];
    const publishing = (async () => {
      for (let number = 0; !isOver; number += 1) {
        sent.push(String(number));
        await publishTo(here, 'a', String(number));
      }
    })();
    const held: Connection[] = [];
    for (let round = 0; round < 60; round += 1) {
      const connections = [connectionTo('a'), connectionTo('a', 'b')];
      await Promise.all(connections.map((connection) => there.join(connection)));
      held.push(...connections);
      const seen = dataOf(there, 'a');
      expect(seen).toEqual(sent.slice(0, seen.length));
      for (const connection of held.splice(0, round % 3)) there.leave(connection);
      if (round % 7 === 0) for (const connection of held.splice(0)) there.leave(connection);
    }
    isOver = true;
    await publishing;
    await there.join(connectionTo('a'));
    expect(dataOf(there, 'a')).toEqual(sent);
  });

  it('join() brings what a channel has given up, so that its gap is known', async () => {
    await using fixture = await start({ ...defaults, history: { ...DEFAULT_HISTORY, events: 3 } });
    const [here, there] = ends(fixture);
    const published = await publishTo(here, 'a', '1', '2', '3', '4', '5');
    const [channel] = await there.join(connectionTo('a'));
    expect(dataOf(there, 'a')).toEqual(['3', '4', '5']);
    expect(channel?.history.evictedOffset).toBe(Number(published[1]?.cursor.split('-')[1]));
  });

  it('leave() frees what the connection held', async () => {
    await using fixture = await start(defaults);
    const [here, there] = ends(fixture);
    const connection = connectionTo('a');
    await there.join(connection);
    await expect.poll(async () => (await here.listChannels(page)).channels.length).toBe(1);
    there.leave(connection);
    await expect.poll(async () => (await here.listChannels({ ...page, isAll: true })).channels).toEqual([]);
    expect([...there.store.channels.keys()]).toEqual([]);
  });
}

function describeLimits(start: Start): void {
  it('join() counts connections over all nodes', async () => {
    await using fixture = await start({ ...defaults, limits: { ...DEFAULT_LIMITS, connections: 2 } });
    const [here, there] = ends(fixture);
    const first = connectionTo('a');
    await here.join(first);
    await there.join(connectionTo('b'));
    await expect(here.join(connectionTo('c'))).rejects.toEqual(refusedWith('too-many-connections'));
    here.leave(first);
    await expect.poll(() => there.join(connectionTo('c')).then(() => 'joined', String)).toBe('joined');
  });

  it('join() counts connections of one address over all nodes', async () => {
    await using fixture = await start({ ...defaults, limits: { ...DEFAULT_LIMITS, connectionsPerAddress: 1 } });
    const [here, there] = ends(fixture);
    await here.join(connectionTo('a'));
    await expect(there.join(connectionTo('a'))).rejects.toEqual(refusedWith('too-many-connections-from-address'));
    await there.join({ ...connectionTo('a'), address: '127.0.0.2' });
  });

  it('join() that is refused leaves nothing behind', async () => {
    await using fixture = await start({ ...defaults, limits: { ...DEFAULT_LIMITS, channels: 2 } });
    const [here, there] = ends(fixture);
    await here.join(connectionTo('a'));
    await expect(there.join(connectionTo('b', 'c', 'd'))).rejects.toEqual(refusedWith('too-many-channels'));
    const { channels } = await here.listChannels({ ...page, isAll: true });
    expect(channels.map((channel) => channel.name)).toEqual(['a']);
    await there.join(connectionTo('a', 'b'));
  });

  it('publish() counts a publisher over all nodes', async () => {
    await using fixture = await start({ ...defaults, limits: { ...DEFAULT_LIMITS, publishPerSecond: 5 } });
    const [here, there] = ends(fixture);
    const events = Array.from({ length: 100 }, () => ({ data: 'x' }));
    await here.publish({ channels: ['a'], events, publisher: 'p' });
    const more = there.publish({ channels: ['a'], events, publisher: 'p' });
    await expect(more).rejects.toEqual(refusedWith('publish-rate-exceeded'));
    await there.publish({ channels: ['a'], events, publisher: 'q' });
    await there.publish({ channels: ['a'], events });
  });
}

const page = { after: '', limit: 10, isAll: false, visible: ['*'] };

function describeLooking(start: Start): void {
  it('listChannels() and describeChannel() tell of every node', async () => {
    await using fixture = await start(defaults);
    const [here, there] = ends(fixture);
    await publishTo(here, 'a', '1', '2');
    await here.join(connectionTo('a'));
    await there.join(connectionTo('a'));
    for (const node of fixture.nodes) {
      expect(await node.describeChannel('a')).toMatchObject({ name: 'a', subscribers: 2, events: 2, isEnded: false });
      expect((await node.listChannels(page)).channels).toHaveLength(1);
      await expect(node.describeChannel('b')).rejects.toEqual(refusedWith('unknown-channel'));
    }
  });

  it('readHistory() pages through a channel from any node', async () => {
    await using fixture = await start(defaults);
    const [here, there] = ends(fixture);
    await publishTo(here, 'a', '1', '2', '3');
    const first = await there.readHistory('a', { since: undefined, last: undefined, limit: 2 });
    expect(first.events.map(({ data }) => data)).toEqual(['1', '2']);
    const second = await here.readHistory('a', { since: first.next ?? '', last: undefined, limit: 2 });
    expect(second.events.map(({ data }) => data)).toEqual(['3']);
    const bad = there.readHistory('a', { since: 'nonsense', last: undefined, limit: 2 });
    await expect(bad).rejects.toEqual(refusedWith('invalid-cursor'));
  });

  it('gatherMetrics() brings what the other nodes have counted', async () => {
    await using fixture = await start(defaults);
    for (const [at, node] of fixture.nodes.entries())
      node.attach({ ...quietOwner, report: async () => [{ name: `node-${at}` }] });
    const [here] = ends(fixture);
    const others = fixture.nodes.slice(1).map((_, at) => [{ name: `node-${at + 1}` }]);
    expect(await here.gatherMetrics()).toEqual(expect.arrayContaining(others));
  });

  it('hasOthers() never rejects, and alone there are none', async () => {
    await using fixture = await start(defaults);
    for (const node of fixture.nodes) expect([true, false]).toContain(await node.hasOthers());
    const [here] = ends(fixture);
    for (const node of fixture.nodes.slice(1)) await node[Symbol.asyncDispose]();
    expect(await here.hasOthers()).toBe(false);
  });
}

const quietOwner = {
  end: () => undefined,
  eventsBehind: () => undefined,
  revoked: () => Promise.resolve(),
  report: async () => [],
};

function describeConnections(start: Start): void {
  it('listConnections() lists those with an identity, on whichever node they are', async () => {
    await using fixture = await start(defaults);
    const [here, there] = ends(fixture);
    const [ann, bob] = [connectionOf('app', 'ann'), connectionOf('app', 'bob')];
    await there.join(ann);
    await here.join(bob);
    await here.join(connectionOf('other', 'ann'));
    await here.join(connectionTo('a'));
    for (const node of fixture.nodes) {
      const first = await node.listConnections({ application: 'app', limit: 1 });
      expect(first).toEqual({ connections: [ann], next: { user: 'ann', id: ann.id } });
      const rest = await node.listConnections({ application: 'app', limit: 1, after: { user: 'ann', id: ann.id } });
      expect(rest).toEqual({ connections: [bob], next: null });
      expect(await node.listConnections({ application: 'app', user: 'eve', limit: 9 })).toEqual({
        connections: [],
        next: null,
      });
    }
    there.leave(ann);
    await expect
      .poll(async () => (await here.listConnections({ application: 'app', limit: 9 })).connections)
      .toEqual([bob]);
  });

  it('describeConnection() and endConnection() ask the node that holds it, for its own user alone', async () => {
    await using fixture = await start(defaults);
    const [here, there] = ends(fixture);
    const ended: string[] = [];
    for (const node of fixture.nodes) node.attach(quietOwner);
    there.attach({ ...quietOwner, end: (id) => void ended.push(id), eventsBehind: () => 7 });
    const connection = connectionOf('app', 'ann');
    await there.join(connection);
    const identity = { application: 'app', user: 'ann' };
    expect(await here.describeConnection(identity, connection.id)).toEqual({ connection, eventsBehind: 7 });
    await here.endConnection(identity, connection.id);
    expect(ended).toEqual([connection.id]);
    const foreign = { application: 'other', user: 'ann' };
    const missing = refusedWith('unknown-connection');
    await expect(here.endConnection(foreign, connection.id)).rejects.toEqual(missing);
    await expect(here.describeConnection(foreign, connection.id)).rejects.toEqual(missing);
    await expect(there.endConnection({ application: 'app', user: 'bob' }, connection.id)).rejects.toEqual(missing);
    expect(ended).toHaveLength(1);
  });

  it('revoke() reaches every node', async () => {
    await using fixture = await start(defaults);
    const heard = fixture.nodes.map((): Revocation[] => []);
    for (const [at, node] of fixture.nodes.entries())
      node.attach({ ...quietOwner, revoked: async (revocations) => void heard[at]?.push(...revocations) });
    const [here] = ends(fixture);
    const revocation = {
      target: { application: 'app', user: 'ann' },
      issuedBeforeMs: 5,
      expiresAtMs: Date.now() + 60_000,
    };
    await here.revoke(revocation);
    await expect.poll(() => heard).toEqual(fixture.nodes.map(() => [revocation]));
  });

  it('leave() and join() of users are told on the channel of their application, to who is there', async () => {
    await using fixture = await start(defaults);
    const [here, there] = ends(fixture);
    await there.join(connectionOf('app', 'early'));
    await here.join(connectionTo('tidegate.connections.app'));
    const connection = connectionOf('app', 'ann');
    await there.join(connection);
    there.leave(connection);
    const told = () => dataOf(here, 'tidegate.connections.app').map((data) => JSON.parse(data) as { id: string });
    await expect.poll(() => told().map(({ id }) => id)).toEqual([connection.id, connection.id]);
  });

  it('join() counts connections with one token over all nodes', async () => {
    await using fixture = await start({ ...defaults, limits: { ...DEFAULT_LIMITS, connectionsPerToken: 1 } });
    const [here, there] = ends(fixture);
    const first = { ...connectionOf('app', 'ann'), credential: 't' };
    await here.join(first);
    const again = there.join({ ...connectionTo('a'), credential: 't' });
    await expect(again).rejects.toEqual(refusedWith('too-many-connections-of-token'));
    await there.join({ ...connectionOf('app', 'ann'), credential: 'u' });
    await there.join(connectionTo('a'));
    here.leave(first);
    const later = (): Promise<string> =>
      there.join({ ...connectionTo('a'), credential: 't' }).then(() => 'joined', String);
    await expect.poll(later).toBe('joined');
  });

  it('join() counts connections of one user over all nodes', async () => {
    await using fixture = await start({ ...defaults, limits: { ...DEFAULT_LIMITS, connectionsPerUser: 1 } });
    const [here, there] = ends(fixture);
    await here.join(connectionOf('app', 'ann'));
    await expect(there.join(connectionOf('app', 'ann'))).rejects.toEqual(refusedWith('too-many-connections-of-user'));
    await there.join(connectionOf('app', 'bob'));
  });
}
