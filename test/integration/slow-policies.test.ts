import { describe, expect, test } from 'vitest';

import { ManualClock } from '../support/clocks.js';
import { HubServer } from '../support/hub-server.js';
import type { StreamClient } from '../support/stream-client.js';

const PAD = 'x'.repeat(10_000);
const KEYS = 20;

const quote = (at: number): string => JSON.stringify({ symbol: `s${at % KEYS}`, price: at, pad: PAD });
const priceOf = (data: string): number => (JSON.parse(data) as { price?: number }).price ?? -1;
const symbolOf = (data: string): string => (JSON.parse(data) as { symbol: string }).symbol;

const LATEST = [{ match: 'prices.*', slow: 'latest', key: '/symbol' }] as const;
const DISCONNECT = [{ match: 'a', slow: 'disconnect' }] as const;

/** Far more than sockets hold, at the pace at which a reader keeps up. */
async function publishMuch(hub: HubServer, channel: string, count: number, healthy: StreamClient): Promise<void> {
  for (let at = 0; at < count; at += 1) {
    await hub.hub.publish(channel, { data: quote(at) });
    if (at % 50 !== 49) continue;
    await healthy.until(({ data }) => priceOf(data.at(-1) ?? '{}') >= at - 100);
  }
  await healthy.until(({ data }) => priceOf(data.at(-1) ?? '{}') === count - 1);
}

async function metric(hub: HubServer, name: string): Promise<number> {
  const { body } = await hub.get('/metrics');
  return Number(new RegExp(`^${name} (\\d+)$`, 'm').exec(String(body['text']))?.[1]);
}

describe('latest', () => {
  test('a reader that falls behind gets the newest of every key, none older after a newer, and is told', async () => {
    await using hub = await HubServer.start({ channels: LATEST });
    await using stuck = await (await hub.subscribe('prices.x')).event('tidegate.live');
    await using healthy = await (await hub.subscribe('prices.x')).event('tidegate.live');
    stuck.pause();
    const count = 3000;
    await publishMuch(hub, 'prices.x', count, healthy);
    stuck.resume();
    await stuck.until(({ lastEventId }) => lastEventId === healthy.lastEventId);
    for (const client of [stuck, healthy]) {
      const newest = new Map<string, number>();
      for (const data of client.data) {
        expect(priceOf(data)).toBeGreaterThan(newest.get(symbolOf(data)) ?? -1);
        newest.set(symbolOf(data), priceOf(data));
      }
      const expected = Array.from({ length: KEYS }, (_, at) => [`s${at}`, count - KEYS + at]);
      expect(Object.fromEntries(newest)).toEqual(Object.fromEntries(expected));
    }
    expect(stuck.data.length).toBeLessThan(count / 2);
    expect(stuck.types).not.toContain('tidegate.gap');
    const told = stuck.events.filter(({ type }) => type === 'tidegate.conflated');
    expect(told.length).toBeGreaterThan(0);
    for (const { data } of told) expect(JSON.parse(data)).toMatchObject({ channels: ['prices.x'] });
    expect(await metric(hub, 'tidegate_events_conflated_total')).toBeGreaterThanOrEqual(count - stuck.data.length);
  });

  test('what was passed over is told at most once a second, and in the end all of it', async () => {
    const clock = new ManualClock();
    await using hub = await HubServer.start({ channels: LATEST, clock });
    await using client = await (await hub.subscribe('prices.x')).event('tidegate.live');
    const told = (): readonly number[] =>
      client.events
        .filter(({ type }) => type === 'tidegate.conflated')
        .map(({ data }) => (JSON.parse(data) as { skipped: number }).skipped);
    // Several of one key in one turn of the loop: all but the last are passed over.
    const burst = async (): Promise<void> => {
      await Promise.all(
        [1, 2, 3, 4, 5].map((price) => hub.hub.publish('prices.x', { data: `{"symbol":"s","price":${price}}` })),
      );
      const before = client.data.length;
      await client.until(({ data }) => data.length > before);
    };
    for (let round = 0; round < 3; round += 1) await burst();
    expect(told()).toHaveLength(1);
    clock.advance(999);
    await burst();
    expect(told()).toHaveLength(1);
    clock.advance(1);
    await burst();
    await client.until(() => told().length === 2);
    const skipped = told().reduce((sum, count) => sum + count, 0);
    expect(skipped + client.data.length).toBe(25);
  });

  test('last=all is the snapshot, whoever asks for it: subscriber, history page, several channels', async () => {
    await using hub = await HubServer.start({ channels: LATEST });
    for (let at = 0; at < 100; at += 1)
      await hub.hub.publish('prices.x', { data: `{"symbol":"s${at % 3}","price":${at}}` });
    await hub.hub.publish('plain', { data: '1' });
    const snapshot = [97, 98, 99];
    await using client = await (await hub.subscribe('prices.x?last=all')).event('tidegate.live');
    expect(client.data.map(priceOf)).toEqual(snapshot);
    await using merged = await (await hub.subscribe('?channel=prices.x&channel=plain&last=all')).event('tidegate.live');
    expect(merged.data).toHaveLength(4);
    const { body } = await hub.get('/channels/prices.x/history');
    expect((body['events'] as readonly { data: string }[]).map(({ data }) => priceOf(data))).toEqual(snapshot);
    await using two = await (await hub.subscribe('prices.x?last=2')).event('tidegate.live');
    expect(two.data.map(priceOf)).toEqual([98, 99]);
  });

  test('who resumes gets the newest of each key behind its cursor, and is told what it passed over', async () => {
    await using hub = await HubServer.start({ channels: LATEST });
    const { cursor } = await hub.hub.publish('prices.x', { data: '{"symbol":"a","price":1}' });
    for (let price = 2; price <= 9; price += 1)
      await hub.hub.publish('prices.x', { data: `{"symbol":"a","price":${price}}` });
    await using client = await hub.subscribe('prices.x', { 'Last-Event-ID': cursor });
    await client.event('tidegate.conflated');
    expect(client.data.map(priceOf)).toEqual([9]);
    expect(client.types).not.toContain('tidegate.gap');
    expect(JSON.parse(client.events.find(({ type }) => type === 'tidegate.conflated')?.data ?? '')).toEqual({
      channels: ['prices.x'],
      skipped: 7,
    });
  });

  test('memory is bounded by the number of keys, and a key given up is a gap', async () => {
    await using hub = await HubServer.start({ channels: LATEST, history: { events: 50 } });
    const { cursor } = await hub.hub.publish('prices.x', { data: '{"symbol":"first"}' });
    for (let at = 0; at < 500; at += 1)
      await hub.hub.publish('prices.x', { data: `{"symbol":"s${at}","pad":"${PAD}"}` });
    expect((await hub.get('/channels/prices.x')).body).toMatchObject({ events: 50 });
    expect(await metric(hub, 'tidegate_history_bytes')).toBeLessThan(50 * 11_000);
    await using client = await (await hub.subscribe(`prices.x?since=${cursor}`)).event('tidegate.gap');
    expect(JSON.parse(client.events[1]?.data ?? '')).toMatchObject({ reason: 'evicted', channel: 'prices.x' });
  });

  test('a newest value does not age, until its channel has ended', async () => {
    const clock = new ManualClock();
    await using hub = await HubServer.start({ channels: LATEST, clock, history: { ageMs: 1000 } });
    await hub.hub.publish('prices.x', { data: '{"symbol":"a"}' });
    clock.advance(3_600_000);
    expect((await hub.get('/channels/prices.x')).body).toMatchObject({ events: 1 });
    await hub.hub.end('prices.x');
    clock.advance(2000);
    expect((await hub.get('/channels/prices.x')).body).toMatchObject({ events: 0, isEnded: true });
  });
});

