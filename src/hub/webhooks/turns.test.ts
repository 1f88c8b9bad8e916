import { describe, expect, it } from 'vitest';

import { ManualClock } from '../../../test/support/clocks.js';
import { Turns } from './turns.js';

describe('Turns', () => {
  it('gives turns in the order of arrival, and none over its bounds', async () => {
    const clock = new ManualClock();
    const turns = new Turns(1, 2);
    const take = (): ReturnType<Turns['take']> => turns.take((task) => clock.after(100, task));
    const order: string[] = [];
    const note = (name: string) => (turn: string) => void order.push(`${name} ${turn}`);
    const all = ['a', 'b', 'c', 'd'].map((name) => take().then(note(name)));
    await Promise.all([all[0], all[3]]);
    expect(order).toEqual(['a taken', 'd overloaded']);
    turns.release();
    await all[1];
    turns.release();
    await all[2];
    expect(order.slice(2)).toEqual(['b taken', 'c taken']);
    expect(clock.timers).toBe(0);
  });

  it('ends a wait that takes too long, and gives the turn to the next', async () => {
    const clock = new ManualClock();
    const turns = new Turns(1, 10);
    const take = (waitMs: number): ReturnType<Turns['take']> => turns.take((task) => clock.after(waitMs, task));
    const [first, impatient, patient] = [take(1), take(100), take(1000)];
    expect(await first).toBe('taken');
    clock.advance(100);
    expect(await impatient).toBe('timeout');
    expect(turns.waiting).toBe(1);
    turns.release();
    expect(await patient).toBe('taken');
    turns.release();
    expect(await take(1)).toBe('taken');
  });
});
