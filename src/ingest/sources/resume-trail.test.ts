import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ResumeTrail } from './resume-trail.js';

describe('ResumeTrail', () => {
  it('resumes at the last id without an overlap', () => {
    const trail = new ResumeTrail({ from: 'a', at: 0, overlapMs: 0, overlapEvents: 10 });
    expect(trail.resumeId).toBe('a');
    trail.note('b', 1, true);
    expect(trail.resumeId).toBe('b');
    trail.note('c', 1, false);
    expect(trail.resumeId).toBe('c');
  });

  it('stays where it resumed from until that is long enough ago', () => {
    const trail = new ResumeTrail({ from: 'a', at: 0, overlapMs: 100, overlapEvents: 1000 });
    trail.note('b', 10, true);
    trail.note('c', 105, true);
    expect(trail.resumeId).toBe('a');
    trail.note('d', 111, true);
    expect(trail.resumeId).toBe('b');
  });

  it('note() goes back as far as asked, in time or in events, and hardly further', () => {
    const steps = fc.array(fc.integer({ min: 0, max: 40 }), { minLength: 1, maxLength: 300 });
    fc.assert(
      fc.property(
        steps,
        fc.integer({ min: 1, max: 500 }),
        fc.integer({ min: 1, max: 100 }),
        (waits, overlapMs, overlapEvents) => {
          const trail = new ResumeTrail({ from: '0', at: 0, overlapMs, overlapEvents });
          const times = [0];
          for (const [index, wait] of waits.entries()) {
            const number = index + 1;
            const now = (times.at(-1) ?? 0) + wait;
            times.push(now);
            trail.note(String(number), now, true);
            const from = Number(trail.resumeId);
            const isFarEnough = from === 0 || now - (times[from] ?? 0) >= overlapMs || number - from >= overlapEvents;
            expect(isFarEnough).toBe(true);
            expect(number - from).toBeLessThanOrEqual(overlapEvents + Math.ceil(overlapEvents / 16));
          }
        },
      ),
    );
  });
});
