import { describe, expect, it } from 'vitest';

import { BodyShare } from './body-share.js';

describe('BodyShare', () => {
  it('gives one publisher a quarter of the room, and others theirs', () => {
    const share = new BodyShare({ bodiesBytes: 400, bodyBytes: 50 });
    expect(share.take('a', 60)).toBe(true);
    expect(share.take('a', 41)).toBe(false);
    expect(share.take('a', 40)).toBe(true);
    expect(['b', 'c', 'd'].map((publisher) => share.take(publisher, 100))).toEqual([true, true, true]);
    expect(share.take('e', 1)).toBe(false);
    share.giveBack('a', 60);
    expect([share.take('e', 60), share.take('e', 1)]).toEqual([true, false]);
  });

  it('gives every publisher room for one whole body', () => {
    const share = new BodyShare({ bodiesBytes: 400, bodyBytes: 300 });
    expect([share.take('a', 300), share.take('a', 1), share.take('b', 100)]).toEqual([true, false, true]);
  });

  it('forgets publishers that hold nothing', () => {
    const share = new BodyShare({ bodiesBytes: 400, bodyBytes: 100 });
    for (let at = 0; at < 1000; at += 1) {
      expect(share.take(String(at), 100)).toBe(true);
      share.giveBack(String(at), 100);
    }
    expect(share.take('last', 100)).toBe(true);
  });
});
