import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { CheckpointTracker } from './checkpoint-tracker.js';
import type { Position } from './checkpoint-tracker.js';

const at = (id: number): Position => ({ lastEventId: String(id), receivedAt: id });

describe('CheckpointTracker', () => {
  it('position moves when the last sink acknowledges, and not before', () => {
    const tracker = new CheckpointTracker(['a', 'b'], at(0));
    tracker.append(at(1));
    tracker.append(at(2));
    tracker.acknowledge('a', 2);
    expect(tracker.position).toEqual(at(0));
    tracker.acknowledge('b', 1);
    expect(tracker.position).toEqual(at(1));
    tracker.acknowledge('b', 2);
    expect(tracker.position).toEqual(at(2));
  });

  it('advance() moves at once where no event is before it, else with that event', () => {
    const tracker = new CheckpointTracker(['a'], at(0));
    tracker.advance(at(1));
    expect(tracker.position).toEqual(at(1));
    tracker.append(at(2));
    tracker.advance(at(3));
    expect(tracker.position).toEqual(at(1));
    tracker.acknowledge('a', 1);
    expect(tracker.position).toEqual(at(3));
  });

  const step = fc.oneof(
    fc.constant({ kind: 'event' } as const),
    fc.constant({ kind: 'filtered' } as const),
    fc.record({ kind: fc.constant('acknowledge' as const), sink: fc.nat(2), count: fc.nat(4) }),
  );

  it('position is always the last thing before the oldest event that some sink has not', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
        const sinks = ['a', 'b', 'c'];
        const tracker = new CheckpointTracker(sinks, at(0));
        // The model: everything the source gave, and what each sink has of it.
        const given: { readonly id: number; readonly sequence: number | undefined }[] = [];
        const acknowledged = [0, 0, 0];
        let last = 0;
        for (const { kind, ...how } of steps) {
          const id = given.length + 1;
          if (kind === 'event') given.push({ id, sequence: (last = tracker.append(at(id))) });
          if (kind === 'filtered') {
            given.push({ id, sequence: undefined });
            tracker.advance(at(id));
          }
          if ('sink' in how) {
            acknowledged[how.sink] = Math.min(last, (acknowledged[how.sink] ?? 0) + how.count);
            tracker.acknowledge(sinks[how.sink] ?? '', acknowledged[how.sink] ?? 0);
          }
          const safe = Math.min(...acknowledged);
          const open = given.find(({ sequence }) => sequence !== undefined && sequence > safe);
          expect(tracker.position.receivedAt).toBe(open === undefined ? given.length : open.id - 1);
        }
      }),
      { numRuns: 500 },
    );
  });
});
