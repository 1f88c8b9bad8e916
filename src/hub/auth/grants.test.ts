import { describe, expect, it } from 'vitest';

import { ALL_GRANTS, allows, NO_GRANTS, readGrants } from './grants.js';

describe('allows()', () => {
  const grants = readGrants({ subscribe: ['news', 'orders.*'], publish: ['orders.eu'] }, NO_GRANTS);

  it.each([
    ['subscribe', 'news', true],
    ['subscribe', 'newsroom', false],
    ['subscribe', 'orders.eu', true],
    ['publish', 'orders.eu', true],
    ['publish', 'orders.us', false],
    ['publish', 'news', false],
    ['subscribe', 'orders', false],
  ] as const)('%s %s: %s', (action, channel, isAllowed) => expect(allows(grants, action, channel)).toBe(isAllowed));

  it("does not open the hub's own channels by a star that was meant for the application's", () => {
    const star = readGrants({ subscribe: ['*', 't*'] }, NO_GRANTS);
    expect(allows(star, 'subscribe', 'anything')).toBe(true);
    expect(allows(star, 'subscribe', 'tidegate.connections.shop')).toBe(false);
    expect(allows(ALL_GRANTS, 'subscribe', 'tidegate.connections.shop')).toBe(true);
  });
});

describe('readGrants()', () => {
  it('gives the default without a claim, and nothing for what a claim leaves out', () => {
    const withoutClaim = { ...NO_GRANTS, subscribe: ['*'] };
    expect(readGrants(undefined, withoutClaim)).toBe(withoutClaim);
    expect(readGrants({ later: 1 }, withoutClaim)).toEqual(NO_GRANTS);
  });

  it.each([
    [null],
    ['*'],
    [['*']],
    [{ subscribe: '*' }],
    [{ subscribe: [1] }],
    [{ publish: ['with space'] }],
    [{ publish: ['a/b'] }],
    [{ publish: [''] }],
    [{ publish: Array.from({ length: 101 }, () => 'a') }],
    [{ connections: true }],
    [{ users: 'yes' }],
  ])('refuses %j rather than guess what it grants', (claim) => {
    expect(() => readGrants(claim, ALL_GRANTS)).toThrow(expect.objectContaining({ code: 'token-invalid' }));
  });
});
