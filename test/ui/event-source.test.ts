import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

import { hasBrowser, startBrowser } from '../support/browser.js';
import { checkDelivery } from '../support/checker.js';
import type { ReceivedItem } from '../support/checker.js';
import { CuttableLink } from '../support/cuttable-link.js';
import { HubServer } from '../support/hub-server.js';

interface Heard {
  readonly type: string;
  readonly data: string;
  readonly lastEventId: string;
}

/** What the page keeps: a native EventSource and everything it dispatched. */
interface Listening {
  heard: Heard[];
  source: EventSource;
}

const RETRY_MS = 50;

/** A native EventSource in a page that is already at the hub's origin. */
class BrowserClient {
  readonly #page: Page;

  constructor(page: Page) {
    this.#page = page;
  }

  async listen(path: string): Promise<void> {
    await this.#page.evaluate((target) => {
      const source = new EventSource(target);
      const listening: Listening = { heard: [], source };
      const types = [
        'message',
        'price',
        ...['open', 'cursor', 'gap', 'live', 'end', 'error'].map((name) => `tidegate.${name}`),
      ];
      for (const type of types) {
        source.addEventListener(type, (event) => {
          const { data, lastEventId } = event as Event & Heard;
          listening.heard.push({ type, data, lastEventId });
        });
      }
      Object.assign(globalThis, { listening });
    }, path);
  }

  heard(): Promise<readonly Heard[]> {
    return this.#page.evaluate(() => (globalThis as unknown as { listening: Listening }).listening.heard);
  }

  readyState(): Promise<number> {
    return this.#page.evaluate(() => (globalThis as unknown as { listening: Listening }).listening.source.readyState);
  }

  async until(isTrue: (heard: readonly Heard[]) => boolean): Promise<readonly Heard[]> {
    for (const deadlineMs = Date.now() + 10_000; ;) {
      const heard = await this.heard();
      if (isTrue(heard)) return heard;
      if (Date.now() > deadlineMs) throw new Error(`Waited in vain; so far: ${JSON.stringify(heard.slice(-10))}`);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }
}

const dataOf = (heard: readonly Heard[]): readonly string[] =>
  heard.filter(({ type }) => !type.startsWith('tidegate.')).map(({ data }) => data);
const ofType = (heard: readonly Heard[], type: string): readonly Heard[] =>
  heard.filter((event) => event.type === type);

function received(heard: readonly Heard[], channelOf: (data: string) => string): readonly ReceivedItem[] {
  return heard.flatMap(({ type, data }): readonly ReceivedItem[] => {
    if (type === 'tidegate.gap') return [{ kind: 'gap', channel: String(JSON.parse(data).channel) }];
    return type.startsWith('tidegate.') ? [] : [{ kind: 'event', channel: channelOf(data), key: data }];
  });
}

