import { describe, expect, it } from 'vitest';

import { ManualClock } from '../../../test/support/clocks.js';
import { ANONYMOUS } from './access.js';
import type { Access } from './access.js';
import { covers, Revocations } from './revocations.js';
import type { Revocation } from './revocations.js';

const clock = new ManualClock();
const nowMs = clock.now();

function token(application: string, user: string, more: Partial<Access> = {}): Access {
  return { ...ANONYMOUS, kind: 'user', application, user, issuedAtMs: nowMs - 1000, ...more };
}

describe('Revocations', () => {
  it('takes back one token, and no other application’s token of the same jti', () => {
    const revocations = new Revocations({ clock });
    revocations.revoke({ application: 'shop', tokenId: 'j' });
    expect(revocations.isRevoked(token('shop', 'ada', { tokenId: 'j' }))).toBe(true);
    expect(revocations.isRevoked(token('shop', 'ada', { tokenId: 'j', issuedAtMs: nowMs + 1000 }))).toBe(true);
    expect(revocations.isRevoked(token('shop', 'ada', { tokenId: 'k' }))).toBe(false);
    expect(revocations.isRevoked(token('shop', 'ada'))).toBe(false);
    expect(revocations.isRevoked(token('bank', 'ada', { tokenId: 'j' }))).toBe(false);
  });

  it('takes back what a user was given up to now, and leaves what is given later', () => {
    const revocations = new Revocations({ clock });
    revocations.revoke({ application: 'shop', user: 'ada' });
    expect(revocations.isRevoked(token('shop', 'ada'))).toBe(true);
    expect(revocations.isRevoked(token('shop', 'ada', { issuedAtMs: nowMs }))).toBe(true);
    expect(revocations.isRevoked(token('shop', 'ada', { issuedAtMs: undefined }))).toBe(true);
    expect(revocations.isRevoked(token('shop', 'ada', { issuedAtMs: nowMs + 1000 }))).toBe(false);
    expect(revocations.isRevoked(token('shop', 'bob'))).toBe(false);
    expect(revocations.isRevoked(token('bank', 'ada'))).toBe(false);
  });

  it('takes back a whole application, and nobody’s without a token', () => {
    const revocations = new Revocations({ clock });
    revocations.revoke({ application: 'shop' });
    expect(revocations.isRevoked(token('shop', 'ada'))).toBe(true);
    expect(revocations.isRevoked(token('bank', 'ada'))).toBe(false);
    expect(revocations.isRevoked(ANONYMOUS)).toBe(false);
    expect(revocations.isRevoked({ ...ANONYMOUS, kind: 'server', application: 'shop' })).toBe(false);
  });

  it('does not let the parts of a name run together', () => {
    const revocations = new Revocations({ clock });
    revocations.revoke({ application: 'a","b', user: 'c' });
    revocations.revoke({ application: 'a:b', user: 'c' });
    expect(revocations.isRevoked(token('a', 'b","c'))).toBe(false);
    expect(revocations.isRevoked(token('a', 'b:c'))).toBe(false);
  });

  it('tells who has open streams, until they do not listen any more', () => {
    const revocations = new Revocations({ clock });
    const heard: Revocation[] = [];
    const stop = revocations.onRevoked((revocation) => heard.push(revocation));
    revocations.revoke({ application: 'shop', user: 'ada' });
    stop();
    revocations.revoke({ application: 'shop' });
    expect(heard).toHaveLength(1);
    const [revocation] = heard;
    expect(revocation !== undefined && covers(revocation, token('shop', 'ada'))).toBe(true);
    expect(revocation !== undefined && covers(revocation, token('shop', 'bob'))).toBe(false);
  });

  it('is not narrowed by a second revocation of the same user', () => {
    const revocations = new Revocations({ clock });
    revocations.revoke({ application: 'shop', user: 'ada' });
    revocations.revoke({ application: 'shop', user: 'ada' }, { issuedBeforeMs: 0, expiresAtMs: nowMs });
    expect(revocations.isRevoked(token('shop', 'ada'))).toBe(true);
    expect(revocations.size).toBe(1);
  });

  it('forgets what has expired, and rather refuses another than forgets one that has not', () => {
    const time = new ManualClock();
    const revocations = new Revocations({ clock: time, max: 2 });
    revocations.revoke({ application: 'a' }, { expiresAtMs: time.now() + 1000 });
    revocations.revoke({ application: 'b' });
    const full = expect.objectContaining({ code: 'too-many-revocations' }) as unknown;
    expect(() => revocations.revoke({ application: 'c' })).toThrow(full);
    expect(revocations.isRevoked(token('a', 'x'))).toBe(true);
    time.advance(1000);
    expect(revocations.isRevoked(token('a', 'x'))).toBe(false);
    revocations.revoke({ application: 'c' });
    expect([revocations.size, revocations.isRevoked(token('b', 'x'))]).toEqual([2, true]);
  });
});
