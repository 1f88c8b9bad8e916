import { assert, asyncProperty, boolean, integer } from 'fast-check';
import { afterEach, describe, expect, it } from 'vitest';
import { checkDelivery } from '../../../test/support/checker.js';
import type { ReceivedItem } from '../../../test/support/checker.js';
import { ManualClock } from '../../../test/support/clocks.js';
import { HubServer } from '../../../test/support/hub-server.js';
import { createSeededRandom, systemClock } from '../../base/index.js';
import type { Delivery, SubscribeOptions } from '../index.js';
import { createSubscription } from '../subscribe.js';
import type { TabChannel, TabEnvironment } from './environment.js';
import type { TabMessage } from './message.js';
import { Tab } from './tab.js';

/** A browser as tabs see it: locks in order, messages in turns of their own, and faults that a test asks for. */
class FakeBrowser {
  /** Says of a message whether it gets lost on its way to a tab. */
  isLost: (tab: string, message: TabMessage) => boolean = () => false;
  /** Turns of the event loop that a message takes; those from one tab to another stay in order. */
  turns: () => number = () => 1;
  readonly #ways = new Map<string, Promise<void>>();
  readonly #channels = new Map<string, (data: unknown) => void>();
  #lock: Promise<unknown> = Promise.resolve();

  environment(tab: string): TabEnvironment {
    return {
      locks: {
        request: (_name, { signal }, holder) => {
          const turn = this.#lock.then(() => (signal.aborted ? undefined : holder()));
          this.#lock = turn;
          return turn;
        },
      },
      openChannel: () => this.#open(tab),
    };
  }

  async #carry(before: Promise<void>, arrive: () => void): Promise<void> {
    const turns = this.turns();
    await before;
    for (let turn = 0; turn < turns; turn += 1) await new Promise((resolve) => setImmediate(resolve));
    arrive();
  }

  #open(tab: string): TabChannel {
    return {
      addEventListener: (_type, listener) => void this.#channels.set(tab, (data) => listener({ data })),
      postMessage: (message) => {
        const copy: unknown = structuredClone(message);
        for (const [name, listener] of this.#channels) {
          if (name === tab || this.isLost(name, copy as TabMessage)) continue;
          const way = `${tab} ${name}`;
          const before = this.#ways.get(way) ?? Promise.resolve();
          this.#ways.set(
            way,
            this.#carry(before, () => listener(copy)),
          );
        }
      },
      close: () => void this.#channels.delete(tab),
    };
  }
}

interface TestTab {
  readonly tab: Tab;
  readonly deliveries: Delivery[];
  /** While false the tab's loop takes nothing. */
  isReading: boolean;
}

const tabs: TestTab[] = [];
afterEach(() => {
  for (const { tab } of tabs.splice(0)) tab.close();
});

function openTab(browser: FakeBrowser, name: string, options: SubscribeOptions): TestTab {
  const subscription = createSubscription(options);
  const tab = new Tab({ name: 'group', options, subscription, environment: browser.environment(name) });
  const opened: TestTab = { tab, deliveries: [], isReading: true };
  tabs.push(opened);
  void (async () => {
    for (;;) {
      while (!opened.isReading) await new Promise((resolve) => setImmediate(resolve));
      const delivery = await tab.inbox.next();
      if (delivery === undefined) return;
      opened.deliveries.push(delivery);
    }
  })();
  return opened;
}

async function until(isTrue: () => boolean | Promise<boolean>): Promise<void> {
  await expect.poll(isTrue, { timeout: 8000, interval: 5 }).toBe(true);
}
const isLive = ({ deliveries }: TestTab): boolean => deliveries.some(({ kind }) => kind === 'live');
const dataOf = ({ deliveries }: TestTab): readonly string[] =>
  deliveries.flatMap((delivery) => (delivery.kind === 'event' ? [delivery.data] : []));
const received = ({ deliveries }: TestTab): readonly ReceivedItem[] =>
  deliveries.flatMap((delivery): readonly ReceivedItem[] => {
    if (delivery.kind === 'gap') return [{ kind: 'gap', channel: delivery.channel }];
    return delivery.kind === 'event' ? [{ kind: 'event', channel: delivery.channel ?? '', key: delivery.data }] : [];
  });