describe.skipIf(!hasBrowser)('a native EventSource in Chromium', () => {
  let browser: Browser;
  beforeAll(async () => {
    browser = await startBrowser();
  });
  afterAll(async () => {
    await browser.close();
  });

  const open = async (url: string): Promise<BrowserClient> => {
    const page = await browser.newPage();
    await page.goto(`${url}/health`);
    return new BrowserClient(page);
  };

  test('cut again and again while events flow, loses none and gets none twice', async () => {
    await using hub = await HubServer.start({ retryMs: RETRY_MS });
    await using link = await CuttableLink.open(() => hub.port);
    const client = await open(link.url);
    await client.listen('/subscribe/a');
    await client.until((heard) => ofType(heard, 'tidegate.live').length > 0);
    const published: { channel: string; key: string }[] = [];
    let isOver = false;
    const publisher = (async () => {
      while (!isOver) {
        const key = `event ${published.length}`;
        published.push({ channel: 'a', key });
        await hub.hub.publish('a', { data: key, ...(published.length % 3 === 0 ? { event: 'price' } : {}) });
        await new Promise((resolve) => setTimeout(resolve, 2));
      }
    })();
    for (let cuts = 1; cuts <= 4; cuts += 1) {
      const before = dataOf(await client.heard()).length;
      await client.until((heard) => dataOf(heard).length > before + 10);
      link.cut();
      await client.until((heard) => ofType(heard, 'tidegate.open').length === cuts + 1);
    }
    isOver = true;
    await publisher;
    const last = published.at(-1)?.key ?? '';
    const heard = await client.until((events) => dataOf(events).includes(last));
    expect(
      checkDelivery(published, [{ name: 'chromium', channels: ['a'], received: received(heard, () => 'a') }]),
    ).toEqual([]);
    expect(ofType(heard, 'tidegate.gap')).toEqual([]);
  });

  test('on a quiet channel loses nothing that was published while it was away', async () => {
    await using hub = await HubServer.start({ retryMs: RETRY_MS });
    await using link = await CuttableLink.open(() => hub.port);
    const client = await open(link.url);
    await client.listen('/subscribe/a');
    await client.until((heard) => ofType(heard, 'tidegate.live').length > 0);
    link.down();
    for (const data of ['1', '2', '3']) await hub.publish('a', data);
    link.up();
    expect(dataOf(await client.until((heard) => dataOf(heard).length >= 3))).toEqual(['1', '2', '3']);
  });

  test('takes events of type error and open for its own, which have no data, and stays connected', async () => {
    await using hub = await HubServer.start();
    const page = await browser.newPage();
    await page.goto(`${hub.url}/health`);
    await page.evaluate(() => {
      const heard: (readonly [string, unknown, number])[] = [];
      const source = new EventSource('/subscribe/a');
      const note = (event: Event): void =>
        void heard.push([event.type, (event as MessageEvent).data, source.readyState]);
      Object.assign(source, { onerror: note, onopen: note });
      source.addEventListener('tidegate.live', note);
      Object.assign(globalThis, { heard });
    });
    const heard = (): Promise<unknown> => page.evaluate(() => (globalThis as unknown as { heard: unknown }).heard);
    const [own, live] = [
      ['open', undefined, 1],
      ['tidegate.live', '{}', 1],
    ];
    await expect.poll(heard).toEqual([own, live]);
    for (const event of ['error', 'open']) await hub.publishJson('a', { event, data: event });
    await expect.poll(heard).toEqual([own, live, ['error', 'error', 1], ['open', 'open', 1]]);
  });

  test('is told of the gap when the hub was restarted, and gets everything published after', async () => {
    let hub = await HubServer.start({ retryMs: RETRY_MS });
    await using link = await CuttableLink.open(() => hub.port);
    const client = await open(link.url);
    await client.listen('/subscribe/a');
    await client.until((heard) => ofType(heard, 'tidegate.live').length > 0);
    await hub.publish('a', 'before');
    await client.until((heard) => dataOf(heard).includes('before'));
    link.down();
    await hub.publish('a', 'lost');
    await hub[Symbol.asyncDispose]();
    hub = await HubServer.start({ retryMs: RETRY_MS });
    for (const data of ['1', '2']) await hub.publish('a', data);
    link.up();
    const heard = await client.until((events) => dataOf(events).includes('2'));
    expect(dataOf(heard)).toEqual(['before', '1', '2']);
    expect(JSON.parse(ofType(heard, 'tidegate.gap')[0]?.data ?? '{}')).toMatchObject({ reason: 'epoch', channel: 'a' });
    await hub[Symbol.asyncDispose]();
  });

  test('resumes several channels on one connection exactly', async () => {
    await using hub = await HubServer.start({ retryMs: RETRY_MS });
    await using link = await CuttableLink.open(() => hub.port);
    const client = await open(link.url);
    await client.listen('/subscribe?channel=a&channel=b&channel=c');
    await client.until((heard) => ofType(heard, 'tidegate.live').length > 0);
    const published: { channel: string; key: string }[] = [];
    const publish = async (channel: string): Promise<void> => {
      const key = `${channel}${published.length}`;
      published.push({ channel, key });
      await hub.publish(channel, key);
    };
    for (const channel of ['a', 'b', 'a']) await publish(channel);
    await client.until((heard) => dataOf(heard).length === 3 && ofType(heard, 'tidegate.cursor').length > 0);
    link.down();
    for (const channel of ['c', 'a', 'c', 'b']) await publish(channel);
    link.up();
    const heard = await client.until((events) => dataOf(events).length >= 7);
    const all = received(heard, (data) => data.slice(0, 1));
    expect(checkDelivery(published, [{ name: 'chromium', channels: ['a', 'b', 'c'], received: all }])).toEqual([]);
  });

  test('hears why it is refused, and stays away', async () => {
    await using hub = await HubServer.start({ retryMs: RETRY_MS });
    const client = await open(hub.url);
    await client.listen('/subscribe/a?last=many');
    const heard = await client.until((events) => events.length > 0);
    expect(heard).toMatchObject([{ type: 'tidegate.error' }]);
    expect(JSON.parse(heard[0]?.data ?? '{}')).toMatchObject({ code: 'invalid-query', retryable: false });
    await new Promise((resolve) => setTimeout(resolve, RETRY_MS * 6));
    expect(await client.heard()).toHaveLength(1);
  });

  test('closes for good when the channel has ended', async () => {
    await using hub = await HubServer.start({ retryMs: RETRY_MS });
    const client = await open(hub.url);
    await client.listen('/subscribe/a');
    await client.until((heard) => ofType(heard, 'tidegate.live').length > 0);
    await hub.publish('a?end=true', 'last words');
    const heard = await client.until((events) => ofType(events, 'tidegate.end').length > 0);
    expect(dataOf(heard)).toEqual(['last words']);
    await expect.poll(() => client.readyState(), { timeout: 5000 }).toBe(2);
    expect(ofType(await client.heard(), 'tidegate.open')).toHaveLength(1);
  });
});
