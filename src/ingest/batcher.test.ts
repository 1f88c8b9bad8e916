import { describe, expect, it } from 'vitest';
import { ManualClock } from '../../test/support/clocks.js';
import { nextBatch } from './batcher.js';
import { MemorySpool } from './spool/spool.js';

const LIMITS = { eventsMax: 3, bytesMax: 10_000, waitMs: 100 };

function setUp(): {
  spool: MemorySpool;
  clock: ManualClock;
  stop: AbortController;
  next: () => Promise<readonly string[]>;
} {
  const spool = new MemorySpool({ sinks: [{ name: 's', onFull: 'block' }], start: { lastEventId: '', receivedAt: 0 } });
  const clock = new ManualClock();
  const stop = new AbortController();
  const next = async (): Promise<readonly string[]> => {
    const batch = await nextBatch(spool.reader('s'), () => LIMITS, { clock, signal: stop.signal });
    return batch.map((event) => event.data);
  };
  return { spool, clock, stop, next };
}

const append = (spool: MemorySpool, data: string): boolean =>
  spool.tryAppend({ id: '', type: 'message', data, receivedAt: 0 }, '');

describe('nextBatch()', () => {
  it('does not wait when half of what the spool holds is there: the source would soon have no room', async () => {
    const spool = new MemorySpool({
      sinks: [{ name: 's', onFull: 'block' }],
      start: { lastEventId: '', receivedAt: 0 },
      eventsMax: 4,
    });
    for (const data of ['a', 'b', 'c']) append(spool, data);
    const limits = { eventsMax: 100, bytesMax: 1e6, waitMs: 1e9 };
    const { signal } = new AbortController();
    const batch = await nextBatch(spool.reader('s'), () => limits, { clock: new ManualClock(), signal });
    expect(batch.map(({ data }) => data)).toEqual(['a', 'b']);
  });

  it('asks for the limits of the batch that begins with the next event', async () => {
    const { spool, clock, stop } = setUp();
    for (const data of ['a', 'b', 'c', 'd']) append(spool, data);
    const batches: (readonly string[])[] = [];
    for (const begin of ['a', 'b']) {
      const limitsFrom = ({ data }: { readonly data: string }) => ({ ...LIMITS, eventsMax: data === begin ? 2 : 1 });
      const batch = await nextBatch(spool.reader('s'), limitsFrom, { clock, signal: stop.signal });
      batches.push(batch.map(({ data }) => data));
    }
    expect(batches).toEqual([['a', 'b'], ['c']]);
  });

  it('goes on where what was there is dropped before it is taken', async () => {
    const event = { id: '', type: 'message', data: 'a', receivedAt: 0, sequence: 2, bytes: 1 };
    const peeks = [undefined, event, event];
    const takes = [[], [event]];
    const reader = {
      pendingEvents: 1,
      pendingBytes: 1,
      isClosed: false,
      half: { events: 10, bytes: 1000 },
      peek: () => Promise.resolve(peeks.shift()),
      take: () => Promise.resolve(takes.shift() ?? []),
      acknowledge: () => {},
      changed: () => Promise.resolve(),
    };
    const { signal } = new AbortController();
    const limits = { ...LIMITS, waitMs: 0 };
    expect(await nextBatch(reader, () => limits, { clock: new ManualClock(), signal })).toEqual([event]);
    expect([peeks.length, takes.length]).toEqual([0, 0]);
  });

  it('waits for the first event, then waitMs for company', async () => {
    const { spool, clock, next } = setUp();
    const batch = next();
    append(spool, 'a');
    await clock.waitForTimers();
    clock.advance(99);
    append(spool, 'b');
    clock.advance(1);
    expect(await batch).toEqual(['a', 'b']);
    expect(clock.timers).toBe(0);
  });

  it.each([
    ['events', ['a', 'b', 'c', 'd'], ['a', 'b', 'c']],
    ['bytes', ['a', 'x'.repeat(10_000)], ['a']],
  ])('does not wait when it is full of %s', async (_, events, expected) => {
    const { spool, next } = setUp();
    for (const data of events) append(spool, data);
    expect(await next()).toEqual(expected);
  });

  it('does not wait when the spool is closed, and is empty after the last event', async () => {
    const { spool, clock, next } = setUp();
    append(spool, 'a');
    const batch = next();
    await clock.waitForTimers();
    spool.close();
    expect(await batch).toEqual(['a']);
    expect(await next()).toEqual([]);
  });

  it('is empty when the signal aborts, before the first event and after', async () => {
    const { spool, clock, stop, next } = setUp();
    const waiting = next();
    append(spool, 'a');
    await clock.waitForTimers();
    stop.abort();
    expect(await waiting).toEqual([]);
    expect(await next()).toEqual([]);
    expect(clock.timers).toBe(0);
  });
});
