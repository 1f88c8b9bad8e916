import { expect, it } from 'vitest';

import { ChannelRules } from '../../src/hub/channel-rules.js';
import { DEFAULT_HISTORY, DEFAULT_LIMITS } from '../../src/hub/limits.js';
import { connectionTo, dataOf, defaults, ends, publishTo, refusedWith } from './backplane-fixture.js';
import type { BackplaneFixture, Start } from './backplane-fixture.js';

/** What every backplane keeps, and what it says of what it does not. */
export function describeKeeping(start: Start): void {
  describeKeys(start);
  describeShares(start);
  describeForgetting(start);
}

const keyed = (data: string, idempotencyKey: string) => ({ data, idempotencyKey });

function describeKeys(start: Start): void {
  it('publish() refuses a key that comes again with another event, whichever node it comes to', async () => {
    await using fixture = await start(defaults);
    const [here, there] = ends(fixture);
    const event = { id: '1', event: 'typ ß', data: 'a\nb', retry: 1000, idempotencyKey: 'k' };
    const [first] = await here.publish({ channels: ['a'], events: [event] });
    const others = [
      { ...event, id: '2' },
      { ...event, event: 'x' },
      { ...event, data: 'c' },
      { ...event, retry: 1001 },
    ];
    for (const other of others) {
      const refused = there.publish({ channels: ['a'], events: [{ data: 'new' }, other] });
      await expect(refused).rejects.toEqual(refusedWith('idempotency-mismatch', { event: 1 }));
    }
    const [again] = await there.publish({ channels: ['a'], events: [{ ...event, data: 'a\r\nb' }] });
    expect(again).toEqual({ ...first, isDuplicate: true });
    await there.end('a');
    await expect(here.publish({ channels: ['a'], events: [others[0] ?? event] })).rejects.toEqual(
      refusedWith('idempotency-mismatch'),
    );
    expect(await here.publish({ channels: ['a'], events: [event] })).toMatchObject([{ isDuplicate: true }]);
    await here.join(connectionTo('a'));
    expect(dataOf(here, 'a').slice(0, -1)).toEqual(['a\nb']);
  });

  it('publish() refuses a batch in which a key stands before two events, to all its channels', async () => {
    await using fixture = await start(defaults);
    const [here] = ends(fixture);
    await publishTo(here, 'b', 'first');
    const events = [keyed('1', 'k'), keyed('2', 'l'), keyed('1', 'k'), keyed('3', 'k')];
    const refused = here.publish({ channels: ['a', 'b'], events });
    await expect(refused).rejects.toEqual(refusedWith('idempotency-mismatch', { event: 3 }));
    await here.join(connectionTo('a', 'b'));
    expect([dataOf(here, 'a'), dataOf(here, 'b')]).toEqual([[], ['first']]);
    const placed = await here.publish({ channels: ['a'], events: events.slice(0, 3) });
    expect(placed.map(({ isDuplicate }) => isDuplicate)).toEqual([false, false, true]);
  });

  it('publish() at the same time under one key with several events places one of them', async () => {
    await using fixture = await start(defaults);
    const outcomes = await Promise.all(
      Array.from({ length: 12 }, (_, at) => {
        const node = fixture.nodes[at % fixture.nodes.length] ?? ends(fixture)[0];
        return node.publish({ channels: ['a'], events: [keyed(String(at % 4), 'k')] }).then(
          ([published]) => (published?.isDuplicate === true ? 'duplicate' : 'placed'),
          ({ code }: { readonly code: string }) => code,
        );
      }),
    );
    const count = (outcome: string): number => outcomes.filter((one) => one === outcome).length;
    expect([count('placed'), count('duplicate'), count('idempotency-mismatch')]).toEqual([1, 2, 9]);
  });

  it('publish() knows a key though its event was replaced by a newer one of the same thing', async () => {
    const rules = new ChannelRules([{ match: 'p.*', slow: 'latest', key: '/id' }]);
    await using fixture = await start({ ...defaults, rules });
    const [here, there] = ends(fixture);
    const old = keyed('{"id":1234567890123456789,"price":1}', 'k');
    const [first] = await here.publish({ channels: ['p.a'], events: [old] });
    await here.publish({ channels: ['p.a'], events: [keyed('{"id":1234567890123456789,"price":2}', 'l')] });
    await there.publish({ channels: ['p.a'], events: [{ data: '{"id":1234567890123456790,"price":3}' }] });
    expect(await there.publish({ channels: ['p.a'], events: [old] })).toEqual([{ ...first, isDuplicate: true }]);
    const other = there.publish({ channels: ['p.a'], events: [keyed('{"id":1234567890123456789,"price":9}', 'k')] });
    await expect(other).rejects.toEqual(refusedWith('idempotency-mismatch', { event: 0 }));
    await there.join(connectionTo('p.a'));
    // Numbers that round to the same are two keys.
    expect(dataOf(there, 'p.a')).toEqual([
      '{"id":1234567890123456789,"price":2}',
      '{"id":1234567890123456790,"price":3}',
    ]);
  });
}

