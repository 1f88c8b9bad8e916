import { expect, test } from 'vitest';

import { ManualClock } from '../support/clocks.js';
import { HubServer } from '../support/hub-server.js';

const MAX_STREAM_MS = 100_000;
const STREAMS = 40;

async function metric(hub: HubServer, name: string): Promise<number> {
  const { body } = await hub.get('/metrics');
  return Number(new RegExp(`^${name} (\\d+)`, 'm').exec(String(body['text']))?.[1]);
}

test('maxStreamMs ends every stream in the last quarter of it, each at a time of its own', async () => {
  const clock = new ManualClock();
  await using hub = await HubServer.start({ maxStreamMs: MAX_STREAM_MS, heartbeatMs: 100, clock });
  const clients = await Promise.all(Array.from({ length: STREAMS }, () => hub.subscribe('a')));
  for (const client of clients) await client.event('tidegate.live');
  // Upkeep has passed once those that are left had a heartbeat, or the end.
  const heartbeats = async (count: number): Promise<void> => {
    const before = await metric(hub, 'tidegate_writes_total');
    await expect.poll(() => metric(hub, 'tidegate_writes_total')).toBeGreaterThanOrEqual(before + Math.min(count, 3));
  };
  clock.advance(MAX_STREAM_MS * 0.75 - 1000);
  await heartbeats(STREAMS);
  expect(clients.filter(({ isEnded }) => isEnded)).toEqual([]);
  const endedAfter: number[] = [];
  for (let tenth = 1; tenth <= 10; tenth += 1) {
    clock.advance(MAX_STREAM_MS / 40);
    await heartbeats(STREAMS - (endedAfter.at(-1) ?? 0));
    endedAfter.push(clients.filter(({ isEnded }) => isEnded).length);
  }
  clock.advance(2000);
  await expect.poll(() => metric(hub, 'tidegate_subscribers')).toBe(0);
  expect(new Set(endedAfter).size).toBeGreaterThan(3);
  for (const client of clients) {
    await client.ended();
    expect(JSON.parse(client.events.at(-1)?.data ?? '')).toMatchObject({ code: 'stream-expired', retryable: true });
  }
});

test('a stream that has expired tells the cursor, and the client goes on there and lacks nothing', async () => {
  const clock = new ManualClock();
  await using hub = await HubServer.start({ maxStreamMs: MAX_STREAM_MS, heartbeatMs: 100, clock });
  for (const target of ['a', '?channel=a&channel=b']) {
    await using client = await (await hub.subscribe(target)).event('tidegate.live');
    // Its own id is no place in the order: the cursor that follows is.
    await hub.hub.publish('a', { data: `first ${target}`, id: 'own' });
    await client.event('message');
    clock.advance(MAX_STREAM_MS + 2000);
    await client.ended();
    expect(client.retries.at(-1)).toBeGreaterThan(0);
    const cursor = client.lastEventId;
    expect(cursor).toMatch(/^~/);
    await hub.hub.publish('a', { data: `second ${target}` });
    await using again = await (await hub.subscribe(target, { 'Last-Event-ID': cursor })).event('message');
    expect(again.data).toEqual([`second ${target}`]);
    expect(again.types).not.toContain('tidegate.gap');
  }
});

test('without maxStreamMs streams live on', async () => {
  const clock = new ManualClock();
  await using hub = await HubServer.start({ heartbeatMs: 100, clock });
  await using client = await (await hub.subscribe('a')).event('tidegate.live');
  clock.advance(365 * 86_400_000);
  await client.until(({ comments }) => comments.length > 2);
  expect(client.isEnded).toBe(false);
});
