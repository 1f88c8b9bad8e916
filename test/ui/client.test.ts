import type { Browser, BrowserContext, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

import type { Delivery } from '../../src/client/index.js';
import { hasBrowser, startBrowser } from '../support/browser.js';
import { checkDelivery } from '../support/checker.js';
import type { ReceivedItem } from '../support/checker.js';
import { bundleClient } from '../support/client-bundle.js';
import { CuttableLink } from '../support/cuttable-link.js';
import { HubServer } from '../support/hub-server.js';
import { startAskingHub, tokenFor } from '../support/asking-hub.js';

/** What a page keeps of the iteration that it runs. */
interface Following {
  readonly deliveries: Delivery[];
  error?: string;
  isOver: boolean;
}

/** The iteration that a page runs: as the function of the client is called, options and all. */
interface Call {
  readonly name: 'subscribe' | 'subscribeShared';
  readonly options: Readonly<Record<string, unknown>>;
}

interface PageGlobals {
  readonly tidegate: Readonly<Record<Call['name'], (options: unknown) => AsyncIterable<Delivery>>>;
  following: Following;
  tokensAsked: number;
}

const RETRY_MS = 20;

/** A page at the hub's origin that runs the client, as a bundler would ship it. */
class ClientPage {
  readonly #page: Page;

  private constructor(page: Page) {
    this.#page = page;
  }

  static async open(context: BrowserContext, url: string, code: string): Promise<ClientPage> {
    const page = await context.newPage();
    await page.goto(`${url}/health`);
    await page.addScriptTag({ content: code });
    return new ClientPage(page);
  }

  /** Starts to iterate; with `tokens`, the callback gives them one by one. */
  async follow(call: Call, tokens: readonly string[] = []): Promise<void> {
    await this.#page.evaluate(
      ({ name, options, tokens: given }) => {
        const globals = globalThis as unknown as PageGlobals;
        const following: Following = { deliveries: [], isOver: false };
        globals.following = following;
        globals.tokensAsked = 0;
        const token = (): Promise<string> => Promise.resolve(given[globals.tokensAsked++] ?? 'none left');
        const all = globals.tidegate[name]({ ...options, ...(given.length > 0 ? { token } : {}) });
        void (async () => {
          try {
            for await (const delivery of all) following.deliveries.push(JSON.parse(JSON.stringify(delivery)));
          } catch (error) {
            following.error = String(error);
          }
          following.isOver = true;
        })();
      },
      { ...call, tokens },
    );
  }

  async deliveries(): Promise<readonly Delivery[]> {
    return (await this.#following()).deliveries;
  }

  #following(): Promise<Following> {
    return this.#page.evaluate(() => (globalThis as unknown as PageGlobals).following);
  }

  async until(isTrue: (deliveries: readonly Delivery[]) => boolean): Promise<readonly Delivery[]> {
    for (const deadlineMs = Date.now() + 10_000; ;) {
      const { deliveries, error } = await this.#following();
      if (isTrue(deliveries)) return deliveries;
      if (error !== undefined || Date.now() > deadlineMs)
        throw new Error(`Waited in vain; ${error ?? 'so far'}: ${JSON.stringify(deliveries.slice(-10))}`);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }

  async untilLive(): Promise<void> {
    await this.until((deliveries) => deliveries.some(({ kind }) => kind === 'live'));
  }

  close(): Promise<void> {
    return this.#page.close();
  }

  /** Ends the tab's process: no handler of it runs any more. */
  async crash(): Promise<void> {
    const crashed = new Promise((resolve) => this.#page.once('crash', resolve));
    await Promise.race([this.#page.goto('chrome://crash').catch(() => undefined), crashed]);
    await crashed;
  }
}

const dataOf = (deliveries: readonly Delivery[]): readonly string[] =>
  deliveries.flatMap((delivery) => (delivery.kind === 'event' ? [delivery.data] : []));

/** Why each connection was lost. */
const causesOf = (deliveries: readonly Delivery[]): readonly (string | undefined)[] =>
  deliveries.flatMap((each) => (each.kind === 'status' && each.state === 'reconnecting' ? [each.cause] : []));

function received(deliveries: readonly Delivery[]): readonly ReceivedItem[] {
  return deliveries.flatMap((delivery): readonly ReceivedItem[] => {
    if (delivery.kind === 'gap') return [{ kind: 'gap', channel: delivery.channel }];
    return delivery.kind === 'event' ? [{ kind: 'event', channel: delivery.channel ?? '', key: delivery.data }] : [];
  });
}

/** Publishes to channels in turn, an event every few milliseconds, until it is stopped. */
class Flow {
  readonly published: { channel: string; key: string }[] = [];
  readonly #hub: HubServer;
  readonly #channels: readonly string[];
  readonly #done: Promise<void>;
  #isOver = false;

  constructor(hub: HubServer, channels: readonly string[]) {
    this.#hub = hub;
    this.#channels = channels;
    this.#done = this.#run();
  }

  async #run(): Promise<void> {
    while (!this.#isOver) {
      const channel = this.#channels[this.published.length % this.#channels.length] ?? '';
      const key = `${channel} ${this.published.length}`;
      this.published.push({ channel, key });
      await this.#hub.hub.publish(channel, { data: key });
      await new Promise((resolve) => setTimeout(resolve, 4));
    }
  }

  async stop(): Promise<string> {
    this.#isOver = true;
    await this.#done;
    return this.published.at(-1)?.key ?? '';
  }
}

/** How many streams of the busiest channel the hub has. */
async function streams(hub: HubServer): Promise<number> {
  const { body } = await hub.get('/channels?all=true');
  const channels = body['channels'] as readonly { readonly subscribers: number }[];
  return Math.max(0, ...channels.map(({ subscribers }) => subscribers));
}

describe.skipIf(!hasBrowser)('the client in Chromium', () => {
  let browser: Browser;
  let code = '';
  beforeAll(async () => {
    browser = await startBrowser();
    const [plain, shared] = await Promise.all([
      bundleClient(['subscribe'], { format: 'iife' }),
      bundleClient(['subscribeShared'], { file: 'shared', format: 'iife' }),
    ]);
    code = `${plain};const { subscribe } = tidegate;${shared};tidegate = { ...tidegate, subscribe };`;
  });
  afterAll(async () => {
    await browser.close();
  });

  test('subscribe() follows several channels through cuts, each event once', async () => {
    await using hub = await HubServer.start({ retryMs: RETRY_MS });
    await using link = await CuttableLink.open(() => hub.port);
    const context = await browser.newContext();
    const page = await ClientPage.open(context, link.url, code);
    await page.follow({ name: 'subscribe', options: { url: link.url, channels: ['a', 'b'] } });
    await page.untilLive();
    const flow = new Flow(hub, ['a', 'b']);
    for (let cuts = 1; cuts <= 3; cuts += 1) {
      const before = dataOf(await page.deliveries()).length;
      await page.until((deliveries) => dataOf(deliveries).length > before + 10);
      link.cut();
    }
    const last = await flow.stop();
    const deliveries = await page.until((all) => dataOf(all).includes(last));
    expect(
      checkDelivery(flow.published, [{ name: 'page', channels: ['a', 'b'], received: received(deliveries) }]),
    ).toEqual([]);
    await context.close();
  });

  test('subscribe() sends headers and a token across origins, and gets another when one is bad or expires', async () => {
    await using elsewhere = await HubServer.start();
    await using hub = await startAskingHub(RETRY_MS);
    const page = await ClientPage.open(await browser.newContext(), elsewhere.url, code);
    const options = { url: hub.url, channels: ['a'], headers: { 'Cache-Control': 'no-cache' } };
    const grants = { subscribe: ['a'] };
    const tokens = ['bad', await tokenFor({ lifetimeMs: 1000, grants }), await tokenFor({ grants })];
    await page.follow({ name: 'subscribe', options }, tokens);
    await page.untilLive();
    await hub.hub.publish('a', { data: '1' });
    await page.until((deliveries) => dataOf(deliveries).length === 1);
    await page.until((deliveries) => causesOf(deliveries).length === 2);
    await hub.hub.publish('a', { data: '2' });
    const deliveries = await page.until((all) => dataOf(all).length === 2);
    expect(dataOf(deliveries)).toEqual(['1', '2']);
    expect(causesOf(deliveries)).toEqual([
      expect.stringContaining('Cannot use the token'),
      expect.stringContaining('The token has expired'),
    ]);
  });

  test("subscribe() to 'own' gets what is published to its user, and resumes after a cut", async () => {
    await using elsewhere = await HubServer.start();
    await using hub = await startAskingHub(RETRY_MS);
    await using link = await CuttableLink.open(() => hub.port);
    const page = await ClientPage.open(await browser.newContext(), elsewhere.url, code);
    await page.follow({ name: 'subscribe', options: { url: link.url, channels: 'own' } }, [await tokenFor()]);
    await page.untilLive();
    const headers = {
      Authorization: `Bearer ${await tokenFor({ user: 'backend', grants: { users: true } })}`,
      'Content-Type': 'text/plain',
    };
    const publish = (user: string, data: string): Promise<unknown> =>
      fetch(`${hub.url}/publish/users/shop/${user}`, { method: 'POST', headers, body: data });
    await publish('bob', 'for bob');
    await publish('ann', '1');
    await page.until((deliveries) => dataOf(deliveries).length === 1);
    link.down();
    await publish('ann', '2');
    link.up();
    const deliveries = await page.until((all) => dataOf(all).length === 2);
    expect(dataOf(deliveries)).toEqual(['1', '2']);
    expect(deliveries.filter(({ kind }) => kind === 'gap')).toEqual([]);
  });

  test('subscribeShared(): tabs with tokens share one connection, and each lives through the expiry of the leader’s', async () => {
    await using elsewhere = await HubServer.start();
    await using hub = await startAskingHub(RETRY_MS);
    const context = await browser.newContext();
    const grants = { subscribe: ['a'] };
    const tabs: ClientPage[] = [];
    for (let count = 0; count < 3; count += 1) {
      const tab = await ClientPage.open(context, elsewhere.url, code);
      const tokens = [await tokenFor({ lifetimeMs: 3000, grants }), await tokenFor({ grants })];
      await tab.follow({ name: 'subscribeShared', options: { url: hub.url, channels: ['a'], group: 'ann' } }, tokens);
      await tab.untilLive();
      tabs.push(tab);
    }
    const subscribers = (): Promise<number> =>
      tokenFor({ grants }).then(async (token) => {
        const { body } = await hub.get('/channels?all=true', { Authorization: `Bearer ${token}` });
        return (body['channels'] as readonly { readonly subscribers: number }[])[0]?.subscribers ?? 0;
      });
    expect(await subscribers()).toBe(1);
    await hub.hub.publish('a', { data: '1' });
    const [leader] = tabs as [ClientPage];
    await leader.until((deliveries) => causesOf(deliveries).length === 1);
    await hub.hub.publish('a', { data: '2' });
    for (const tab of tabs) {
      const deliveries = await tab.until((all) => dataOf(all).length === 2);
      expect(dataOf(deliveries)).toEqual(['1', '2']);
    }
    await expect.poll(subscribers).toBe(1);
    await context.close();
  });

  test('subscribeShared(): three tabs have one connection, and the next takes over when its tab closes', async () => {
    await using hub = await HubServer.start({ retryMs: RETRY_MS });
    const context = await browser.newContext();
    const options = { url: hub.url, channels: ['a', 'b'], group: 'test' };
    const tabs: ClientPage[] = [];
    for (let count = 0; count < 3; count += 1) {
      const tab = await ClientPage.open(context, hub.url, code);
      await tab.follow({ name: 'subscribeShared', options });
      await tab.untilLive();
      tabs.push(tab);
    }
    expect(await streams(hub)).toBe(1);
    const flow = new Flow(hub, ['a', 'b']);
    const [first, second, third] = tabs as [ClientPage, ClientPage, ClientPage];
    await second.until((deliveries) => dataOf(deliveries).length > 20);
    await first.close();
    const before = dataOf(await third.deliveries()).length;
    await third.until((deliveries) => dataOf(deliveries).length > before + 20);
    const late = await ClientPage.open(context, hub.url, code);
    await late.follow({ name: 'subscribeShared', options: { ...options, last: 'all' } });
    await late.until((deliveries) => dataOf(deliveries).length > 20);
    const beforeCrash = dataOf(await third.deliveries()).length;
    await second.crash();
    await third.until((deliveries) => dataOf(deliveries).length > beforeCrash + 20);
    const last = await flow.stop();
    const followers = { third, late };
    for (const [name, tab] of Object.entries(followers)) {
      const deliveries = await tab.until((all) => dataOf(all).includes(last));
      expect(checkDelivery(flow.published, [{ name, channels: ['a', 'b'], received: received(deliveries) }])).toEqual(
        [],
      );
      expect(deliveries.filter(({ kind }) => kind === 'gap')).toEqual([]);
    }
    await expect.poll(() => streams(hub), { timeout: 10_000 }).toBe(1);
    await context.close();
  });
});
