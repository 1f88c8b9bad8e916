import { describe, expect, it } from 'vitest';
import { describeGap } from './gap.js';

describe('describeGap()', () => {
  it('says what is lost, why, and where the stream goes on', () => {
    const gap = { reason: 'evicted', requested: '~a-1', resumedAt: '~a-9' };
    expect(describeGap(gap)).toBe(
      'Events after ~a-1 are lost: the history has dropped them already; the stream goes on from ~a-9.',
    );
  });

  it('quotes a reason it does not know, and does without what is not said', () => {
    expect(describeGap({ reason: 'toString', requested: '', resumedAt: '' })).toBe(
      'Events are lost: the hub says “toString”.',
    );
  });
});
