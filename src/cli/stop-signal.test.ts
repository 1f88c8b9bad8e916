import { EventEmitter } from 'node:events';
import { describe, expect, it } from 'vitest';
import { ManualClock } from '../../test/support/clocks.js';
import { listenForStop } from './stop-signal.js';

describe('listenForStop()', () => {
  it('takes the echo of a signal for the same one, and a later signal for "now"', () => {
    const source = new EventEmitter();
    const clock = new ManualClock(1_000_000);
    const exits: number[] = [];
    using stop = listenForStop({ source, clock, exit: (code) => exits.push(code) });
    source.emit('SIGINT', 'SIGINT');
    source.emit('SIGINT', 'SIGINT');
    clock.advance(499);
    source.emit('SIGINT', 'SIGINT');
    expect(stop.signal.aborted).toBe(true);
    expect(exits).toEqual([]);
    clock.advance(1);
    source.emit('SIGINT', 'SIGINT');
    expect(exits).toEqual([130]);
  });
});
