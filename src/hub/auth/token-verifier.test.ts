import { beforeAll, describe, expect, it } from 'vitest';

import { ManualClock } from '../../../test/support/clocks.js';
import { createTestKey, forge, signWith } from '../../../test/support/tokens.js';
import type { Claims, TestKey } from '../../../test/support/tokens.js';
import { HubError } from '../errors.js';
import type { ClaimRules } from './claims.js';
import { NO_GRANTS } from './grants.js';
import type { TokenAlgorithm } from './jose.js';
import { readJwkSet, readKeyFile, singleKey } from './key-set.js';
import type { KeySet } from './key-set.js';
import { staticKeys } from './static-keys.js';
import { TokenVerifier } from './token-verifier.js';

const SECRET = 'a secret that is long enough for it';
const clock = new ManualClock();
const nowS = clock.now() / 1000;
const GOOD = { iss: 'shop', sub: 'ada', iat: nowS, exp: nowS + 60 };
const longKey = singleKey(new TextEncoder().encode(SECRET.repeat(2)));
const secretKey = singleKey(new TextEncoder().encode(SECRET));

interface Setup extends Partial<ClaimRules> {
  readonly algorithm?: TokenAlgorithm;
  readonly keys?: KeySet;
  readonly cacheMax?: number;
  readonly time?: ManualClock;
}

function verifier({
  algorithm = 'HS256',
  keys = secretKey,
  cacheMax,
  time = clock,
  ...rules
}: Setup = {}): TokenVerifier {
  return new TokenVerifier({
    algorithm,
    keys: staticKeys(keys),
    clock: time,
    rules: { audience: undefined, issuers: [], toleranceMs: 5000, withoutClaim: NO_GRANTS, ...rules },
    ...(cacheMax === undefined ? {} : { cacheMax }),
  });
}

/** The code with which `token` is refused, or `taken`; what is said must quote nothing of it. */
async function codeOf(token: string, setup: Setup = {}): Promise<string> {
  try {
    await verifier(setup).verify(token);
    return 'taken';
  } catch (error) {
    if (!(error instanceof HubError)) throw error;
    const isQuoted = token.split('.').some((part) => part.length > 8 && error.message.includes(part));
    return isQuoted ? `${error.code}, and quotes the token` : error.code;
  }
}

const codeFor = async (claims: Claims, setup: Setup = {}): Promise<string> =>
  codeOf(await signWith(SECRET, claims), setup);

let rsa: TestKey;
let other: TestKey;
beforeAll(async () => {
  [rsa, other] = await Promise.all([createTestKey('RS256', 'one'), createTestKey('RS256', 'two')]);
});

