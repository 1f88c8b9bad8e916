import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { MemorySpool } from './spool.js';
import type { OnFull, SpoolLimits } from './spool.js';

const ALL = { eventsMax: Infinity, bytesMax: Infinity };
const never = new AbortController().signal;

function createSpool(
  sinks: Readonly<Record<string, OnFull>>,
  limits: SpoolLimits = {},
): { spool: MemorySpool; drops: string[] } {
  const drops: string[] = [];
  const spool = new MemorySpool({
    ...limits,
    sinks: Object.entries(sinks).map(([name, onFull]) => ({ name, onFull })),
    start: { lastEventId: '', receivedAt: 0 },
    onDrop: (sink) => drops.push(sink),
  });
  return { spool, drops };
}

function append(spool: MemorySpool, id: number, data = 'x'): boolean {
  return spool.tryAppend({ id: String(id), type: 'message', data, receivedAt: id }, String(id));
}

const action = fc.oneof(
  fc.constant({ kind: 'append' } as const),
  fc.record({
    kind: fc.constant('take' as const),
    sink: fc.constantFrom('block', 'drop'),
    count: fc.integer({ min: 1, max: 4 }),
  }),
  fc.record({ kind: fc.constant('acknowledge' as const), sink: fc.constantFrom('block', 'drop') }),
);

describe('MemorySpool', () => {
  it('gives every sink every event, in order, at its own pace', async () => {
    const { spool } = createSpool({ a: 'block', b: 'block' });
    for (const id of [1, 2, 3]) append(spool, id);
    const [a, b] = [spool.reader('a'), spool.reader('b')];
    expect((await a.take({ eventsMax: 2, bytesMax: Infinity })).map((event) => event.id)).toEqual(['1', '2']);
    expect((await a.take(ALL)).map((event) => event.id)).toEqual(['3']);
    expect((await b.take(ALL)).map((event) => event.sequence)).toEqual([1, 2, 3]);
    a.acknowledge();
    expect(spool.events).toBe(3);
    b.acknowledge();
    expect([spool.events, spool.bytes, spool.position.lastEventId]).toEqual([0, 0, '3']);
  });

  it('take() is bounded in bytes but gives one event at least', async () => {
    const { spool } = createSpool({ a: 'block' });
    for (const id of [1, 2]) append(spool, id, 'x'.repeat(1000));
    const reader = spool.reader('a');
    expect(await reader.take({ eventsMax: 9, bytesMax: 10 })).toHaveLength(1);
    expect(reader.pendingEvents).toBe(1);
    expect(reader.pendingBytes).toBeGreaterThan(1000);
    expect(reader.pendingBytes).toBeLessThan(1200);
  });

  it('tryAppend() refuses what has no room, in events or bytes, until a blocking sink has acknowledged', async () => {
    for (const limits of [{ eventsMax: 2 }, { bytesMax: 2500 }]) {
      const { spool } = createSpool({ a: 'block' }, limits);
      expect([1, 2, 3].map((id) => append(spool, id, 'x'.repeat(1000)))).toEqual([true, true, false]);
      const room = spool.waitForRoom(never);
      await spool.reader('a').take({ eventsMax: 1, bytesMax: Infinity });
      expect(append(spool, 3, 'x'.repeat(1000))).toBe(false);
      spool.reader('a').acknowledge();
      await room;
      expect(append(spool, 3)).toBe(true);
    }
  });

  it('tryAppend() lets an event larger than the whole spool in alone', () => {
    const { spool } = createSpool({ a: 'block' }, { bytesMax: 10 });
    expect(append(spool, 1, 'x'.repeat(1000))).toBe(true);
    expect(append(spool, 2)).toBe(false);
  });

  it('a sink that drops loses its oldest events and holds nobody up', async () => {
    const { spool, drops } = createSpool({ slow: 'drop', fast: 'block' }, { eventsMax: 2 });
    const fast = spool.reader('fast');
    for (const id of [1, 2, 3, 4, 5]) {
      expect(append(spool, id)).toBe(true);
      await fast.take(ALL);
      fast.acknowledge();
    }
    expect(drops).toEqual(['slow', 'slow', 'slow']);
    expect(spool.position.lastEventId).toBe('3');
    const slow = spool.reader('slow');
    expect((await slow.take(ALL)).map((event) => event.id)).toEqual(['4', '5']);
    expect(slow.pendingBytes).toBe(0);
    slow.acknowledge();
    expect(spool.position.lastEventId).toBe('5');
  });

  it('tells who waits for room when a sink that blocks has caught up, though one that drops has not', async () => {
    const { spool } = createSpool({ slow: 'drop', fast: 'block' }, { eventsMax: 2 });
    for (const id of [1, 2]) append(spool, id);
    expect(append(spool, 3)).toBe(false);
    const room = spool.waitForRoom(never);
    await spool.reader('fast').take(ALL);
    spool.reader('fast').acknowledge();
    await room;
    expect(append(spool, 3)).toBe(true);
  });

  it('a sink that drops keeps what it has in hand, and nobody waits for it', async () => {
    const { spool, drops } = createSpool({ slow: 'drop' }, { eventsMax: 2 });
    append(spool, 1);
    const slow = spool.reader('slow');
    expect(await slow.take(ALL)).toHaveLength(1);
    for (const id of [2, 3, 4]) append(spool, id);
    expect(drops).toEqual(['slow']);
    expect(spool.position.lastEventId).toBe('2');
    slow.acknowledge();
    expect(spool.position.lastEventId).toBe('2');
    expect((await slow.take(ALL)).map((event) => event.id)).toEqual(['3', '4']);
  });

  it('never waits, loses or repeats against its rules, whatever the order of things', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(action, { maxLength: 150 }), async (steps) => {
        const { spool, drops } = createSpool({ block: 'block', drop: 'drop' }, { eventsMax: 5 });
        const taken: Record<string, number[]> = { block: [], drop: [] };
        let appended = 0;
        for (const step of steps) {
          if (step.kind === 'append' && append(spool, appended + 1)) appended += 1;
          if (step.kind === 'take')
            for (const { sequence } of await spool
              .reader(step.sink)
              .take({ eventsMax: step.count, bytesMax: Infinity }))
              taken[step.sink]?.push(sequence);
          if (step.kind === 'acknowledge') spool.reader(step.sink).acknowledge();
          expect(spool.events).toBeLessThanOrEqual(5);
        }
        for (const sink of ['block', 'drop'])
          taken[sink]?.push(...(await spool.reader(sink).take(ALL)).map((event) => event.sequence));
        expect(taken['block']).toEqual(Array.from({ length: appended }, (_, index) => index + 1));
        expect(taken['drop']).toEqual([...new Set(taken['drop'])].toSorted((a, b) => a - b));
        expect((taken['drop']?.length ?? 0) + drops.length).toBe(appended);
      }),
      { numRuns: 500 },
    );
  });
});
