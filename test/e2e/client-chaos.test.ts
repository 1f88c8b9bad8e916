import { expect, test } from 'vitest';

import { createBatchingPublisher, subscribe } from '../../src/client/index.js';
import type { Delivery, GapDelivery } from '../../src/client/index.js';
import { tokenFor } from '../support/asking-hub.js';
import { checkDelivery } from '../support/checker.js';
import type { Fault, ReceivedItem } from '../support/checker.js';
import { CuttableLink } from '../support/cuttable-link.js';
import { ServedHub } from '../support/served-hub.js';

const CHANNELS = ['a', 'b'];
const TIMEOUT_MS = 90_000;
const TOKEN_LIFETIME_MS = 1000;
/** 100 events a second. */
const EVENT_EVERY_MS = 10;
const RETRY_MS = 50;
/** Backoff with next to no delay. */
const random = (): number => 0.02;

interface Reader {
  readonly channels: readonly string[];
  readonly deliveries: readonly Delivery[];
  readonly tokens: () => number;
  readonly until: (isTrue: () => boolean) => Promise<void>;
  readonly stop: () => Promise<void>;
}

/** A subscription that is read to its end in the background; each of its tokens is good for a second. */
function read(url: string, channels: readonly string[]): Reader {
  const stop = new AbortController();
  const deliveries: Delivery[] = [];
  const watchers = new Set<() => void>();
  let tokens = 0;
  const token = (): Promise<string> => {
    tokens += 1;
    return tokenFor({ lifetimeMs: TOKEN_LIFETIME_MS, grants: { subscribe: channels } });
  };
  const done = (async () => {
    for await (const delivery of subscribe({ url, channels, token, signal: stop.signal, random })) {
      deliveries.push(delivery);
      for (const watch of watchers) watch();
    }
  })();
  return {
    channels,
    deliveries,
    tokens: () => tokens,
    until: (isTrue) =>
      new Promise((resolve, reject) => {
        const watch = (): void => {
          if (!isTrue()) return;
          watchers.delete(watch);
          resolve();
        };
        watchers.add(watch);
        watch();
        // It ends by itself only by an error: no event comes any more then.
        done.catch(reject);
      }),
    stop: async () => {
      stop.abort();
      await done;
    },
  };
}

const keysOf = (deliveries: readonly Delivery[]): ReadonlySet<string> =>
  new Set(deliveries.flatMap((delivery) => (delivery.kind === 'event' ? [delivery.data] : [])));

const gapsOf = (deliveries: readonly Delivery[]): readonly GapDelivery[] =>
  deliveries.filter((delivery) => delivery.kind === 'gap');

function received({ channels, deliveries }: Reader): readonly ReceivedItem[] {
  const [only = ''] = channels;
  return deliveries.flatMap((delivery): readonly ReceivedItem[] => {
    if (delivery.kind === 'gap') return [{ kind: 'gap', channel: delivery.channel }];
    return delivery.kind === 'event' ? [{ kind: 'event', channel: delivery.channel ?? only, key: delivery.data }] : [];
  });
}

const publisherToken = (): Promise<string> => tokenFor({ lifetimeMs: TOKEN_LIFETIME_MS, grants: { publish: ['*'] } });

/** Subscribers that a test can cut off, beside a publisher that it can cut off too. */
class Scene implements AsyncDisposable {
  readonly hub: ServedHub;
  readonly link: CuttableLink;
  readonly publisherLink: CuttableLink;
  readonly readers: readonly Reader[];
  readonly published: { readonly channel: string; readonly key: string }[] = [];
  readonly #publisher: ReturnType<typeof createBatchingPublisher>;
  readonly #answers: Promise<unknown>[] = [];

  private constructor(hub: ServedHub, link: CuttableLink, publisherLink: CuttableLink) {
    this.hub = hub;
    this.link = link;
    this.publisherLink = publisherLink;
    this.readers = [CHANNELS, ...CHANNELS.map((channel) => [channel])].map((each) => read(link.url, each));
    this.#publisher = createBatchingPublisher({ url: publisherLink.url, token: publisherToken, lingerMs: 2, random });
  }

  static async open(): Promise<Scene> {
    const hub = await ServedHub.start('--hub.retryMs', String(RETRY_MS));
    const [link, publisherLink] = [await CuttableLink.open(() => hub.port), await CuttableLink.open(() => hub.port)];
    const scene = new Scene(hub, link, publisherLink);
    for (const { deliveries, until } of scene.readers)
      await until(() => deliveries.some(({ kind }) => kind === 'live'));
    return scene;
  }

