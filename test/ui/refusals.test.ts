import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

import type { subscribe } from '../../src/client/index.js';
import { hasBrowser, startBrowser } from '../support/browser.js';
import { CERTIFICATE } from '../support/certificate.js';
import { bundleClient } from '../support/client-bundle.js';
import { hasFarAddress, openFarAddress } from '../support/far-address.js';
import { HubServer } from '../support/hub-server.js';

const RETRY_MS = 50;
const REFUSED = '/subscribe/a?since=never';

interface Place extends AsyncDisposable {
  readonly hub: HubServer;
  readonly url: string;
}

interface Heard {
  readonly codes: readonly string[];
  readonly isClosed: boolean;
}

/** What a native EventSource hears of the first `count` refusals, or before it closes for ever. */
function hear(page: Page, target: string, count = 1): Promise<Heard> {
  return page.evaluate(
    ({ url, enough }) =>
      new Promise<Heard>((resolve) => {
        const source = new EventSource(url);
        const codes: string[] = [];
        const end = (): void => {
          resolve({ codes, isClosed: source.readyState === EventSource.CLOSED });
          source.close();
        };
        source.addEventListener('tidegate.error', (event) => {
          const { data } = event as Event & { readonly data: string };
          if (codes.push((JSON.parse(data) as { code: string }).code) >= enough) end();
        });
        source.addEventListener('open', () => Object.assign(globalThis, { hasOpened: true }));
        source.addEventListener('error', () => source.readyState === EventSource.CLOSED && end());
      }),
    { url: target, enough: count },
  );
}

interface FetchOptions {
  readonly headers: Readonly<Record<string, string>>;
  readonly cache?: 'no-store';
}

const statusOf = (page: Page, url: string, options: FetchOptions): Promise<number> =>
  page.evaluate(async (asked) => (await fetch(asked.url, asked.options)).status, { url, options });

/** How `tidegate/client` is refused: code and status. */
function refusalOfClient(page: Page, url: string): Promise<unknown> {
  return page.evaluate(async (target) => {
    const { tidegate } = globalThis as unknown as { readonly tidegate: { readonly subscribe: typeof subscribe } };
    try {
      for await (const delivery of tidegate.subscribe({ url: target, channels: ['a'], since: 'never' }))
        if (delivery.kind === 'event') return 'an event';
      return 'the end';
    } catch (error) {
      const { code, status } = error as { readonly code: string; readonly status?: number };
      return [code, status];
    }
  }, url);
}

async function nearby(tls?: { readonly cert: string; readonly key: string }): Promise<Place> {
  const hub = await HubServer.start({ retryMs: RETRY_MS, drainMs: 0, ...(tls === undefined ? {} : { tls }) });
  return { hub, url: hub.url, [Symbol.asyncDispose]: () => hub[Symbol.asyncDispose]() };
}

async function farAway(): Promise<Place> {
  const hub = await HubServer.start({ retryMs: RETRY_MS, drainMs: 0 });
  const far = await openFarAddress(hub.port);
  const close = async (): Promise<void> => {
    await hub[Symbol.asyncDispose]();
    await far[Symbol.asyncDispose]();
  };
  return { hub, url: far.url, [Symbol.asyncDispose]: close };
}

const PLACES = [
  { place: 'http to this machine', isPossible: true, open: () => nearby() },
  { place: 'https (needs openssl)', isPossible: CERTIFICATE !== undefined, open: () => nearby(CERTIFICATE) },
  { place: 'http to another machine (needs a network namespace)', isPossible: hasFarAddress, open: farAway },
];

describe.skipIf(!hasBrowser).each(PLACES)('in Chromium, a refusal over $place', ({ isPossible, open }) => {
  let browser: Browser;
  beforeAll(async () => {
    browser = await startBrowser();
  });
  afterAll(async () => {
    await browser.close();
  });

  const openPage = async ({ url }: Place): Promise<Page> => {
    const context = await browser.newContext({ ignoreHTTPSErrors: true });
    const page = await context.newPage();
    await page.goto(`${url}/health`);
    return page;
  };

  test.skipIf(!isPossible)('is heard by a native EventSource, unless it asks for the status', async () => {
    await using place = await open();
    const page = await openPage(place);
    expect(await hear(page, REFUSED)).toMatchObject({ codes: ['invalid-cursor'] });
    expect(await hear(page, `${REFUSED}&refusals=status`)).toEqual({ codes: [], isClosed: true });
  });

  test.skipIf(!isPossible)(
    'is a status for fetch, unless it looks like an EventSource and does not choose',
    async () => {
      await using place = await open();
      const page = await openPage(place);
      const headers = { Accept: 'text/event-stream' };
      const looksNative = { headers, cache: 'no-store' } as const;
      expect(await statusOf(page, REFUSED, { headers })).toBe(400);
      expect(await statusOf(page, REFUSED, { headers: { ...headers, Authorization: 'Bearer x' } })).toBe(400);
      expect(await statusOf(page, REFUSED, looksNative)).toBe(200);
      expect(await statusOf(page, `${REFUSED}&refusals=status`, looksNative)).toBe(400);
      expect(await statusOf(page, `${REFUSED}&refusals=stream`, { headers })).toBe(200);
    },
  );

  test.skipIf(!isPossible)('is a status for tidegate/client', async () => {
    await using place = await open();
    const page = await openPage(place);
    await page.evaluate(await bundleClient(['subscribe'], { format: 'iife' }));
    expect(await refusalOfClient(page, place.url)).toEqual(['invalid-cursor', 400]);
  });

  test.skipIf(!isPossible)('is heard at each reconnect of a native EventSource, too', async () => {
    await using place = await open();
    const page = await openPage(place);
    await place.hub.hub.publish('a', { data: 'first' });
    const hearing = hear(page, '/subscribe/a?last=all', 4);
    await page.waitForFunction(() => (globalThis as { hasOpened?: boolean }).hasOpened);
    // What drains refuses all who come back, and in the end listens to nobody.
    void place.hub.hub.drain();
    expect(await hearing).toMatchObject({ codes: ['draining', 'draining', 'draining', 'draining'] });
  });
});
