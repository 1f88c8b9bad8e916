import { describe, expect, it } from 'vitest';

import { start } from '../../../test/support/cli.js';
import type { TestRun } from '../../../test/support/cli.js';
import { BridgingHub } from '../../../test/support/bridging-hub.js';
import { freePort } from '../../../test/support/free-port.js';
import { HubServer } from '../../../test/support/hub-server.js';
import { hasRedis, startRedis } from '../../../test/support/redis-server.js';

describe('tidegate generate', () => {
  it('publishes as many made-up events as are asked for, each once and in order', async () => {
    await using hub = await HubServer.start();
    await using run: TestRun = start(['generate', 'news', '--url', hub.url, '--count', '1200', '--rate', 'max']);
    expect(await run.exit).toBe(0);
    expect(run.stderr.text).toBe('published 1200 events\n');
    await using client = await hub.subscribe('news?last=all');
    await client.event('tidegate.live');
    const ids = client.data.map((data) => (JSON.parse(data) as { id: number }).id);
    expect(ids).toEqual(Array.from({ length: 1200 }, (_, at) => 1_000_000 + at));
  });

  it('keeps to its rate and stops when it is told to', async () => {
    await using hub = await HubServer.start();
    await using client = await (await hub.subscribe('news')).event('tidegate.live');
    const startedMs = performance.now();
    await using run: TestRun = start(['generate', 'news', '--url', hub.url, '--rate', '100']);
    await expect.poll(() => client.data.length).toBeGreaterThanOrEqual(30);
    const elapsedMs = performance.now() - startedMs;
    expect(elapsedMs).toBeGreaterThan(250);
    expect(await run.interrupt()).toBe(0);
    expect(run.stderr.text).toMatch(/^published \d+ events\n$/);
  });

  it.skipIf(!hasRedis)('publishes on a Redis channel, for a user as the hub reads it [redis]', async () => {
    await using redis = await startRedis();
    await using hub = await BridgingHub.start({ url: redis.url, bridgeChannels: ['news'] });
    await using ann = await hub.connect('shop', 'ann');
    await expect.poll(() => hub.metric('bridge_held'), { timeout: 10_000 }).toBe(1);
    const flags = ['--redis', redis.url, '--count', '500', '--rate', 'max'];
    await using toUser: TestRun = start(['generate', 'shop:channel:ann', ...flags]);
    await using toChannel: TestRun = start(['generate', 'news', ...flags]);
    expect([await toUser.exit, await toChannel.exit]).toEqual([0, 0]);
    await expect.poll(() => ann.data.length, { timeout: 10_000 }).toBe(500);
    expect(ann.events.find(({ type }) => type === 'edit')?.data).toMatch(/^\{"\$schema":/);
    await expect.poll(() => hub.metric('bridge_published_total'), { timeout: 10_000 }).toBe(1000);
  });

  it('says that Redis does not answer, and nothing of its password', async () => {
    await using run: TestRun = start(['generate', 'news', '--redis', `redis://:hunter2@127.0.0.1:${await freePort()}`]);
    expect(await run.exit).toBe(1);
    expect(run.stderr.text).toMatch(
      /Cannot connect to Redis at 127.0.0.1:\d+: connection refused. Start it or set --redis./,
    );
    expect(run.stderr.text).not.toContain('hunter2');
  });

  it('says why the hub refuses', async () => {
    await using hub = await HubServer.start();
    await hub.hub.end('news');
    await using run: TestRun = start(['generate', 'news', '--url', hub.url]);
    expect(await run.exit).toBe(1);
    expect(run.stderr.text).toMatch(/channel-ended/);
  });
});
