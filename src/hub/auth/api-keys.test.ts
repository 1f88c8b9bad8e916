import { describe, expect, it } from 'vitest';

import { ApiKeys, API_KEYS_MAX, hashApiKey, parseApiKey } from './api-keys.js';
import { ALL_GRANTS } from './grants.js';

const HASH = hashApiKey('sesame');
const key = (name: string): ReturnType<typeof parseApiKey> => parseApiKey(`${name}:${HASH}`);

describe('parseApiKey()', () => {
  it('reads what a person would type', () => {
    expect(parseApiKey(`billing:${HASH.toUpperCase()}`)).toEqual({
      name: 'billing',
      sha256: HASH,
      application: undefined,
      grants: ALL_GRANTS,
    });
    const words = 'publish=orders.* publish=a:b subscribe=* connections=read users=true operate=read application=shop';
    expect(parseApiKey(`billing:${HASH}:${words}`)).toEqual({
      name: 'billing',
      sha256: HASH,
      application: 'shop',
      grants: { publish: ['orders.*', 'a:b'], subscribe: ['*'], connections: 'read', users: true, operate: 'read' },
    });
    expect(parseApiKey(`billing:${HASH}:`).grants.publish).toEqual([]);
  });

  it.each(['', 'billing', `:${HASH}`, 'billing:abc', `b/c:${HASH}`, `billing:${HASH}0`, `billing:${HASH}:all`])(
    'refuses %j',
    (text) => expect(() => parseApiKey(text)).toThrow(TypeError),
  );

  it.each(['publish=', 'publish=a/b', 'connections=all', 'users=1', 'operate=manage', 'application=', 'admin=true'])(
    'refuses the grant %j, and shows no hash',
    (word) => {
      expect(() => parseApiKey(`billing:${HASH}:${word}`)).toThrow(word);
      expect(() => parseApiKey(`billing:${HASH}:${word}`)).not.toThrow(HASH);
    },
  );
});

describe('ApiKeys', () => {
  const keys = new ApiKeys([
    parseApiKey(`one:${HASH}:publish=a application=shop`),
    parseApiKey(`two:${hashApiKey('other')}`),
  ]);

  it('says whose key it is, and what it may do', () => {
    expect(keys.verify('sesame')).toMatchObject({ kind: 'server', application: 'shop', rateKey: 'key:one' });
    expect(keys.verify('other')).toMatchObject({ application: undefined, user: undefined, rateKey: 'key:two' });
  });

  it.each(['', 'Sesame', 'sesame ', HASH])('does not take %j, the hash itself included', (text) => {
    expect(() => keys.verify(text)).toThrow(expect.objectContaining({ code: 'unknown-api-key' }));
  });

  it('refuses a key of a megabyte before it hashes it', () => {
    const refusal = expect.objectContaining({ code: 'token-too-large' }) as unknown;
    expect(() => keys.verify('a'.repeat(1024 * 1024))).toThrow(refusal);
  });

  it('has a bound, and no two keys of one name', () => {
    const many = Array.from({ length: API_KEYS_MAX + 1 }, (_, n) => key(`k${n}`));
    expect(() => new ApiKeys(many)).toThrow(TypeError);
    expect(() => new ApiKeys([key('a'), key('a')])).toThrow('"a"');
  });
});
