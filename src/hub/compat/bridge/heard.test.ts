import { describe, expect, it } from 'vitest';

import { HeardLog } from './heard.js';
import type { HeardMessage } from './heard.js';

const LIMITS = { messages: 100, bytes: 1_000_000 };

function message(text: string): HeardMessage {
  return { channel: Buffer.from('c'), payload: Buffer.from(text), bytes: text.length };
}

function textsOf(log: HeardLog, count = 100): readonly (string | undefined)[] {
  return log.next(count).map((heard) => heard.message?.payload.toString());
}

describe('HeardLog', () => {
  it('gives messages their places from a marker on, and none before', () => {
    const log = new HeardLog(LIMITS);
    log.hear(message('early'));
    log.begin(7);
    log.hear(message('a'));
    log.hear(message('b'));
    expect(textsOf(log)).toEqual([undefined, 'a', 'b']);
    expect(log.next(9).map(({ mark }) => mark.index)).toEqual([0, 1, 2]);
    log.trim({ term: 7, index: 1 });
    expect(textsOf(log)).toEqual(['b']);
    expect(log.hasHole({ term: 7, index: 1 })).toBe(false);
  });

  it('knows what it does not know after a cut', () => {
    const log = new HeardLog(LIMITS);
    log.begin(7);
    log.hear(message('a'));
    log.cut();
    log.hear(message('lost'));
    expect(log.isCounting).toBe(false);
    log.begin(9);
    log.hear(message('b'));
    expect(textsOf(log)).toEqual([undefined, 'a']);
    expect(log.hasHole(undefined)).toBe(false);
    log.trim({ term: 7, index: 1 });
    expect(log.hasHole({ term: 7, index: 1 })).toBe(true);
    // Somebody else has told what was between.
    log.trim({ term: 9, index: 0 });
    expect(log.hasHole({ term: 9, index: 0 })).toBe(false);
    expect(textsOf(log)).toEqual(['b']);
  });

  it('keeps no more messages and bytes than it may, and lets the oldest go', () => {
    for (const limits of [
      { ...LIMITS, messages: 10 },
      { ...LIMITS, bytes: 2100 },
    ]) {
      const log = new HeardLog(limits);
      log.begin(1);
      for (let number = 0; number < 5000; number += 1) log.hear(message(String(number)));
      expect(log.length).toBeLessThanOrEqual(10);
      expect(textsOf(log).at(-1)).toBe('4999');
      expect(log.hasHole({ term: 1, index: 3 })).toBe(true);
    }
  });

  it('begins anew where markers fall back', () => {
    const log = new HeardLog(LIMITS);
    log.begin(9);
    log.hear(message('a'));
    log.begin(8);
    log.hear(message('b'));
    expect(textsOf(log)).toEqual([undefined, 'b']);
  });
});
