import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { RecordQueue } from './record-queue.js';
import type { OutgoingRecord } from './record-queue.js';

function record(sequence: number, key: string, bytes: number): OutgoingRecord {
  const event = { id: '', type: 'message', data: '', receivedAt: 0, sequence, bytes };
  return { event, data: new Uint8Array(), key, bytes };
}

const specs = fc.array(fc.tuple(fc.constantFrom('a', 'b', 'c'), fc.integer({ min: 1, max: 120 })), { maxLength: 60 });
const limits = fc.record({ recordsMax: fc.integer({ min: 1, max: 9 }), bytesMax: fc.integer({ min: 1, max: 200 }) });

describe('RecordQueue', () => {
  it('take() keeps within the limits, alone where one record is too large, and gives each record once', () => {
    fc.assert(
      fc.property(specs, limits, fc.constantFrom('none', 'key'), (sizes, limit, order) => {
        const records = sizes.map(([key, bytes], at) => record(at, key, bytes));
        const queue = new RecordQueue(records, order);
        const seen: OutgoingRecord[] = [];
        while (!queue.isDone) {
          const request = queue.take(limit);
          const bytes = request.reduce((sum, each) => sum + each.bytes, 0);
          expect(request.length).toBeGreaterThan(0);
          expect(request.length <= limit.recordsMax && (bytes <= limit.bytesMax || request.length === 1)).toBe(true);
          seen.push(...request);
          queue.settle(request);
        }
        expect(seen.toSorted((a, b) => a.event.sequence - b.event.sequence)).toEqual(records);
      }),
    );
  });

  it('by key: never holds two records of a key out at once, and gives them in order, however they settle', () => {
    fc.assert(
      fc.property(specs, limits, fc.infiniteStream(fc.nat(3)), (sizes, limit, picks) => {
        const queue = new RecordQueue(
          sizes.map(([key, bytes], at) => record(at, key, bytes)),
          'key',
        );
        const out: (readonly OutgoingRecord[])[] = [];
        const last = new Map<string, number>();
        while (!queue.isDone) {
          const request = queue.take(limit);
          if (request.length > 0) out.push(request);
          const keys = out.flat().map(({ key }) => key);
          expect(new Set(keys).size).toBe(keys.length);
          for (const { key, event } of request) {
            expect(event.sequence).toBeGreaterThan(last.get(key) ?? -1);
            last.set(key, event.sequence);
          }
          const pick = Number(picks.next().value);
          if (request.length === 0 || pick > 0) queue.settle(out.splice(pick % out.length, 1)[0] ?? []);
        }
      }),
    );
  });

  it('without order everything can be out at once', () => {
    const queue = new RecordQueue([record(1, 'a', 1), record(2, 'a', 1), record(3, 'a', 1)], 'none');
    const request = queue.take({ recordsMax: 10, bytesMax: 10 });
    expect(request).toHaveLength(3);
    expect(queue.take({ recordsMax: 10, bytesMax: 10 })).toEqual([]);
    expect(queue.isDone).toBe(false);
    queue.settle(request);
    expect(queue.isDone).toBe(true);
  });
});
