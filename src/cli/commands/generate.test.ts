import { describe, expect, it } from 'vitest';

import { start } from '../../../test/support/cli.js';
import type { TestRun } from '../../../test/support/cli.js';
import { HubServer } from '../../../test/support/hub-server.js';

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

  it('says why the hub refuses', async () => {
    await using hub = await HubServer.start();
    await hub.hub.end('news');
    await using run: TestRun = start(['generate', 'news', '--url', hub.url]);
    expect(await run.exit).toBe(1);
    expect(run.stderr.text).toMatch(/channel-ended/);
  });
});
