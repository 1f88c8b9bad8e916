import { describe, expect, it } from 'vitest';
import { describeGap, readGap } from './gap.js';

describe('describeGap()', () => {
  it('says what is lost, why, and where the stream goes on', () => {
    const gap = readGap({ reason: 'evicted', channel: 'c', requested: '~a-1', resumedAt: '~a-9' });
    expect(describeGap(gap)).toBe(
      'Events after ~a-1 are lost: the history has dropped them already; the stream goes on from ~a-9.',
    );
  });

  it('quotes a reason it does not know, and does without what is not said', () => {
    expect(describeGap(readGap({ reason: 'toString' }))).toBe('Events are lost: the hub says “toString”.');
    expect(describeGap(readGap({}))).toBe('Events are lost: the hub says “unknown”.');
  });
});
