import { EventEmitter } from 'node:events';
import { describe, expect, it } from 'vitest';
import { listenForShutdown } from './index.js';

describe('listenForShutdown()', () => {
  it.each([
    ['SIGINT', 130],
    ['SIGTERM', 143],
  ] as const)('aborts at the first %s and exits with %i at the second', (name, code) => {
    const source = new EventEmitter();
    const exits: number[] = [];
    using shutdown = listenForShutdown({ source, exit: (exitCode) => exits.push(exitCode) });
    source.emit('SIGTERM', 'SIGTERM');
    expect(shutdown.signal.aborted).toBe(true);
    expect(exits).toEqual([]);
    source.emit(name, name);
    expect(exits).toEqual([code]);
  });

  it('leaves no listener behind', () => {
    const source = new EventEmitter();
    listenForShutdown({ source })[Symbol.dispose]();
    expect(source.eventNames()).toEqual([]);
  });
});
