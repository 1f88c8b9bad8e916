import { expect, test } from 'vitest';

import { HubServer } from '../support/hub-server.js';

const AGE_MS = 40;

/** Publishes until the name is free. */
async function renew(hub: HubServer, channel: string, data: string): Promise<void> {
  await expect.poll(async () => (await hub.publish(channel, data)).status, { timeout: 10_000 }).toBe(200);
}

test('a reader of two channels does not hold the name of the one whose end it was told', async () => {
  await using hub = await HubServer.start({ history: { ageMs: AGE_MS }, heartbeatMs: 32 });
  await using old = await (await hub.subscribe('?channel=a&channel=b')).event('tidegate.live');
  await hub.hub.end('a');
  await old.event('tidegate.end');
  await renew(hub, 'a', 'new');
  await using fresh = await (await hub.subscribe('?channel=a&channel=b')).event('tidegate.live');
  await using single = await (await hub.subscribe('a')).event('tidegate.live');
  await hub.publish('a', 'for the new');
  await hub.publish('b', 'for both');
  await old.until(({ data }) => data.includes('for both'));
  await fresh.until(({ data }) => data.includes('for both'));
  expect(old.data).toEqual(['for both']);
  expect(fresh.data).toEqual(['for the new', 'for both']);
  expect(fresh.types).not.toContain('tidegate.end');
  await old[Symbol.asyncDispose]();
  await hub.publish('a', 'after the old has gone');
  await fresh.until(({ data }) => data.includes('after the old has gone'));
  await single.until(({ data }) => data.includes('after the old has gone'));
  expect((await hub.get('/channels/a')).body).toMatchObject({ subscribers: 2, isEnded: false });
});

test('a stream that begins behind the end of one of its channels is told of that end', async () => {
  await using hub = await HubServer.start();
  await hub.publish('a', 'x');
  await hub.hub.end('a');
  await using client = await (await hub.subscribe('?channel=a&channel=b')).event('tidegate.live');
  expect(client.types).toEqual(['tidegate.open', 'tidegate.end', 'tidegate.live']);
  expect(client.events[1]).toMatchObject({ data: '{"channel":"a"}' });
  await using all = await (await hub.subscribe('?channel=a&channel=b&last=all')).event('tidegate.live');
  expect(all.types.filter((type) => type === 'tidegate.end')).toHaveLength(1);
  // It comes back with the id that it had, and is not told twice of what it had not passed.
  expect(client.events[1]?.lastEventId).toBe(client.events[0]?.lastEventId);
});

test('a client whose cursor is before an end that history has given up is told of the end with its gap', async () => {
  let now = Date.now();
  await using hub = await HubServer.start({
    history: { ageMs: 60_000, events: 1 },
    clock: { now: () => now, after: () => () => undefined },
  });
  await using first = await (await hub.subscribe('?channel=a&channel=b')).event('tidegate.live');
  const cursor = first.lastEventId;
  await hub.publish('a', 'x');
  await hub.hub.end('a');
  now += 60_001;
  await hub.publish('b', 'y');
  await using again = await hub.subscribe('?channel=a&channel=b', { 'Last-Event-ID': cursor });
  await again.event('tidegate.live');
  expect(again.types.slice(0, 3)).toEqual(['tidegate.open', 'tidegate.gap', 'tidegate.end']);
  expect(again.data).toEqual(['y']);
});
