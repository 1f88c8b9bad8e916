import { expect, test } from 'vitest';

import { checkDelivery } from '../support/checker.js';
import type { ReceivedItem } from '../support/checker.js';
import { HubServer } from '../support/hub-server.js';
import type { StreamClient } from '../support/stream-client.js';

const gapOf = (client: StreamClient): Record<string, unknown> =>
  JSON.parse(client.events.find(({ type }) => type === 'tidegate.gap')?.data ?? '{}');

async function publishNumbers(hub: HubServer, channel: string, from: number, to: number): Promise<void> {
  for (let at = from; at <= to; at += 1) await hub.hub.publish(channel, { data: String(at) });
}

const numbers = (from: number, to: number): readonly string[] =>
  Array.from({ length: to - from + 1 }, (_, at) => String(from + at));

test('a client resumes by header or by query exactly where it was; the header is newer', async () => {
  await using hub = await HubServer.start();
  await publishNumbers(hub, 'a', 1, 10);
  await using first = await hub.subscribe('a?last=all');
  await first.until(({ data }) => data.length === 10);
  const cursor = first.events.find(({ data }) => data === '4')?.lastEventId ?? '';
  await using byHeader = await hub.subscribe('a?lastEventId=~aaaaaaaaaa-1', { 'Last-Event-ID': cursor });
  await using byQuery = await hub.subscribe(`a?lastEventId=${cursor}`);
  await using bySince = await hub.subscribe(`a?since=${cursor}`);
  for (const client of [byHeader, byQuery, bySince]) {
    await client.event('tidegate.live');
    expect(client.data).toEqual(numbers(5, 10));
    expect(client.events[0]).toMatchObject({ type: 'tidegate.open', lastEventId: cursor });
    expect(client.types).not.toContain('tidegate.gap');
  }
});

test('a quiet channel loses nothing that was published while its client was away', async () => {
  await using hub = await HubServer.start();
  const first = await (await hub.subscribe('a')).event('tidegate.live');
  const { lastEventId } = first;
  await first[Symbol.asyncDispose]();
  await publishNumbers(hub, 'a', 1, 3);
  await using again = await hub.subscribe('a', { 'Last-Event-ID': lastEventId });
  await again.until(({ data }) => data.length === 3);
  expect(again.data).toEqual(['1', '2', '3']);
});

test('last=N and last=all begin in the past, without a word on what was not asked for', async () => {
  await using hub = await HubServer.start({ history: { events: 5 } });
  await publishNumbers(hub, 'a', 1, 8);
  for (const [last, expected] of [
    ['2', numbers(7, 8)],
    ['all', numbers(4, 8)],
    ['99', numbers(4, 8)],
    ['0', []],
  ] as const) {
    await using client = await hub.subscribe(`a?last=${last}`);
    await client.event('tidegate.live');
    expect(client.data).toEqual(expected);
    expect(client.types).not.toContain('tidegate.gap');
  }
});

test('since= takes a time and a duration', async () => {
  let now = Date.parse('2026-01-01T00:00:00Z');
  await using hub = await HubServer.start({ clock: { now: () => now, after: () => () => undefined } });
  for (let minute = 0; minute < 4; minute += 1) {
    await hub.hub.publish('a', { data: `minute ${minute}` });
    now += 60_000;
  }
  for (const since of [
    '2026-01-01T00:02:00Z',
    '2026-01-01T01:02:00+01:00',
    '2026-01-01T01:02:00%2B01:00',
    '2m',
    '120s',
  ]) {
    await using client = await hub.subscribe(`a?since=${since}`);
    await client.event('tidegate.live');
    expect(client.data).toEqual(['minute 2', 'minute 3']);
  }
});

