import { describe, expect, it } from 'vitest';
import { createFrameBatch } from './frame-batch.js';

describe('createFrameBatch()', () => {
  it('draws once per frame, however often it is asked', () => {
    const frames: (() => void)[] = [];
    let drawn = 0;
    const ask = createFrameBatch(
      () => (drawn += 1),
      (callback) => frames.push(callback),
    );
    for (let call = 0; call < 1000; call += 1) ask();
    expect([frames.length, drawn]).toEqual([1, 0]);
    frames.shift()?.();
    expect(drawn).toBe(1);
    ask();
    frames.shift()?.();
    expect(drawn).toBe(2);
  });
});
