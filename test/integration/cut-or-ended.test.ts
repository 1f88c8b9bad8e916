import { describe, expect, test } from 'vitest';

import { subscribe } from '../../src/client/index.js';
import type { Delivery } from '../../src/client/index.js';
import { createSseSource } from '../../src/ingest/index.js';
import { createCapturingLogger } from '../support/capturing-logger.js';
import { HubServer } from '../support/hub-server.js';
import { dataOf, readSource } from '../support/reading.js';

/** What the hub does, and what a reader makes of it. */
type Ending = readonly [what: string, act: (hub: HubServer) => Promise<unknown>, seen: string | undefined];

const cut = (hub: HubServer): Promise<unknown> => hub.hub.close();
const drain = (hub: HubServer): Promise<unknown> => hub.hub.drain();
const end = (hub: HubServer): Promise<unknown> => hub.hub.end('a');

describe('subscribe(), of a hub over chunks', () => {
  test.each<Ending>([
    ['a cut for a lost connection', cut, 'The connection was lost: '],
    ['a drain for what the hub says', drain, 'The hub is shutting down'],
    ['the end of the channel for its end', end, undefined],
  ])('takes %s', async (_, act, seen) => {
    await using hub = await HubServer.start({ drainMs: 0 });
    await hub.hub.publish('a', { data: '1' });
    const stop = new AbortController();
    const deliveries: Delivery[] = [];
    for await (const delivery of subscribe({ url: hub.url, channels: ['a'], last: 'all', signal: stop.signal })) {
      deliveries.push(delivery);
      if (delivery.kind === 'live') void act(hub);
      if (delivery.kind === 'status' && delivery.state === 'reconnecting') stop.abort();
    }
    expect(deliveries.flatMap((delivery) => (delivery.kind === 'event' ? [delivery.data] : []))).toEqual(['1']);
    const causes = deliveries.flatMap((one) =>
      one.kind === 'status' && one.state === 'reconnecting' ? [one.cause] : [],
    );
    // Why it would have come back: a cause at most, which begins as it should.
    expect(causes.map((cause) => cause?.slice(0, seen?.length))).toEqual([seen].filter((text) => text !== undefined));
  });
});

describe.each([
  ['plain', false],
  ['gzip', true],
])('ingest, from a hub over chunks, %s', (_, acceptsCompression) => {
  test.each<Ending>([
    ['a cut for a broken connection, though the source is a finite one', cut, 'broken'],
    ['a drain for a refusal that heals', drain, 'refused'],
    ['the end of the channel for its end', end, undefined],
  ])('takes %s', async (__, act, seen) => {
    await using hub = await HubServer.start({ drainMs: 0 });
    // Large enough to be compressed.
    await hub.hub.publish('a', { data: 'tide '.repeat(1000) });
    const url = `${hub.url}/subscribe/a?last=all`;
    const stop = new AbortController();
    const logger = createCapturingLogger();
    const source = createSseSource({ url, acceptsCompression, isFinite: true });
    const reading = readSource(source, { signal: stop.signal, logger }, () => void act(hub));
    const causes = (): readonly unknown[] => logger.lines.flatMap(({ fields }) => fields['cause'] ?? []);
    let isOver = false;
    void reading.then(() => (isOver = true));
    await expect.poll(() => isOver || causes().length > 0).toBe(true);
    stop.abort();
    const { items, error } = await reading;
    expect(error).toBeUndefined();
    expect(dataOf(items)).toEqual(['tide '.repeat(1000)]);
    expect(causes().at(0)).toBe(seen);
  });
});
