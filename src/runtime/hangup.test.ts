import { EventEmitter } from 'node:events';
import { describe, expect, it } from 'vitest';
import { listenForHangup } from './index.js';

describe('listenForHangup()', () => {
  it('tells of each SIGHUP until it is disposed, and leaves no listener behind', () => {
    const source = new EventEmitter();
    let hangups = 0;
    const listening = listenForHangup(() => (hangups += 1), source);
    source.emit('SIGHUP');
    source.emit('SIGHUP');
    listening[Symbol.dispose]();
    source.emit('SIGHUP');
    expect([hangups, source.eventNames()]).toEqual([2, []]);
  });
});
