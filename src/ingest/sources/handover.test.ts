import type { ServerResponse } from 'node:http';
import { setImmediate as turn } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { createCapturingLogger } from '../../../test/support/capturing-logger.js';
import { ManualClock } from '../../../test/support/clocks.js';
import { dataOf } from '../../../test/support/reading.js';
import { hold, startUpstream, status } from '../../../test/support/upstream.js';
import type { Step } from '../../../test/support/upstream.js';
import { Dedupe } from '../intake/dedupe.js';
import { EventView } from '../intake/event-view.js';
import type { SourceItem } from './source.js';
import { createSseSource } from './sse.js';

const RENEW_MS = 60_000;

async function until(isSo: () => boolean): Promise<void> {
  while (!isSo()) await turn();
}

/** A live feed: everybody who is connected gets what is published, and nobody gets anything again. */
async function startFeed(...firsts: readonly Step[]) {
  const live = new Set<ServerResponse>();
  const join: Step = (response, request) => {
    hold(': hello\n\n')(response, request);
    live.add(response);
    response.on('close', () => live.delete(response));
  };
  const upstream = await startUpstream(...firsts, ...Array.from({ length: 20 }, () => join));
  const clock = new ManualClock(0);
  const options = { url: upstream.url, clock, idleTimeoutMs: 0, random: () => 0.5 };
  const source = createSseSource({ ...options, renewAfterMs: RENEW_MS, key: '/n' });
  const stop = new AbortController();
  const items: SourceItem[] = [];
  const reading = (async () => {
    const logger = createCapturingLogger();
    for await (const batch of source.read({ lastEventId: '', signal: stop.signal, logger })) items.push(...batch);
  })();
  return {
    live,
    clock,
    source,
    items,
    publish: (...numbers: readonly number[]) => {
      for (const response of live) response.write(numbers.map((n) => `id: ${n}\ndata: {"n":${n}}\n\n`).join(''));
    },
    /** What a pipeline would keep. */
    distinct: () => {
      const dedupe = new Dedupe({ key: '/n' }, 100);
      const events = items.flatMap((item) => (item.kind === 'event' ? [item.event] : []));
      return events
        .filter((event) => !dedupe.isRepeat(new EventView(event)))
        .map(({ data }) => (JSON.parse(data) as { n: number }).n);
    },
    async [Symbol.asyncDispose]() {
      stop.abort();
      await reading;
      await upstream[Symbol.asyncDispose]();
    },
  };
}

describe('readWithHandover()', () => {
  it('opens the next connection first, reads both until they meet, and then goes on with the new one', async () => {
    await using feed = await startFeed();
    await until(() => feed.live.size === 1);
    feed.publish(1, 2);
    await until(() => dataOf(feed.items).length === 2);
    await feed.clock.waitForTimers();
    feed.clock.advance(RENEW_MS);
    await until(() => feed.live.size === 2);
    expect(feed.source.stats().reconnects).toEqual({});
    feed.publish(3, 4);
    await until(() => dataOf(feed.items).length === 6);
    const [first] = feed.live;
    feed.clock.advance(2000);
    await until(() => first?.destroyed === true);
    expect(feed.source.stats().reconnects).toEqual({ renewed: 1 });
    feed.publish(5);
    await until(() => feed.distinct().includes(5));
    expect(feed.distinct()).toEqual([1, 2, 3, 4, 5]);
    expect(feed.source.stats()).toMatchObject({ isConnected: true, events: 7 });
  });

  it('loses nothing where the server cuts the first one as soon as the next is there', async () => {
    await using feed = await startFeed();
    await until(() => feed.live.size === 1);
    for (let round = 1; round <= 5; round += 1) {
      feed.publish(2 * round - 1);
      await until(() => feed.distinct().includes(2 * round - 1));
      await feed.clock.waitForTimers();
      feed.clock.advance(RENEW_MS);
      await until(() => feed.live.size === 2);
      const [first] = feed.live;
      feed.publish(2 * round);
      first?.end();
      await until(() => feed.distinct().includes(2 * round) && first?.destroyed === true);
      await until(() => (feed.source.stats().reconnects['renewed'] ?? 0) === round);
    }
    expect(feed.distinct()).toEqual(Array.from({ length: 10 }, (_, index) => index + 1));
    expect(feed.source.stats().reconnects).toEqual({ renewed: 5 });
    expect(feed.items.filter(({ kind }) => kind === 'gap')).toEqual([]);
  });

  it('lets the first one be where the next is refused, and tries again', async () => {
    const refused: ServerResponse[] = [];
    const join: Step = (response, request) => {
      hold('id: 1\ndata: {"n":1}\n\n')(response, request);
      refused.push(response);
    };
    await using feed = await startFeed(join, status(503), status(401));
    await until(() => dataOf(feed.items).length === 1);
    for (const _ of [1, 2]) {
      await feed.clock.waitForTimers();
      feed.clock.advance(RENEW_MS);
      for (let turns = 0; turns < 200; turns += 1) await turn();
    }
    await feed.clock.waitForTimers();
    feed.clock.advance(RENEW_MS);
    await until(() => feed.live.size === 1);
    expect(refused[0]?.destroyed).toBe(false);
    // Until it takes over, it does not say where a restart goes on.
    feed.publish(7);
    await until(() => dataOf(feed.items).length === 2);
    expect(feed.items.at(-1)).toMatchObject({ resumeId: '1', event: { id: '7' } });
    refused[0]?.write('id: 7\ndata: {"n":7}\n\n');
    await until(() => dataOf(feed.items).length === 3);
    feed.clock.advance(2000);
    await until(() => refused[0]?.destroyed === true);
    feed.publish(8);
    await until(() => dataOf(feed.items).length === 4);
    expect(feed.items.at(-1)).toMatchObject({ resumeId: '8' });
  });
});
