// Streams through a real nginx, as deploy/compose/demo sets it up: idle ones stay, and a hub that restarts is waited for.
import { request } from 'node:http';

import type { Browser, Page } from 'playwright-core';
import { expect, test } from 'vitest';

import { hasBrowser, startBrowser } from '../support/browser.js';
import { BuiltCli } from '../support/built-cli.js';
import { startDemoProxy } from '../support/demo-proxy.js';
import { freePort } from '../support/free-port.js';
import { hasNginx } from '../support/nginx.js';
import { StreamClient } from '../support/stream-client.js';
import { createTemporaryFolder } from '../support/temporary-folder.js';

/** A tenth of the default, and of what a proxy may have beside it: 20 s. */
const HEARTBEAT_MS = 1500;
const READ_TIMEOUT = { 'proxy_read_timeout 30s;': 'proxy_read_timeout 2000ms;' };
const NO_REMEDY = { 'error_page 502 503 504 =200 @wait;': '' };

function serve(port: number, cwd: string): BuiltCli {
  const times = ['--hub.heartbeatMs', String(HEARTBEAT_MS), '--hub.retryMs', '200'];
  return new BuiltCli(['serve', '--port', String(port), ...times], cwd);
}

test.skipIf(!hasNginx)(
  'idle streams live through a proxy whose read timeout is four thirds of heartbeatMs (needs nginx)',
  async () => {
    await using folder = await createTemporaryFolder();
    const [port, hubPort] = [await freePort(), await freePort()];
    await using hub = serve(hubPort, folder.path);
    await hub.until(/Hub listening/);
    await using _proxy = await startDemoProxy({ port, hubs: [`127.0.0.1:${hubPort}`], changes: READ_TIMEOUT });
    const clients: StreamClient[] = [];
    // One after the other, so that they come at any time of the interval; the last are written to now and then.
    for (let at = 0; at < 30; at += 1) {
      clients.push(await StreamClient.open(`http://127.0.0.1:${port}/subscribe/${at < 20 ? 'idle' : 'busy'}`));
      await fetch(`http://127.0.0.1:${port}/publish/busy`, { method: 'POST', body: String(at) });
      await clients.at(-1)?.event('tidegate.live');
    }
    for (const client of clients) await client.until(({ comments }) => comments.length >= 5);
    expect(clients.filter(({ isEnded }) => isEnded)).toEqual([]);
    for (const client of clients) await client[Symbol.asyncDispose]();
  },
  40_000,
);

/** A native EventSource in a page that came through the proxy: what it heard, and whether it has given up. */
async function listen(browser: Browser, url: string): Promise<Page> {
  const page = await browser.newPage();
  await page.goto(`${url}/health`);
  await page.evaluate(() => {
    const source = new EventSource('/subscribe/news');
    const heard: string[] = [];
    source.addEventListener('message', ({ data }) => heard.push(String(data)));
    source.addEventListener('tidegate.live', () => heard.push('live'));
    Object.assign(globalThis, { listening: { source, heard } });
  });
  return page;
}

interface Listening {
  readonly source: EventSource;
  readonly heard: readonly string[];
}

const heardBy = (page: Page): Promise<readonly string[]> =>
  page.evaluate(() => (globalThis as unknown as { listening: Listening }).listening.heard);
const stateOf = (page: Page): Promise<number> =>
  page.evaluate(() => (globalThis as unknown as { listening: Listening }).listening.source.readyState);

/** The status of a request that the proxy answers alone. */
function statusOf(port: number, path: string, method: string): Promise<number> {
  return new Promise((resolve, reject) => {
    const sending = request({ port, host: '127.0.0.1', path, method, agent: false }, (response) => {
      response.resume().on('end', () => resolve(response.statusCode ?? 0));
    });
    sending.on('error', reject).end(method === 'POST' ? 'x' : undefined);
  });
}

test.skipIf(!hasNginx || !hasBrowser)(
  'a page behind the proxy goes on after the hub was killed and restarted; without the remedy it has given up (needs nginx and chromium)',
  async () => {
    await using folder = await createTemporaryFolder();
    const [port, barePort, hubPort] = [await freePort(), await freePort(), await freePort()];
    await using first = serve(hubPort, folder.path);
    await first.until(/Hub listening/);
    const hubs = [`127.0.0.1:${hubPort}`];
    await using _proxy = await startDemoProxy({ port, hubs });
    await using _bare = await startDemoProxy({ port: barePort, hubs, changes: NO_REMEDY });
    const browser = await startBrowser();
    try {
      const page = await listen(browser, `http://127.0.0.1:${port}`);
      const lost = await listen(browser, `http://127.0.0.1:${barePort}`);
      for (const one of [page, lost]) await expect.poll(() => heardBy(one)).toEqual(['live']);
      await first.end('SIGKILL');
      await expect.poll(() => stateOf(lost), { timeout: 10_000 }).toBe(2);
      // Nobody takes the answer to streams for that to a publish.
      expect(await statusOf(port, '/subscribe/news', 'GET')).toBe(200);
      expect(await statusOf(port, '/publish/news', 'POST')).toBe(502);
      await using second = serve(hubPort, folder.path);
      await second.until(/Hub listening/);
      await expect.poll(() => heardBy(page), { timeout: 10_000 }).toEqual(['live', 'live']);
      await fetch(`http://127.0.0.1:${port}/publish/news`, { method: 'POST', body: 'after the restart' });
      await expect.poll(() => heardBy(page)).toContain('after the restart');
      expect(await stateOf(page)).toBe(1);
      expect(await stateOf(lost)).toBe(2);
    } finally {
      await browser.close();
    }
  },
  60_000,
);