const from = (address: string, ...channels: readonly string[]) => ({ ...connectionTo(...channels), address });

function describeShares(start: Start): void {
  it('publish() takes room for a new channel from the publisher with the most, and says what is lost', async () => {
    await using fixture = await start({ ...defaults, limits: { ...DEFAULT_LIMITS, channels: 5 } });
    const [here, there] = ends(fixture);
    const publish = (publisher: string, channel: string) =>
      here.publish({ channels: [channel], events: [{ data: publisher }], publisher });
    await publish('q', 'q.1');
    await there.join(connectionTo('p.0'));
    for (const channel of ['p.0', 'p.1', 'p.2', 'p.3']) await publish('p', channel);
    // It has the most itself.
    await expect(publish('p', 'p.4')).rejects.toEqual(refusedWith('too-many-channels'));
    await publish('q', 'q.2');
    const { channels } = await there.listChannels({ after: '', limit: 10, isAll: true, visible: ['*'] });
    const names = channels.map(({ name }) => name);
    expect(names.filter((name) => name.startsWith('q'))).toEqual(['q.1', 'q.2']);
    // One with a subscriber stays; of the others the one that was quiet for longest goes.
    expect(names).toContain('p.0');
    expect(names).toHaveLength(5);
    // As many as the other has: neither takes any more of the other.
    await expect(publish('r', 'r.1')).resolves.toHaveLength(1);
    await expect(publish('q', 'q.3')).rejects.toEqual(refusedWith('too-many-channels'));
  });

  it('join() finds a gap in a channel that was given up for another', async () => {
    await using fixture = await start({ ...defaults, limits: { ...DEFAULT_LIMITS, channels: 3 } });
    const [here, there] = ends(fixture);
    const offsets = new Map<string, number>();
    for (const name of ['p.1', 'p.2', 'p.3', 'q.1']) {
      const publisher = name.slice(0, 1);
      const [published] = await here.publish({ channels: [name], events: [{ data: 'x' }], publisher });
      offsets.set(name, Number(published?.cursor.split('-')[1]));
    }
    const { channels } = await here.listChannels({ after: '', limit: 10, isAll: true, visible: ['*'] });
    const lost = ['p.1', 'p.2', 'p.3'].filter((name) => !channels.some((channel) => channel.name === name));
    expect(lost).toHaveLength(1);
    const [joined] = await there.join(connectionTo(...lost));
    expect(joined?.history.evictedOffset).toBe(offsets.get(lost[0] ?? ''));
  });

  it('join() opens no more channels for one subscriber than are left for all', async () => {
    await using fixture = await start({ ...defaults, limits: { ...DEFAULT_LIMITS, channels: 8 } });
    const [here, there] = ends(fixture);
    // Of six, as two stay with publishers.
    await here.join(from('1.1.1.1', 'a.1', 'a.2', 'a.3'));
    await expect(here.join(from('1.1.1.1', 'a.4', 'a.5'))).rejects.toEqual(refusedWith('too-many-channels'));
    await there.join(from('2.2.2.2', 'b.1', 'b.2'));
    await expect(there.join(from('1.1.1.1', 'a.4'))).rejects.toEqual(refusedWith('too-many-channels'));
    await there.join(from('3.3.3.3', 'c.1'));
    await expect(there.join(from('4.4.4.4', 'd.1'))).rejects.toEqual(refusedWith('too-many-channels'));
    // What is there may be followed, and publishers have their room.
    await there.join(from('4.4.4.4', 'a.1', 'b.1'));
    for (const channel of ['p.1', 'p.2']) await publishTo(here, channel, 'x');
  });
}