  /** Publishes so many events at their rate, whatever the timers make of it. */
  async flow(events: number): Promise<void> {
    const startedMs = performance.now();
    for (let at = 0; at < events; at += 1) {
      const channel = CHANNELS[at % CHANNELS.length] ?? '';
      const key = `${channel} ${this.published.length}`;
      this.published.push({ channel, key });
      this.#answers.push(this.#publisher.publish(channel, { data: key }));
      const aheadMs = startedMs + (at + 1) * EVENT_EVERY_MS - performance.now();
      if (aheadMs > 0) await new Promise((resolve) => setTimeout(resolve, aheadMs));
    }
  }

  /** Resolves when the hub has taken all that was published. */
  async answered(): Promise<void> {
    await Promise.all(this.#answers);
  }

  /** Resolves when the last event of each channel is everywhere. */
  async caughtUp(): Promise<void> {
    await this.answered();
    const lastKeys = this.published.slice(-CHANNELS.length);
    for (const { channels, deliveries, until } of this.readers) {
      const last = lastKeys.filter(({ channel }) => channels.includes(channel));
      const isThere = (key: string): boolean => deliveries.some((each) => each.kind === 'event' && each.data === key);
      await until(() => last.every(({ key }) => isThere(key)));
    }
  }

  /** Ends the subscriptions when all is there, and says what came wrong. */
  async judge(): Promise<readonly Fault[]> {
    const faults: Fault[] = [];
    await this.caughtUp();
    for (const [at, reader] of this.readers.entries()) {
      const { channels } = reader;
      await reader.stop();
      const delivered = { name: `reader ${at}`, channels, received: received(reader) };
      faults.push(...checkDelivery(this.published, [delivered]));
    }
    return faults;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#publisher.close();
    await Promise.all(this.readers.map(({ stop }) => stop().catch(() => undefined)));
    await this.link[Symbol.asyncDispose]();
    await this.publisherLink[Symbol.asyncDispose]();
    await this.hub[Symbol.asyncDispose]();
  }
}

test(
  'subscribe() and the batching publisher lose and double nothing while tokens expire and the network is cut',
  async () => {
    await using scene = await Scene.open();
    const { link, publisherLink, readers } = scene;
    const faults: readonly (() => void)[] = [
      () => link.cut(),
      () => publisherLink.cut(),
      () => link.refuseNext(),
      () => link.down(),
      () => link.up(),
      () => publisherLink.refuseNext(),
    ];
    for (let at = 0; at < 2 * faults.length; at += 1) {
      await scene.flow(110);
      faults[at % faults.length]?.();
    }
    expect(await scene.judge()).toEqual([]);
    for (const { deliveries, tokens } of readers) {
      expect(gapsOf(deliveries)).toEqual([]);
      const causes = deliveries.flatMap((each) => (each.kind === 'status' ? [each.cause ?? ''] : []));
      expect(causes.filter((cause) => /expired/.test(cause)).length).toBeGreaterThan(2);
      // More than the client puts up with where tokens are bad.
      expect(tokens()).toBeGreaterThan(5);
    }
  },
  TIMEOUT_MS,
);

test(
  'subscribe(), with the hub restarted too, announces what went with its memory, and loses and doubles nothing else',
  async () => {
    await using scene = await Scene.open();
    const { hub, link, publisherLink, readers } = scene;
    const lost = new Set<string>();
    for (const signal of ['SIGKILL', 'SIGTERM'] as const) {
      await scene.flow(120);
      link.cut();
      await scene.flow(80);
      publisherLink.cut();
      await scene.flow(50);
      await scene.caughtUp();
      // Nobody is there for these, and the history goes with the process. A history in memory takes its keys with it
      // too, so the publisher has its answers first: what it repeated after the restart would be a duplicate.
      link.down();
      await scene.flow(20);
      for (const { key } of scene.published.slice(-20)) lost.add(key);
      await scene.answered();
      await hub.restart(signal);
      await scene.flow(20);
      link.up();
    }
    await scene.flow(150);
    expect(await scene.judge()).toEqual([]);
    for (const { channels, deliveries } of readers) {
      const gaps = gapsOf(deliveries);
      expect(gaps.map(({ reason }) => reason)).toEqual(Array.from({ length: 2 * channels.length }, () => 'epoch'));
      const keys = keysOf(deliveries);
      const mine = scene.published.filter(({ channel }) => channels.includes(channel)).map(({ key }) => key);
      // The checker has something to judge, and no more is missing than what the process took with it.
      expect(mine.filter((key) => !keys.has(key))).toEqual(mine.filter((key) => lost.has(key)));
    }
  },
  TIMEOUT_MS,
);
