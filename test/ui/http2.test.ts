import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

import { hasBrowser, startBrowser } from '../support/browser.js';
import { CERTIFICATE } from '../support/certificate.js';
import { HubServer } from '../support/hub-server.js';

interface Listening {
  readonly live: Set<number>;
  readonly heard: string[][];
}

const STREAMS = 20;

describe.skipIf(!hasBrowser || CERTIFICATE === undefined)('Chromium over HTTP/2 (needs openssl)', () => {
  let browser: Browser;
  beforeAll(async () => {
    browser = await startBrowser();
  });
  afterAll(async () => {
    await browser.close();
  });

  test('holds twenty EventSource streams in one page, each live and each receiving', async () => {
    const tls = CERTIFICATE ?? { cert: '', key: '' };
    await using hub = await HubServer.start({ tls });
    const context = await browser.newContext({ ignoreHTTPSErrors: true });
    const page = await context.newPage();
    await page.goto(`${hub.url}/health`);
    await page.evaluate((count) => {
      const listening: Listening = { live: new Set(), heard: Array.from({ length: count }, () => []) };
      for (let at = 0; at < count; at += 1) {
        const source = new EventSource(`/subscribe?channel=all&channel=own-${at}`);
        source.addEventListener('tidegate.live', () => listening.live.add(at));
        source.addEventListener('message', (event) => {
          listening.heard[at]?.push((event as Event & { readonly data: string }).data);
        });
      }
      Object.assign(globalThis, { listening });
    }, STREAMS);
    const liveCount = (): Promise<number> =>
      page.evaluate(() => (globalThis as unknown as { listening: Listening }).listening.live.size);
    const heard = (): Promise<readonly (readonly string[])[]> =>
      page.evaluate(() => (globalThis as unknown as { listening: Listening }).listening.heard);
    await expect.poll(liveCount, { timeout: 10_000 }).toBe(STREAMS);
    await hub.hub.publish('all', { data: 'for all' });
    for (let at = 0; at < STREAMS; at += 1) await hub.hub.publish(`own-${at}`, { data: `for ${at}` });
    await expect
      .poll(heard, { timeout: 10_000 })
      .toEqual(Array.from({ length: STREAMS }, (_, at) => ['for all', `for ${at}`]));
    await context.close();
  });
});