function describeForgetting(start: Start): void {
  it('readHistory() since before the store began is a gap', async () => {
    await using fixture = await start(defaults);
    const [here, there] = ends(fixture);
    await publishTo(here, 'a', '1');
    const read = (since: string) => there.readHistory('a', { since, last: undefined, limit: 2 });
    const page = await read('1h');
    expect(page.events.map(({ data }) => data)).toEqual(['1']);
    expect(page.gaps).toMatchObject([{ reason: 'epoch', channel: 'a', requested: '1h' }]);
    expect((await read(new Date(Date.now() - 3_600_000).toISOString())).gaps).toMatchObject([{ reason: 'epoch' }]);
    expect((await read('0ms')).gaps).toEqual([]);
    expect(here.store.life).toEqual(there.store.life);
  });

  it('join() knows what each forgotten channel has lost, and nothing of what another has', async () => {
    await using fixture = await start({ ...defaults, history: { ...DEFAULT_HISTORY, ageMs: 50 } });
    const [here, there] = ends(fixture);
    const [first] = await publishTo(here, 'a', '1');
    await publishTo(there, 'b', '2');
    await expect.poll(() => namesKept(fixture), { timeout: 10_000 }).toEqual([]);
    const [a, b, c] = await there.join(connectionTo('a', 'b', 'c'));
    const offset = Number(first?.cursor.split('-')[1]);
    expect([a, b, c].map((channel) => channel?.history.evictedOffset)).toEqual([offset, offset + 1, 0]);
  });

  it('end() frees the name once its history is too old, though somebody follows another channel beside it', async () => {
    await using fixture = await start({ ...defaults, history: { ...DEFAULT_HISTORY, ageMs: 50 } });
    const [here, there] = ends(fixture);
    const reader = connectionTo('a', 'b');
    const [old] = await here.join(reader);
    await publishTo(there, 'a', 'old');
    await there.end('a');
    await expect.poll(() => old?.isEnded).toBe(true);
    const renewed = async (): Promise<string> => {
      keepUp(fixture);
      return publishTo(there, 'a', 'new').then(
        () => 'published',
        ({ code }: { readonly code: string }) => code,
      );
    };
    await expect.poll(renewed, { timeout: 10_000 }).toBe('published');
    const other = connectionTo('a');
    const [channel] = await here.join(other);
    expect(channel).not.toBe(old);
    expect(channel?.isEnded).toBe(false);
    await publishTo(there, 'a', 'newer');
    await publishTo(there, 'b', 'still');
    await expect.poll(() => dataOf(here, 'a').at(-1)).toBe('newer');
    await expect.poll(() => dataOf(here, 'b')).toEqual(['still']);
    // Whoever was told of the end hears nothing of what came after it.
    expect(old?.isEnded).toBe(true);
    here.leave(reader);
    await publishTo(there, 'a', 'newest');
    await expect.poll(() => dataOf(here, 'a').at(-1)).toBe('newest');
    here.leave(other);
    await expect.poll(() => namesKept(fixture), { timeout: 10_000 }).toEqual([]);
  });
}

function keepUp({ nodes }: BackplaneFixture): void {
  for (const node of nodes) for (let share = 0; share < 16; share += 1) node.keepUp();
}

async function namesKept(fixture: BackplaneFixture): Promise<readonly string[]> {
  keepUp(fixture);
  const [here] = ends(fixture);
  const { channels } = await here.listChannels({ after: '', limit: 10, isAll: true, visible: ['*'] });
  return channels.map(({ name }) => name);
}
