import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

import { hasBrowser, startBrowser } from '../support/browser.js';
import { startBuiltHub } from '../support/built-hub.js';

describe.skipIf(!hasBrowser)('the web page', () => {
  let browser: Browser;
  beforeAll(async () => {
    browser = await startBrowser();
  });
  afterAll(async () => {
    await browser.close();
  });

  test('shows events as they come in, as text whatever is in them, with no fault in the console', async () => {
    await using hub = await startBuiltHub();
    const page = await browser.newPage();
    const faults: string[] = [];
    page.on('console', (message) => {
      if (message.type() === 'error') faults.push(message.text());
    });
    page.on('pageerror', (error) => faults.push(error.message));
    await hub.publish('prices', { event: 'tick', data: '{"symbol":"TIDE","price":42}' });
    await page.goto(`${hub.url}/#prices`);
    await page.getByText('TIDE').first().waitFor();
    await hub.publish('prices', { data: '<img src=x onerror="document.title = \'broken\'">' });
    await page.getByText('onerror').first().waitFor();
    expect(await page.title()).not.toBe('broken');
    expect(faults).toEqual([]);
  });

  test('publishes, and shows what a refusal says', async () => {
    await using hub = await startBuiltHub();
    await hub.publish('news', { data: 'first' });
    const page = await browser.newPage();
    await page.goto(`${hub.url}/#news`);
    await page.getByText('first').first().waitFor();
    await page.getByLabel('Data').fill('typed by hand');
    await page.getByRole('button', { name: 'Publish', exact: true }).click();
    await page.getByText('typed by hand').last().waitFor();
    await page.getByLabel('Type').fill('tidegate.forged');
    await page.getByRole('button', { name: 'Publish', exact: true }).click();
    await expect.poll(() => page.getByText('invalid-event-type').count()).toBe(1);
  });
});