test('a client whose cursor was evicted gets the gap first and then everything kept', async () => {
  await using hub = await HubServer.start({ history: { events: 3 } });
  await using first = await (await hub.subscribe('a')).event('tidegate.live');
  const { lastEventId } = first;
  await publishNumbers(hub, 'a', 1, 5);
  await first.until(({ data }) => data.length === 5);
  await using again = await hub.subscribe('a', { 'Last-Event-ID': lastEventId });
  await again.event('tidegate.live');
  expect(again.types.slice(0, 2)).toEqual(['tidegate.open', 'tidegate.gap']);
  expect(gapOf(again)).toEqual({
    reason: 'evicted',
    channel: 'a',
    requested: lastEventId,
    resumedAt: lastEventId.replace(/0$/, '2'),
  });
  expect(again.data).toEqual(numbers(3, 5));
  // Cut before the gap came, the client would ask again with the cursor it had.
  expect(again.events[0]?.lastEventId).toBe(lastEventId);
  expect(again.events[1]?.lastEventId).toBe(gapOf(again)['resumedAt']);
});

test('a since= before what is kept is a gap too', async () => {
  let now = Date.parse('2026-01-01T00:00:00Z');
  await using hub = await HubServer.start({
    history: { ageMs: 60_000 },
    clock: { now: () => now, after: () => () => undefined },
  });
  now += 600_000;
  await hub.hub.publish('a', { data: 'old' });
  now += 90_000;
  await hub.hub.publish('a', { data: 'new' });
  await using client = await hub.subscribe('a?since=5m');
  await client.event('tidegate.live');
  expect(gapOf(client)).toMatchObject({ reason: 'evicted', requested: '5m' });
  expect(client.data).toEqual(['new']);
});

test('a since= before the store began is a gap with reason epoch, also in history; from then on it is none', async () => {
  const beganMs = Date.parse('2026-01-01T00:00:00Z');
  let now = beganMs;
  await using hub = await HubServer.start({ clock: { now: () => now, after: () => () => undefined } });
  now += 60_000;
  await hub.hub.publish('a', { data: 'one' });
  await hub.hub.publish('b', { data: 'two' });
  for (const since of ['1h', '60001ms', '2025-12-31T23:59:59.999Z']) {
    await using client = await hub.subscribe(`?channel=a&channel=b&channel=c&since=${since}`);
    await client.event('tidegate.live');
    const gaps = client.events
      .filter(({ type }) => type === 'tidegate.gap')
      .map(({ data }) => JSON.parse(data) as object);
    expect(gaps).toMatchObject(['a', 'b', 'c'].map((channel) => ({ channel, reason: 'epoch', requested: since })));
    expect(client.data).toEqual(['one', 'two']);
    // No cut can hide it: who comes back without an id asks the same again.
    expect(client.events[0]?.lastEventId).toBe('');
    const page = (await hub.get(`/channels/a/history?since=${since}`)).body;
    expect(page['gaps']).toMatchObject([{ channel: 'a', reason: 'epoch' }]);
    expect(page['events']).toMatchObject([{ data: 'one' }]);
  }
  for (const since of ['60s', '2026-01-01T00:00:00Z', '5s']) {
    await using client = await hub.subscribe(`a?since=${since}`);
    await client.event('tidegate.live');
    expect(client.types).not.toContain('tidegate.gap');
    expect((await hub.get(`/channels/a/history?since=${since}`)).body['gaps']).toEqual([]);
  }
});

test('a channel that was forgotten still remembers that it lost something', async () => {
  let now = Date.now();
  await using hub = await HubServer.start({
    heartbeatMs: 16,
    history: { ageMs: 60_000 },
    clock: { now: () => now, after: () => () => undefined },
  });
  const first = await (await hub.subscribe('a')).event('tidegate.live');
  const { lastEventId } = first;
  await first[Symbol.asyncDispose]();
  await publishNumbers(hub, 'a', 1, 3);
  now += 120_000;
  await expect.poll(async () => (await hub.get('/channels?all=true')).body['channels']).toEqual([]);
  await using again = await hub.subscribe('a', { 'Last-Event-ID': lastEventId });
  await again.event('tidegate.live');
  expect(gapOf(again)).toMatchObject({ reason: 'evicted' });
});

test('a hub that was restarted tells of the gap and gives everything published after', async () => {
  const before = await HubServer.start();
  const client = await (await before.subscribe('a')).event('tidegate.live');
  const { lastEventId } = client;
  await before[Symbol.asyncDispose]();
  await using after = await HubServer.start();
  await publishNumbers(after, 'a', 1, 3);
  await using again = await after.subscribe('a', { 'Last-Event-ID': lastEventId });
  await again.event('tidegate.live');
  expect(gapOf(again)).toMatchObject({ reason: 'epoch', requested: lastEventId });
  expect(again.data).toEqual(['1', '2', '3']);
});