describe('TokenVerifier.verify()', () => {
  it('says who asks, what they may do and until when', async () => {
    const tidegate = { subscribe: ['news', 'orders.*'], connections: 'read', operate: 'read' };
    const token = await signWith(SECRET, { ...GOOD, jti: 'j1', tidegate });
    expect(await verifier().verify(token)).toEqual({
      kind: 'user',
      application: 'shop',
      user: 'ada',
      grants: { subscribe: ['news', 'orders.*'], publish: [], connections: 'read', users: false, operate: 'read' },
      expiresAtMs: GOOD.exp * 1000 + 5000,
      issuedAtMs: GOOD.iat * 1000,
      tokenId: 'j1',
      credentialKey: '["shop","j1"]',
      rateKey: '["shop","ada"]',
    });
  });

  it.each(['RS256', 'ES256', 'EdDSA'] as const)('checks %s with a PEM file and with a JWK set', async (algorithm) => {
    const key = await createTestKey(algorithm, 'k1');
    const token = await key.sign(GOOD);
    const sets = [
      await readKeyFile(key.publicPem, algorithm),
      await readKeyFile(JSON.stringify({ keys: [key.publicJwk] }), algorithm),
    ];
    for (const keys of sets) expect(await codeOf(token, { algorithm, keys })).toBe('taken');
    const stranger = await (await createTestKey(algorithm, 'k1')).sign(GOOD);
    for (const keys of sets) expect(await codeOf(stranger, { algorithm, keys })).toBe('token-invalid');
  });

  it('does not let in a token that signs itself off (alg none)', async () => {
    for (const alg of ['none', 'None', 'NONE', '']) {
      expect(await codeOf(forge({ alg }, GOOD))).toBe('token-invalid');
      expect(await codeOf(forge({ alg }, GOOD, 'c2ln'))).toBe('token-invalid');
    }
    expect(await codeOf(forge({}, GOOD))).toBe('token-invalid');
  });

  it('does not take the public key for a secret (HS/RS confusion)', async () => {
    const token = await signWith(rsa.publicPem, GOOD, { kid: 'one' });
    const setups = [
      { keys: await readKeyFile(rsa.publicPem, 'RS256'), algorithm: 'RS256' as const },
      { keys: await readJwkSet(JSON.stringify({ keys: [rsa.publicJwk] }), 'RS256'), algorithm: 'RS256' as const },
    ];
    for (const setup of setups) {
      expect(await codeOf(token, setup)).toBe('token-invalid');
      expect(await codeOf(await rsa.sign(GOOD), setup)).toBe('taken');
    }
    expect(await codeOf(await rsa.sign(GOOD))).toBe('token-invalid');
  });

  it('does not let a token choose a relative of the algorithm', async () => {
    for (const alg of ['HS384', 'HS512']) {
      expect(await codeOf(await signWith(SECRET.repeat(2), GOOD, { alg }), { keys: longKey })).toBe('token-invalid');
    }
    expect(await codeOf(await signWith(SECRET.repeat(2), GOOD), { keys: longKey })).toBe('taken');
  });

  it('does not use a key that the token brings along (jwk, jku, x5u)', async () => {
    const keys = await readJwkSet(JSON.stringify({ keys: [rsa.publicJwk] }), 'RS256');
    const headers = [{ jwk: other.publicJwk }, { jku: 'http://127.0.0.1:1/keys' }, { x5u: 'http://127.0.0.1:1/x' }];
    for (const header of headers) {
      const token = await other.sign(GOOD, { kid: 'one', ...header });
      expect(await codeOf(token, { algorithm: 'RS256', keys })).toBe('token-invalid');
    }
  });

  it('refuses a token that demands what is not understood (crit)', async () => {
    expect(await codeOf(forge({ alg: 'HS256', crit: ['b64'], b64: false }, GOOD, 'c2ln'))).toBe('token-invalid');
  });

  it('refuses a kid that is unknown, and none where several keys could be meant', async () => {
    const keys = await readJwkSet(JSON.stringify({ keys: [rsa.publicJwk, other.publicJwk] }), 'RS256');
    const setup = { algorithm: 'RS256', keys } as const;
    expect(await codeOf(await other.sign(GOOD), setup)).toBe('taken');
    expect(await codeOf(await rsa.sign(GOOD, { kid: 'three' }), setup)).toBe('token-unknown-key');
    expect(await codeOf(await rsa.sign(GOOD, { kid: '__proto__' }), setup)).toBe('token-unknown-key');
    expect(await codeOf(await rsa.sign(GOOD, { kid: undefined }), setup)).toBe('token-unknown-key');
    expect(await codeOf(await rsa.sign(GOOD, { kid: 'two' }), setup)).toBe('token-invalid');
  });

  it('refuses a token for somebody else, and one for nobody', async () => {
    const setup = { audience: 'hub' };
    expect(await codeFor({ ...GOOD, aud: 'hub' }, setup)).toBe('taken');
    expect(await codeFor({ ...GOOD, aud: ['bank', 'hub'] }, setup)).toBe('taken');
    for (const aud of ['bank', ['bank'], 'hub2', undefined, { hub: 1 }])
      expect(await codeFor({ ...GOOD, aud }, setup)).toBe('token-wrong-audience');
  });

  it('refuses a token of an application that is not served', async () => {
    expect(await codeFor(GOOD, { issuers: ['shop'] })).toBe('taken');
    expect(await codeFor(GOOD, { issuers: ['bank', 'shop2'] })).toBe('token-wrong-issuer');
  });

  it('allows clocks to differ by the tolerance, and no more', async () => {
    expect(await codeFor({ ...GOOD, exp: nowS - 4 })).toBe('taken');
    expect(await codeFor({ ...GOOD, exp: nowS - 5 })).toBe('token-expired');
    expect(await codeFor({ ...GOOD, nbf: nowS + 5 })).toBe('taken');
    expect(await codeFor({ ...GOOD, nbf: nowS + 6 })).toBe('token-not-yet-valid');
    expect(await codeFor({ ...GOOD, iat: nowS + 5 })).toBe('taken');
    expect(await codeFor({ ...GOOD, iat: nowS + 6 })).toBe('token-not-yet-valid');
    expect(await codeFor({ ...GOOD, exp: nowS - 1 }, { toleranceMs: 0 })).toBe('token-expired');
  });

  it.each([
    ['no iss', { iss: undefined }],
    ['no sub', { sub: undefined }],
    ['no exp, which would be good for ever', { exp: undefined }],
    ['an empty sub', { sub: '' }],
    ['a sub that is a number', { sub: 7 }],
    ['a sub that is half a character', { sub: '\ud800' }],
    ['a sub that would fill the memory', { sub: 'a'.repeat(257) }],
    ['an exp that is text', { exp: '2099-01-01' }],
    ['an exp beyond all dates', { exp: 1e300 }],
    ['grants that are malformed', { tidegate: { subscribe: 'all' } }],
  ])('refuses a token with %s', async (_fault, claims) => {
    expect(await codeFor({ ...GOOD, ...claims })).toBe('token-invalid');
  });

  it('refuses a token that was cut anywhere', async () => {
    const token = await signWith(SECRET, GOOD);
    for (let length = 0; length < token.length; length += 1)
      expect(await codeOf(token.slice(0, length))).toBe('token-invalid');
  });

  it('refuses a token with one bit turned', async () => {
    const token = await signWith(SECRET, GOOD);
    for (let at = 0; at < token.lastIndexOf('.'); at += 7) {
      const turned = token[at] === 'A' ? 'B' : 'A';
      expect(await codeOf(`${token.slice(0, at)}${turned}${token.slice(at + 1)}`)).toBe('token-invalid');
    }
  });

  it('refuses a token of 1 MB before it reads any of it', async () => {
    expect(await codeFor({ ...GOOD, padding: 'a'.repeat(1024 * 1024) })).toBe('token-too-large');
    expect(await codeOf('.'.repeat(8193))).toBe('token-too-large');
    expect(await codeFor({ ...GOOD, padding: 'a'.repeat(5500) })).toBe('taken');
  });

  it('remembers no more tokens than it may, and the good ones only until they expire', async () => {
    const time = new ManualClock();
    const one = verifier({ cacheMax: 2, time });
    const tokens = await Promise.all(['a', 'b', 'c'].map((sub) => signWith(SECRET, { ...GOOD, sub })));
    const [first = '', second = '', third = ''] = tokens;
    const access = await one.verify(first);
    await one.verify(second);
    expect(await one.verify(first)).toBe(access);
    await one.verify(third);
    expect(one.cached).toBe(2);
    expect(await one.verify(first)).toBe(access);
    time.advance(65_000);
    await expect(one.verify(first)).rejects.toMatchObject({ code: 'token-expired' });
    expect(one.cached).toBe(1);
  });
});

describe('readJwkSet(), readKeyFile()', () => {
  it('pass over a key that is malformed, weak, for something else or secret', async () => {
    const bad = [
      null,
      'key',
      {},
      { kty: 'RSA', n: 'AQAB', e: 'AQAB' },
      { ...rsa.publicJwk, use: 'enc' },
      { kty: 'oct', k: 'c2VjcmV0' },
    ];
    expect((await readJwkSet(JSON.stringify({ keys: [...bad, rsa.publicJwk] }), 'RS256')).size).toBe(1);
    await expect(readJwkSet(JSON.stringify({ keys: bad }), 'RS256')).rejects.toThrow(TypeError);
    await expect(readJwkSet(JSON.stringify({ keys: bad }), 'HS256')).rejects.toThrow(TypeError);
  });

  it.each(['', '{', '[]', '{"keys": 1}', '-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----'])(
    'refuse %j without saying what stands there',
    async (text) => {
      await expect(readKeyFile(text, 'ES256')).rejects.toThrow(
        expect.not.objectContaining({ message: expect.stringContaining('AAAA') as string }),
      );
    },
  );

  it('refuse a key of another kind', async () => {
    await expect(readKeyFile(rsa.publicPem, 'ES256')).rejects.toThrow(TypeError);
  });
});
