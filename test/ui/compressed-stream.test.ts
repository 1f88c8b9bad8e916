import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

import { hasBrowser, startBrowser } from '../support/browser.js';
import { HubServer } from '../support/hub-server.js';

/** Compressed where it stands alone: above 1 KiB. */
const large = (at: number): string => `${at} ${'the tide is high and the tide is low; '.repeat(60)}`;

/** Listens with a native EventSource; what it dispatched is kept in the page. */
async function listen(browser: Browser, url: string): Promise<Page> {
  const page = await browser.newPage();
  await page.goto(`${url}/health`);
  await page.evaluate(() => {
    const heard: string[] = [];
    Object.assign(globalThis, { heard });
    const source = new EventSource('/subscribe/a');
    for (const type of ['message', 'tidegate.live', 'tidegate.end']) {
      source.addEventListener(type, (event) => {
        heard.push(type === 'message' ? (event as Event & { data: string }).data : type);
      });
    }
  });
  return page;
}

async function until(page: Page, part: string): Promise<readonly string[]> {
  await page.waitForFunction((wanted) => (globalThis as unknown as { heard: string[] }).heard.includes(wanted), part, {
    timeout: 10_000,
  });
  return page.evaluate(() => (globalThis as unknown as { heard: string[] }).heard);
}

describe.skipIf(!hasBrowser)('Chromium, which always asks for gzip', () => {
  let browser: Browser;
  beforeAll(async () => {
    browser = await startBrowser();
  });
  afterAll(async () => {
    await browser.close();
  });

  test('reads a compressed stream as it comes, also where it joined midway, and to its end', async () => {
    await using hub = await HubServer.start();
    const early = await listen(browser, hub.url);
    await until(early, 'tidegate.live');
    for (const at of [1, 2]) {
      await hub.hub.publish('a', { data: large(at) });
      await until(early, large(at));
    }
    const late = await listen(browser, hub.url);
    await until(late, 'tidegate.live');
    await hub.hub.publish('a', { data: large(3) });
    await hub.hub.publish('a', { data: 'small' });
    await hub.hub.end('a');
    expect(await until(late, 'tidegate.end')).toEqual(['tidegate.live', large(3), 'small', 'tidegate.end']);
    expect(await until(early, 'tidegate.end')).toEqual([
      'tidegate.live',
      large(1),
      large(2),
      large(3),
      'small',
      'tidegate.end',
    ]);
    const metrics = String((await hub.get('/metrics')).body['text']);
    expect(Number(/^tidegate_compressed_flushes_total (\d+)$/m.exec(metrics)?.[1])).toBe(3);
  });
});
