import { expect, test } from 'vitest';

import { HubServer } from '../support/hub-server.js';

test('drain() sends subscribers away over its window, each with a time of its own to come back', async () => {
  await using hub = await HubServer.start({ drainMs: 300, retryMs: 1000 });
  const clients = await Promise.all(Array.from({ length: 30 }, () => hub.subscribe('a')));
  const left: number[] = [];
  const startedMs = performance.now();
  const leaving = clients.map(async (client) => {
    await client.ended();
    left.push(performance.now() - startedMs);
  });
  const drained = hub.hub.drain();
  await Promise.all([...leaving, drained]);
  expect(performance.now() - startedMs).toBeLessThan(3000);
  expect(Math.max(...left) - Math.min(...left)).toBeGreaterThan(150);
  for (const client of clients) {
    const { type, data } = client.events.at(-1) ?? { type: '', data: '{}' };
    expect(type).toBe('tidegate.error');
    expect(JSON.parse(data)).toMatchObject({ code: 'draining', retryable: true });
  }
  const retries = clients.map((client) => client.retries.at(-1) ?? 0);
  expect(Math.min(...retries)).toBeGreaterThanOrEqual(500);
  expect(Math.max(...retries)).toBeLessThanOrEqual(1500);
  expect(new Set(retries).size).toBeGreaterThan(10);
});

test('a draining hub takes nobody and nothing new, and says so to who asks', async () => {
  await using hub = await HubServer.start({ drainMs: 10_000 });
  await using first = await (await hub.subscribe('a')).event('tidegate.live');
  await using second = await (await hub.subscribe('a')).event('tidegate.live');
  void hub.hub.drain();
  await first.ended();
  expect((await hub.get('/ready')).body).toMatchObject({ code: 'draining', status: 503 });
  expect((await hub.get('/health')).body).toEqual({ status: 'ok' });
  expect((await hub.get('/subscribe/a')).body).toMatchObject({ code: 'draining' });
  expect((await hub.publish('a', 'x')).headers.get('retry-after')).toBe('2');
  expect(second.isEnded).toBe(false);
});

test('drain() ends within a bound where a subscriber reads nothing', async () => {
  await using hub = await HubServer.start({ drainMs: 100 });
  await using stuck = await (await hub.subscribe('a')).event('tidegate.live');
  stuck.pause();
  for (let at = 0; at < 2000; at += 1) {
    await hub.hub.publish('a', { data: 'x'.repeat(10_000) });
    if (at % 20 === 19) await new Promise(setImmediate);
  }
  const startedMs = performance.now();
  await hub.hub.drain();
  expect(performance.now() - startedMs).toBeLessThan(2500);
});
