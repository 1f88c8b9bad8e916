import { assert, integer, json, oneof, property, string } from 'fast-check';
import { describe, expect, it } from 'vitest';

import { readVerdict } from './verdict.js';

const read = (status: number, body: string): ReturnType<typeof readVerdict> =>
  readVerdict({ status, retryAfterMs: 0, body });

describe('readVerdict()', () => {
  it('takes 200 with allow, and 403, for a verdict', () => {
    expect(read(200, '{"allow":true}')).toEqual({ isAllowed: true, reason: undefined });
    expect(read(200, '{"allow":false,"reason":"no"}')).toEqual({ isAllowed: false, reason: 'no' });
    expect(read(403, 'Forbidden')).toEqual({ isAllowed: false, reason: undefined });
    expect(read(403, '{"allow":true,"reason":"no"}')).toEqual({ isAllowed: false, reason: 'no' });
  });

  it('allows nothing but for a 200 with the JSON member allow: true', () => {
    assert(
      property(integer({ min: 100, max: 599 }), oneof(json(), string()), (status, body) => {
        const verdict = read(status, body);
        expect('isAllowed' in verdict && verdict.isAllowed).toBe(false);
      }),
    );
    assert(
      property(
        integer({ min: 100, max: 599 }).filter((status) => status !== 200),
        (status) => {
          const verdict = read(status, '{"allow":true}');
          expect('isAllowed' in verdict && verdict.isAllowed).toBe(false);
        },
      ),
    );
  });

  it('keeps a reason short and on one line, whatever is in it', () => {
    assert(
      property(string({ unit: 'binary', maxLength: 500 }), (reason) => {
        const verdict = read(200, JSON.stringify({ allow: false, reason }));
        const told = 'reason' in verdict ? (verdict.reason ?? '') : '';
        expect(told.length).toBeLessThanOrEqual(200);
        expect(told).not.toMatch(/[\p{C}\u2028\u2029]/u);
      }),
    );
  });
});