test('cut between a publisher’s own id and its cursor, a client gets too much, never too little', async () => {
  await using hub = await HubServer.start();
  for (const id of ['x', 'y', 'x', 'z']) await hub.hub.publish('a', { id, data: `${id}!` });
  await using known = await hub.subscribe('a', { 'Last-Event-ID': 'x' });
  await known.event('tidegate.live');
  expect(known.data).toEqual(['y!', 'x!', 'z!']);
  await using unknown = await hub.subscribe('a', { 'Last-Event-ID': 'nobody’s' });
  await unknown.event('tidegate.live');
  expect(gapOf(unknown)).toMatchObject({ reason: 'unknown-id', requested: 'nobody’s' });
  expect(unknown.data).toEqual(['x!', 'y!', 'x!', 'z!']);
});

test.each([
  ['?since=yesterday', {}, 'invalid-cursor'],
  ['?since=~aaaaaaaaaa-', {}, 'invalid-cursor'],
  ['?last=many', {}, 'invalid-query'],
  ['?last=-1', {}, 'invalid-query'],
  ['?envelope=xml', {}, 'invalid-query'],
])('subscribe%s is refused', async (query, headers, code) => {
  await using hub = await HubServer.start();
  const { status, body } = await hub.get(`/subscribe/a${query}`, headers);
  expect(status).toBe(400);
  expect(body).toMatchObject({ code });
});

test('a cursor ahead of the store is impossible, and refused', async () => {
  await using hub = await HubServer.start();
  const { body } = await hub.publish('a', 'x');
  const { status, body: problem } = await hub.get('/subscribe/a', {
    'Last-Event-ID': String(body['cursor']).replace(/1$/, '2'),
  });
  expect(status).toBe(400);
  expect(problem).toMatchObject({ code: 'invalid-cursor' });
});

test('backfill, cutover and live neither lose nor repeat while a publisher never stops', async () => {
  await using hub = await HubServer.start({ history: { events: 100_000, bytes: 1e9 } });
  const published: { channel: string; key: string }[] = [];
  let isOver = false;
  const publisher = (async () => {
    while (!isOver) {
      for (let burst = 0; burst < 20; burst += 1) {
        const key = `${published.length} ${'x'.repeat(published.length % 700)}`;
        published.push({ channel: 'a', key });
        await hub.hub.publish('a', { data: key });
      }
      await new Promise(setImmediate);
    }
  })();
  const readers = Array.from({ length: 8 }, (_, at) => ({ at, received: [] as ReceivedItem[], lastEventId: '' }));
  const readOnce = async (
    reader: (typeof readers)[number],
    isEnough: (client: StreamClient) => boolean,
  ): Promise<void> => {
    const headers: Record<string, string> = reader.lastEventId === '' ? {} : { 'Last-Event-ID': reader.lastEventId };
    await using client = await hub.subscribe('a?last=all', headers);
    await client.until(isEnough);
    await client[Symbol.asyncDispose]();
    reader.received.push(...client.received('a'));
    ({ lastEventId: reader.lastEventId } = client);
  };
  await Promise.all(
    readers.map(async (reader) => {
      for (let life = 0; life < 6; life += 1) {
        const target = 50 + 400 * ((reader.at + life) % 4);
        await readOnce(reader, ({ data }) => data.length > target);
      }
    }),
  );
  isOver = true;
  await publisher;
  const end = published.at(-1)?.key ?? '';
  await Promise.all(
    readers.map((reader) =>
      readOnce(reader, ({ lastEventId, data }) => data.includes(end) || isHead(lastEventId, published.length)),
    ),
  );
  const delivered = readers.map(({ at, received }) => ({ name: `reader ${at}`, channels: ['a'], received }));
  expect(checkDelivery(published, delivered)).toEqual([]);
  expect(published.length).toBeGreaterThan(1000);
}, 60_000);

/** Whether a client that has `cursor` has all `count` events of a hub that published no other. */
function isHead(cursor: string, count: number): boolean {
  return cursor.endsWith(`-${count}`);
}
