import { expect, test } from 'vitest';

import { createBatchingPublisher, subscribe } from '../../src/client/index.js';
import type { Delivery } from '../../src/client/index.js';
import { checkDelivery } from '../support/checker.js';
import type { ReceivedItem } from '../support/checker.js';
import { CuttableLink } from '../support/cuttable-link.js';
import { HubServer } from '../support/hub-server.js';
import { startTokenGate } from '../support/token-gate.js';

const CHANNELS = ['a', 'b'];

/** A subscription that is read to its end in the background. */
function read(url: string, channels: readonly string[], token: () => string) {
  const stop = new AbortController();
  const deliveries: Delivery[] = [];
  const watchers = new Set<() => void>();
  const done = (async () => {
    for await (const delivery of subscribe({ url, channels, token, signal: stop.signal, random: () => 0.02 })) {
      deliveries.push(delivery);
      for (const watch of watchers) watch();
    }
  })();
  return {
    deliveries,
    until: (isTrue: () => boolean): Promise<void> =>
      new Promise((resolve) => {
        const watch = (): void => {
          if (!isTrue()) return;
          watchers.delete(watch);
          resolve();
        };
        watchers.add(watch);
        watch();
      }),
    stop: async (): Promise<void> => {
      stop.abort();
      await done;
    },
  };
}

function received(deliveries: readonly Delivery[]): readonly ReceivedItem[] {
  return deliveries.flatMap((delivery): readonly ReceivedItem[] => {
    if (delivery.kind === 'gap') return [{ kind: 'gap', channel: delivery.channel }];
    return delivery.kind === 'event' ? [{ kind: 'event', channel: delivery.channel ?? '', key: delivery.data }] : [];
  });
}

test('subscribe() and the batching publisher, with the network cut, the token expiring and the hub restarted, lose nothing unsaid and double nothing', async () => {
  let hub = await HubServer.start({ retryMs: 20 });
  await using gate = await startTokenGate(() => hub.url);
  await using link = await CuttableLink.open(() => Number(new URL(gate.url).port));
  let tokens = 0;
  gate.allow('token-0');
  const token = (): string => `token-${tokens}`;
  const expireToken = (): void => {
    tokens += 1;
    gate.allow(`token-${tokens}`);
    gate.expire(`token-${tokens - 1}`);
  };
  const answers: Promise<unknown>[] = [];
  const restartHub = async (): Promise<void> => {
    // A history in memory takes its keys with it: a publish that is repeated then would be a duplicate.
    await Promise.all(answers);
    const old = hub;
    hub = await HubServer.start({ retryMs: 20 });
    await old[Symbol.asyncDispose]();
  };

  const readers = [read(link.url, CHANNELS, token), ...CHANNELS.map((channel) => read(link.url, [channel], token))];
  for (const { deliveries, until } of readers) await until(() => deliveries.some(({ kind }) => kind === 'live'));
  const publisher = createBatchingPublisher({ url: link.url, token, lingerMs: 2, random: () => 0.02 });
  const published: { channel: string; key: string }[] = [];
  const started = Date.now();
  const faults: readonly (() => void | Promise<void>)[] = [
    () => link.cut(),
    expireToken,
    () => link.cut(),
    restartHub,
    expireToken,
    () => link.cut(),
  ];
  for (let at = 0; at < 350; at += 1) {
    const channel = CHANNELS[at % 2] ?? '';
    const key = `${channel} ${at}`;
    published.push({ channel, key });
    answers.push(publisher.publish(channel, { data: key }));
    // 100 events a second, whatever the timers make of it.
    const aheadMs = started + at * 10 - Date.now();
    if (aheadMs > 0) await new Promise((resolve) => setTimeout(resolve, aheadMs));
    if (at % 50 === 49) await faults[(at - 49) / 50]?.();
  }
  await publisher.drain();
  await Promise.all(answers);

  for (const [at, { deliveries, until, stop }] of readers.entries()) {
    const channels = at === 0 ? CHANNELS : [CHANNELS[at - 1] ?? ''];
    const last = published.filter(({ channel }) => channels.includes(channel)).slice(-channels.length);
    const isThere = (key: string): boolean => deliveries.some((each) => each.kind === 'event' && each.data === key);
    await until(() => last.every(({ key }) => isThere(key)));
    await stop();
    expect(checkDelivery(published, [{ name: String(at), channels, received: received(deliveries) }])).toEqual([]);
    const gaps = deliveries.filter(({ kind }) => kind === 'gap');
    expect(gaps.length).toBeLessThanOrEqual(channels.length);
    expect(gaps.every((gap) => gap.kind === 'gap' && gap.reason === 'epoch')).toBe(true);
  }
  expect(gate.refusals).toContain('token-expired');
  await hub[Symbol.asyncDispose]();
});