/** A hub, and who publishes to it in turn to `channels`. */
async function start(channels: readonly string[], ownIds = false) {
  const hub = await HubServer.start({ retryMs: 10 });
  const published: { channel: string; key: string }[] = [];
  const publish = async (count: number): Promise<void> => {
    for (let at = 0; at < count; at += 1) {
      const channel = channels[published.length % channels.length] ?? '';
      const key = `${channel} ${published.length}`;
      published.push({ channel, key });
      await hub.hub.publish(channel, { data: key, ...(ownIds ? { id: `own-${published.length % 3}` } : {}) });
      if (at % 5 === 4) await new Promise((resolve) => setImmediate(resolve));
    }
  };
  const faultsOf = (tab: TestTab, name: string) =>
    checkDelivery(published, [{ name, channels, received: received(tab) }]);
  const has = (tab: TestTab): boolean => dataOf(tab).includes(published.at(-1)?.key ?? '');
  const subscribers = async (): Promise<number> => {
    const { body } = await hub.get('/channels?all=true');
    const listed = body['channels'] as readonly { readonly subscribers: number }[];
    return Math.max(...listed.map((channel) => channel.subscribers));
  };
  return {
    hub,
    options: { url: hub.url, channels, random: () => 0.01 },
    published,
    publish,
    faultsOf,
    has,
    subscribers,
  };
}

async function surviveFaults(seed: number, isOneChannel: boolean, ownIds: boolean): Promise<void> {
  const random = createSeededRandom(seed);
  const { hub, options, publish, faultsOf, has, subscribers } = await start(isOneChannel ? ['a'] : ['a', 'b'], ownIds);
  await using _hub = hub;
  const browser = new FakeBrowser();
  browser.turns = () => Math.floor(random() * 4);
  browser.isLost = () => random() < 0.01;
  let names = 0;
  // Each from the beginning of the history, so that all must have the same.
  const open = (): TestTab => openTab(browser, String((names += 1)), { ...options, last: 'all' });
  let alive = [open(), open(), open()];
  for (let round = 0; round < 6; round += 1) {
    await publish(10 + Math.floor(random() * 40));
    if (random() < 0.5) alive.push(open());
    if (random() < 0.5 && alive.length > 2) alive.shift()?.tab.close();
  }
  browser.isLost = () => false;
  await publish(20);
  await until(() => alive.every(has));
  expect(alive.flatMap((tab, at) => faultsOf(tab, String(at)))).toEqual([]);
  await until(async () => (await subscribers()) === 1);
  for (const { tab } of alive) tab.close();
  alive = [];
}

