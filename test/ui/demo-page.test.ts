import { expect, test } from 'vitest';

import { hasBrowser, startBrowser } from '../support/browser.js';
import { startBuiltHub } from '../support/built-hub.js';
import { startDemoProxy } from '../support/demo-proxy.js';
import { hasNginx } from '../support/nginx.js';
import { freePort } from '../support/free-port.js';

test.skipIf(!hasBrowser || !hasNginx)(
  "the demo's proxy opens the page with the generator's events coming in (needs chromium and nginx)",
  async () => {
    await using hub = await startBuiltHub();
    const port = await freePort();
    await using _proxy = await startDemoProxy({ port, hubs: [new URL(hub.url).host] });
    const browser = await startBrowser();
    try {
      const page = await browser.newPage();
      await page.goto(`http://127.0.0.1:${port}/`);
      expect(new URL(page.url()).hash).toBe('#sse');
      const publish = (): Promise<Response> =>
        fetch(`http://127.0.0.1:${port}/publish/sse`, { method: 'POST', body: 'the tide comes in' });
      await expect.poll(() => publish().then(() => page.content())).toContain('the tide comes in');
    } finally {
      await browser.close();
    }
  },
  30_000,
);
