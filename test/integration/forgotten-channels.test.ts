import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

import { expect, test } from 'vitest';

import { MemoryBackplane } from '../../src/hub/backplane/memory.js';
import { DEFAULT_HISTORY, DEFAULT_LIMITS } from '../../src/hub/index.js';
import { HubServer } from '../support/hub-server.js';

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

const CHANNELS_AT_A_TIME = 500;

test('channels that come and go, such as one for each answer of a language model, leave nothing behind', async () => {
  let nowMs = 0;
  const backplane = new MemoryBackplane({
    history: { ...DEFAULT_HISTORY, ageMs: 1000 },
    limits: DEFAULT_LIMITS,
    nowMs: () => nowMs,
    channelTtlMs: 0,
  });
  collectGarbage();
  const before = process.memoryUsage().heapUsed;
  for (let at = 0; at < 100 * CHANNELS_AT_A_TIME; at += 1) {
    await backplane.publish({ channels: [`answer-${at}`], events: [{ data: 'x' }] });
    nowMs += 1000 / CHANNELS_AT_A_TIME;
    // Sixteen sweeps look at every channel once.
    if (at % 10 === 0) backplane.keepUp();
  }
  collectGarbage();
  const grown = process.memoryUsage().heapUsed - before;
  expect(backplane.store.channels.size).toBeLessThan(2 * CHANNELS_AT_A_TIME);
  // A channel takes about one: fifty thousand of them came.
  expect(grown / 1024).toBeLessThan(5000);
});

test('a quiet channel is told of no gap because another was forgotten, and of its own when it was', async () => {
  let now = Date.parse('2026-01-01T00:00:00Z');
  await using hub = await HubServer.start({
    history: { ageMs: 1000 },
    heartbeatMs: 16,
    clock: { now: () => now, after: () => () => undefined },
  });
  await using client = await (await hub.subscribe('quiet')).event('tidegate.live');
  const cursor = client.lastEventId;
  await client[Symbol.asyncDispose]();
  for (let at = 0; at < 50; at += 1) await hub.publish(`busy-${at}`, 'x');
  now += 1001;
  await expect
    .poll(async () => (await hub.get('/channels?all=true')).body['channels'], { timeout: 10_000 })
    .toEqual([]);
  await using again = await hub.subscribe('quiet', { 'Last-Event-ID': cursor });
  await again.event('tidegate.live');
  expect(again.types).toEqual(['tidegate.open', 'tidegate.live']);
  await using since = await (await hub.subscribe('quiet?since=1s')).event('tidegate.live');
  expect(since.types).not.toContain('tidegate.gap');
  await using busy = await hub.subscribe('busy-7', { 'Last-Event-ID': cursor });
  await busy.event('tidegate.live');
  expect(busy.types).toEqual(['tidegate.open', 'tidegate.gap', 'tidegate.live']);
});