describe('Tab', () => {
  it.each([
    ['one channel', ['a'], false],
    ['several channels', ['a', 'b', 'c'], false],
    ['ids of the publisher’s own', ['a'], true],
  ])('goes on without a hole when the leader leaves: %s', async (_what, channels, ownIds) => {
    const { hub, options, publish, faultsOf, has } = await start(channels, ownIds);
    await using _hub = hub;
    const browser = new FakeBrowser();
    const three = ['1', '2', '3'].map((name) => openTab(browser, name, options));
    await until(() => three.every(isLive));
    const [first, second, third] = three as [TestTab, TestTab, TestTab];
    await publish(100);
    const flowing = publish(300);
    await until(() => dataOf(third).length > 150);
    first.tab.close();
    await flowing;
    await publish(50);
    await until(() => has(second) && has(third));
    expect([...faultsOf(second, '2'), ...faultsOf(third, '3')]).toEqual([]);
  });

  it('goes on by itself where a message was lost, and leaves its connection where it meets the others', async () => {
    const { hub, options, publish, faultsOf, has, subscribers } = await start(['a', 'b']);
    await using _hub = hub;
    const browser = new FakeBrowser();
    const two = ['1', '2'].map((name) => openTab(browser, name, options));
    await until(() => two.every(isLive));
    let count = 0;
    browser.isLost = (tab, { type }) => tab === '2' && type === 'deliveries' && (count += 1) % 4 === 0;
    // How many events come with one message is the machine's to say.
    for (let rounds = 0; rounds < 100 && count <= 12; rounds += 1) {
      await publish(20);
      await until(() => two.some(has));
    }
    browser.isLost = () => false;
    await publish(20);
    await until(() => two.every(has));
    expect(count).toBeGreaterThan(12);
    expect(two.flatMap((tab, at) => faultsOf(tab, String(at)))).toEqual([]);
    await until(async () => (await subscribers()) === 1);
  });

  it('goes on when the lead changes and it had less, or more, than the new leader', async () => {
    const { hub, options, publish, faultsOf, has, subscribers } = await start(['a']);
    await using _hub = hub;
    const browser = new FakeBrowser();
    const three = ['1', '2', '3'].map((name) => openTab(browser, name, options));
    await until(() => three.every(isLive));
    const [first, second, third] = three as [TestTab, TestTab, TestTab];
    await publish(50);
    await until(() => has(second) && has(third));
    // The next leader, then the other, misses the last words of the first.
    for (const [leader, behind] of [
      [first, '2'],
      [second, '4'],
    ] as const) {
      browser.isLost = (tab, { type }) => tab === behind && type === 'deliveries';
      await publish(10);
      await until(() => has(third));
      if (behind === '2') tabs.push(openTab(browser, '4', { ...options, last: 'all' }));
      leader.tab.close();
      browser.isLost = () => false;
      await publish(30);
      await until(() => has(third));
    }
    await publish(10);
    const fourth = tabs[3];
    await until(() => has(third) && fourth !== undefined && has(fourth));
    expect(faultsOf(third, '3')).toEqual([]);
    expect(fourth && faultsOf(fourth, '4')).toEqual([]);
    await until(async () => (await subscribers()) === 1);
  });

  it.each([
    ['several channels', ['a', 'b'], false],
    ['ids of the publisher’s own', ['a'], true],
    ['both', ['a', 'b'], true],
  ])('brings a late tab what it asks for, then joins it to the others: %s', async (_what, channels, ownIds) => {
    const { hub, options, publish, faultsOf, has, subscribers } = await start(channels, ownIds);
    await using _hub = hub;
    const browser = new FakeBrowser();
    const early = openTab(browser, '1', options);
    await until(() => isLive(early));
    await publish(60);
    const flowing = publish(200);
    const late = openTab(browser, '2', { ...options, last: 'all' });
    const lateFromNow = openTab(browser, '3', options);
    await flowing;
    await publish(30);
    await until(() => has(early) && has(late) && has(lateFromNow));
    expect([...faultsOf(early, '1'), ...faultsOf(late, '2')]).toEqual([]);
    await until(async () => (await subscribers()) === 1);
  });

  it('gives each tab everything once, whatever is lost, late, closed or opened on the way', async () => {
    const seeds = integer({ min: 0, max: 2 ** 31 });
    const isHeld = asyncProperty(seeds, boolean(), boolean(), surviveFaults);
    await assert(isHeld, { numRuns: 6, endOnFailure: true });
    expect.hasAssertions();
  }, 60_000);

  it('leaves a tab behind whose loop takes nothing, and brings it everything when it does', async () => {
    const { hub, options, publish, faultsOf, has, subscribers } = await start(['a']);
    await using _hub = hub;
    const browser = new FakeBrowser();
    const two = ['1', '2'].map((name) => openTab(browser, name, options));
    await until(() => two.every(isLive));
    const [first, second] = two as [TestTab, TestTab];
    second.isReading = false;
    await publish(4500);
    await until(() => has(first));
    second.isReading = true;
    await until(() => has(second));
    await publish(10);
    await until(() => two.every(has));
    expect(two.flatMap((tab, at) => faultsOf(tab, String(at)))).toEqual([]);
    await until(async () => (await subscribers()) === 1);
  });

  it('leaves the lead when its own loop takes nothing for 5 s', async () => {
    const { hub, options, publish, faultsOf, has } = await start(['a']);
    await using _hub = hub;
    const browser = new FakeBrowser();
    const clock = new ManualClock();
    const first = openTab(browser, '1', { ...options, clock });
    await until(() => isLive(first));
    const second = openTab(browser, '2', { ...options, clock: systemClock });
    await until(() => isLive(second));
    first.isReading = false;
    await publish(4500);
    await until(() => first.tab.inbox.isFull);
    await until(() => {
      clock.advance(1000);
      return has(second);
    });
    first.isReading = true;
    await until(() => has(first));
    expect([...faultsOf(first, '1'), ...faultsOf(second, '2')]).toEqual([]);
  });

  it('connects by itself where a leader holds the lock and says nothing', async () => {
    const { hub, options, publish, has } = await start(['a']);
    await using _hub = hub;
    const browser = new FakeBrowser();
    void browser.environment('mute').locks.request('group', { signal: new AbortController().signal }, () => {
      return new Promise(() => {});
    });
    const clock = new ManualClock();
    const tab = openTab(browser, '1', { ...options, clock });
    await clock.waitForTimers();
    clock.advance(3000);
    await until(() => isLive(tab));
    await publish(3);
    await until(() => has(tab));
    expect(dataOf(tab)).toEqual(['a 0', 'a 1', 'a 2']);
  });

  it('ends every tab when the channel ends, and each with its own refusal', async () => {
    const { hub, options } = await start(['a']);
    await using _hub = hub;
    const browser = new FakeBrowser();
    const two = ['1', '2'].map((name) => openTab(browser, name, options));
    await until(() => two.every(isLive));
    await hub.publish('a?end=true', 'last words');
    await until(() => two.every(({ deliveries }) => deliveries.at(-1)?.kind === 'end'));
    const refused = { ...options, since: 'never' };
    const other = new FakeBrowser();
    for (const name of ['1', '2']) {
      const subscription = createSubscription(refused);
      const tab = new Tab({ name, options: refused, subscription, environment: other.environment(name) });
      await expect(tab.inbox.next()).rejects.toMatchObject({ code: 'invalid-cursor', status: 400 });
    }
  });
});
