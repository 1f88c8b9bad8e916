import type { Browser, BrowserContext, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

import { startAskingHub, tokenFor } from '../support/asking-hub.js';
import { hasBrowser, startBrowser } from '../support/browser.js';
import { HubServer } from '../support/hub-server.js';

const RETRY_MS = 50;
const GRANTS = { subscribe: ['a'], publish: ['a'] };

/** What a native EventSource with credentials hears first: data, or how the hub refuses it. */
function hear(page: Page, url: string): Promise<string> {
  return page.evaluate(
    (target) =>
      new Promise<string>((resolve) => {
        const source = new EventSource(target, { withCredentials: true });
        const end = (text: string): void => {
          source.close();
          resolve(text);
        };
        source.addEventListener('message', ({ data }) => end(String(data)));
        source.addEventListener('tidegate.error', (event) => {
          const { data } = event as Event & { readonly data: string };
          end((JSON.parse(data) as { code: string }).code);
        });
        source.addEventListener('error', () => end('closed'));
      }),
    url,
  );
}

async function pageAt(context: BrowserContext, { url }: HubServer): Promise<Page> {
  const page = await context.newPage();
  await page.goto(`${url}/health`);
  return page;
}

describe.skipIf(!hasBrowser)('a native EventSource on a hub that asks', () => {
  let browser: Browser;
  beforeAll(async () => {
    browser = await startBrowser();
  });
  afterAll(async () => {
    await browser.close();
  });

  test('subscribes with a token in the query, and hears why it is refused', async () => {
    await using hub = await startAskingHub(RETRY_MS);
    await hub.hub.publish('a', { data: '1' });
    const page = await pageAt(await browser.newContext(), hub);
    const url = `${hub.url}/subscribe/a?last=all`;
    expect(await hear(page, `${url}&token=${await tokenFor({ grants: GRANTS })}`)).toBe('1');
    expect(await hear(page, url)).toBe('token-missing');
    expect(await hear(page, `${url}&token=${await tokenFor({ lifetimeMs: -5000 })}`)).toBe('token-expired');
    expect(await hear(page, `${url}&token=${await tokenFor()}`)).toBe('forbidden-channel');
  });

  test.each([
    ['has expired', 'token-expired'],
    ['was dropped by the browser', 'token-missing'],
  ])('comes back by itself once its cookie, which %s, is renewed', async (_how, code) => {
    await using hub = await startAskingHub(RETRY_MS);
    await hub.hub.publish('a', { data: '1' });
    const context = await browser.newContext();
    const setCookie = async (lifetimeMs: number): Promise<void> => {
      const value = await tokenFor({ grants: GRANTS, lifetimeMs });
      await context.addCookies([{ name: 'session', value, url: hub.url }]);
    };
    if (code === 'token-expired') await setCookie(-5000);
    const page = await pageAt(context, hub);
    await page.evaluate(() => {
      const heard: string[] = [];
      const source = new EventSource('/subscribe/a?last=all');
      source.addEventListener('message', ({ data }) => heard.push(String(data)));
      source.addEventListener('tidegate.error', (event) => {
        const { data } = event as Event & { readonly data: string };
        const { code: told, retryable } = JSON.parse(data) as { readonly code: string; readonly retryable: boolean };
        heard.push(`${told} ${retryable}`);
      });
      Object.assign(globalThis, { heard });
    });
    const heard = (): Promise<readonly string[]> =>
      page.evaluate(() => (globalThis as unknown as { heard: readonly string[] }).heard);
    await expect.poll(async () => (await heard())[0]).toBe(`${code} true`);
    await setCookie(60_000);
    await expect.poll(async () => (await heard()).at(-1), { timeout: 10_000 }).toBe('1');
  });

  test('subscribes with a cookie at a listed origin; a foreign page reads and publishes nothing with it', async () => {
    await using listed = await HubServer.start();
    await using foreign = await HubServer.start();
    await using hub = await startAskingHub(RETRY_MS, [listed.url]);
    await hub.hub.publish('a', { data: '1' });
    const context = await browser.newContext();
    const cookie = { name: 'session', value: await tokenFor({ grants: GRANTS }), url: hub.url };
    await context.addCookies([cookie]);
    const url = `${hub.url}/subscribe/a?last=all`;
    expect(await hear(await pageAt(context, listed), url)).toBe('1');
    const page = await pageAt(context, foreign);
    expect(await hear(page, url)).toBe('closed');
    await page.evaluate(
      (target) => fetch(target, { method: 'POST', mode: 'no-cors', credentials: 'include', body: 'forged' }),
      `${hub.url}/publish/a`,
    );
    expect(await hub.metrics()).toContain('tidegate_refusals_total{code="foreign-origin"} 2');
    const headers = { Authorization: `Bearer ${cookie.value}` };
    expect(JSON.stringify((await hub.get('/channels/a/history', headers)).body)).not.toContain('forged');
  });
});
