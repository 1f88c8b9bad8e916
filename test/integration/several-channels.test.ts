import { expect, test } from 'vitest';

import { isControlType } from '../../src/protocol/index.js';
import { checkDelivery } from '../support/checker.js';
import type { ReceivedItem } from '../support/checker.js';
import { HubServer } from '../support/hub-server.js';
import type { StreamClient } from '../support/stream-client.js';

test('frames of several channels carry no id; each flush ends with the cursor', async () => {
  await using hub = await HubServer.start();
  await using client = await hub.subscribe('?channel=b&channel=a');
  await client.event('tidegate.live');
  const start = client.lastEventId;
  await hub.publishJson('a', { data: 'one', id: 'own' });
  await client.event('tidegate.cursor');
  expect(client.events.slice(2)).toEqual([
    // A publisher's own id, met by a cut before the cursor, would cost the client its place.
    { type: 'message', data: 'one', lastEventId: start },
    { type: 'tidegate.cursor', data: '{}', lastEventId: start.replace(/0$/, '1') },
  ]);
});

test('a backfill of several channels is in the order of publishing, and last= counts over all', async () => {
  await using hub = await HubServer.start();
  for (const [at, channel] of ['a', 'b', 'a', 'a', 'b', 'c'].entries())
    await hub.hub.publish(channel, { data: `${channel}${at}` });
  await using all = await hub.subscribe('?channel=a&channel=b&last=all');
  await all.event('tidegate.live');
  expect(all.data).toEqual(['a0', 'b1', 'a2', 'a3', 'b4']);
  await using two = await hub.subscribe('?channel=a&channel=b&last=2');
  await two.event('tidegate.live');
  expect(two.data).toEqual(['a3', 'b4']);
});

test('several channels resume exactly, whichever of them was busy', async () => {
  await using hub = await HubServer.start();
  const first = await (await hub.subscribe('?channel=a&channel=b&channel=c')).event('tidegate.live');
  await hub.publish('a', 'a1');
  await first.event('tidegate.cursor');
  await first[Symbol.asyncDispose]();
  for (const channel of ['b', 'a', 'b', 'd', 'c']) await hub.publish(channel, `${channel}2`);
  await using again = await hub.subscribe('?channel=c&channel=b&channel=a', { 'Last-Event-ID': first.lastEventId });
  await again.event('tidegate.live');
  expect(again.data).toEqual(['b2', 'a2', 'b2', 'c2']);
});

test('a gap on several channels names those that lost something, and what is left still comes', async () => {
  await using hub = await HubServer.start({ history: { events: 2 } });
  const first = await (await hub.subscribe('?channel=a&channel=b')).event('tidegate.live');
  await first[Symbol.asyncDispose]();
  for (const data of ['1', '2', '3', '4']) await hub.publish('a', data);
  await hub.publish('b', '5');
  await using again = await hub.subscribe('?channel=a&channel=b', { 'Last-Event-ID': first.lastEventId });
  await again.event('tidegate.live');
  const gaps = again.events.filter(({ type }) => type === 'tidegate.gap').map(({ data }) => JSON.parse(data));
  expect(gaps).toMatchObject([{ reason: 'evicted', channel: 'a', requested: first.lastEventId }]);
  expect(again.data).toEqual(['3', '4', '5']);
});

test('cut at any byte while three publishers never stop, several channels lose nothing and stay in order', async () => {
  await using hub = await HubServer.start({ history: { events: 100_000, bytes: 1e9 } });
  const channels = ['a', 'b', 'c'];
  const published: { channel: string; key: string }[] = [];
  let isOver = false;
  const publisher = (async () => {
    while (!isOver) {
      for (const channel of channels) {
        const key = `${channel} ${published.length} ${'x'.repeat(published.length % 900)}`;
        published.push({ channel, key });
        await hub.hub.publish(channel, { data: key });
      }
      await new Promise(setImmediate);
    }
  })();
  const received: ReceivedItem[] = [];
  let lastEventId = '';
  const readOnce = async (isEnough: (client: StreamClient) => boolean): Promise<void> => {
    await using client = await hub.subscribe(
      '?channel=a&channel=b&channel=c&last=all&envelope=json',
      lastEventId === '' ? {} : { 'Last-Event-ID': lastEventId },
    );
    await client.until(isEnough);
    await client[Symbol.asyncDispose]();
    ({ lastEventId } = client);
    for (const { type, data } of client.events) {
      const envelope = isControlType(type) ? undefined : (JSON.parse(data) as { channel: string; data: string });
      if (envelope) received.push({ kind: 'event', channel: envelope.channel, key: envelope.data });
    }
  };
  for (let life = 0; life < 12; life += 1) await readOnce(({ data }) => data.length > 31 * (life % 5));
  isOver = true;
  await publisher;
  await readOnce(({ lastEventId: id }) => id.endsWith(`-${published.length}`));
  expect(checkDelivery(published, [{ name: 'reader', channels, received, mayRepeat: true }])).toEqual([]);
});