describe('disconnect', () => {
  test('a reader that history has moved past is sent away, and told of the gap when it comes back', async () => {
    await using hub = await HubServer.start({ channels: DISCONNECT, history: { events: 200 }, retryMs: 100 });
    await using stuck = await (await hub.subscribe('a')).event('tidegate.live');
    await using healthy = await (await hub.subscribe('a')).event('tidegate.live');
    stuck.pause();
    await publishMuch(hub, 'a', 3000, healthy);
    stuck.resume();
    await expect.poll(() => stuck.isEnded, { timeout: 10_000 }).toBe(true);
    expect(stuck.types).not.toContain('tidegate.gap');
    expect(JSON.parse(stuck.events.at(-1)?.data ?? '')).toMatchObject({ code: 'too-slow', retryable: true });
    expect(healthy.data).toHaveLength(3000);
    expect(await metric(hub, 'tidegate_subscribers_too_slow_total')).toBe(1);
    await using again = await hub.subscribe('a', { 'Last-Event-ID': stuck.lastEventId });
    await again.event('tidegate.live');
    expect(JSON.parse(again.events.find(({ type }) => type === 'tidegate.gap')?.data ?? '')).toMatchObject({
      reason: 'evicted',
      requested: stuck.lastEventId,
    });
  });

  test('one that takes nothing at all is cut at the next heartbeat, long before it counts as stalled', async () => {
    await using hub = await HubServer.start({ channels: DISCONNECT, history: { events: 200 }, heartbeatMs: 100 });
    await using stuck = await (await hub.subscribe('a')).event('tidegate.live');
    await using healthy = await (await hub.subscribe('a')).event('tidegate.live');
    stuck.pause();
    await publishMuch(hub, 'a', 3000, healthy);
    await expect.poll(() => metric(hub, 'tidegate_subscribers')).toBe(1);
    expect(await metric(hub, 'tidegate_subscribers_stalled_total')).toBe(0);
  });
});
