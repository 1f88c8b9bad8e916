import { SignJWT } from 'jose';
import { beforeAll, afterAll, describe, expect, test } from 'vitest';

import { HubServer } from '../support/hub-server.js';
import { bearerOf, hmacToken, JWT_SECRET, startJwtHub, tokenOf } from '../support/jwt-hub.js';
import { startJwksServer } from '../support/jwks-server.js';
import { StreamClient } from '../support/stream-client.js';
import { createTestKey, forge, signWith } from '../support/tokens.js';

const nowS = Math.floor(Date.now() / 1000);
const CLAIMS = { iss: 'shop', sub: 'ann', iat: nowS, exp: nowS + 600, tidegate: { subscribe: ['*'], publish: ['*'] } };
const HS256 = { alg: 'HS256' };

const segment = (name: string): string => `=${Buffer.from(name).toString('base64url')}`;
const signed = (claims: object, header: object = HS256): string => hmacToken(header, JSON.stringify(claims));

describe('a stranger reads the list of channels', () => {
  let hub: HubServer;
  beforeAll(async () => {
    hub = await startJwtHub();
  });
  afterAll(() => hub[Symbol.asyncDispose]());

  const read = (token: string) => hub.get('/channels', { Authorization: `Bearer ${token}` });

  test.each([
    ['that names the algorithm "none"', forge({ alg: 'none' }, CLAIMS)],
    ['that names the algorithm "nOnE"', forge({ alg: 'nOnE' }, CLAIMS)],
    ['that names no algorithm', forge({}, CLAIMS, 'x')],
    ['whose signature was taken off', forge(HS256, CLAIMS)],
    ['signed with another secret', hmacToken(HS256, JSON.stringify(CLAIMS), 'guessed')],
    [
      'signed with an empty secret, whose kid is a path',
      hmacToken({ ...HS256, kid: '../../dev/null' }, JSON.stringify(CLAIMS), ''),
    ],
    ['that demands an extension that nobody knows (crit)', signed(CLAIMS, { ...HS256, crit: ['x'], x: 1 })],
    ['whose payload is not encoded (b64)', signed(CLAIMS, { ...HS256, crit: ['b64'], b64: false })],
    ['of four parts', `${signed(CLAIMS)}.x`],
    ['with a payload that is no object', hmacToken(HS256, '["shop"]')],
    ['with claims in "__proto__"', hmacToken(HS256, `{"__proto__":${JSON.stringify(CLAIMS)}}`)],
    ['with claims nested a thousand deep', hmacToken(HS256, `{"a":${'['.repeat(1000)}${']'.repeat(1000)}}`)],
    ['that has no end', signed({ ...CLAIMS, exp: undefined })],
    ['whose end is text', signed({ ...CLAIMS, exp: '9999999999' })],
    ['whose end is beyond all dates', hmacToken(HS256, JSON.stringify(CLAIMS).replace(/"exp":\d+/, '"exp":1e999'))],
    ['that names two applications', signed({ ...CLAIMS, iss: ['shop', 'bank'] })],
    ['that names nobody', signed({ ...CLAIMS, sub: '' })],
    ['whose user is half of a character', hmacToken(HS256, JSON.stringify({ ...CLAIMS, sub: '\ud800' }))],
    ['whose grants are a list', signed({ ...CLAIMS, tidegate: ['*'] })],
    ['whose grants hold a pattern with a slash', signed({ ...CLAIMS, tidegate: { subscribe: ['/users/*'] } })],
  ])('by a token %s', async (_name, token) => {
    expect(await read(token)).toMatchObject({ status: 401, body: { code: 'token-invalid' } });
    // Without the fault, such a token is good: so each row fails for its own reason.
    expect((await read(signed(CLAIMS))).status).toBe(200);
  });

  test.each([
    ['that has expired', signed({ ...CLAIMS, exp: nowS - 60 }), 'token-expired'],
    ['that is not valid yet', signed({ ...CLAIMS, nbf: nowS + 60 }), 'token-not-yet-valid'],
    ['that was issued tomorrow', signed({ ...CLAIMS, iat: nowS + 86_400 }), 'token-not-yet-valid'],
    ['of nine kilobytes', signed({ ...CLAIMS, fill: 'x'.repeat(9000) }), 'token-too-large'],
  ])('by a token %s', async (_name, token, code) => {
    expect(await read(token)).toMatchObject({ body: { code } });
  });

  test('by a stronger algorithm than the one that is configured', async () => {
    const key = new TextEncoder().encode(JWT_SECRET);
    const token = await new SignJWT(CLAIMS).setProtectedHeader({ alg: 'HS512' }).sign(key);
    expect((await read(token)).status).toBe(401);
  });

  test('by a key that the token brings along, or that it names by a URL, which is never asked', async () => {
    const key = await createTestKey('ES256', 'mine');
    await using keys = await startJwksServer({ keys: [key.publicJwk] });
    await using server = await HubServer.start({
      auth: {
        mode: 'jwt',
        token: { keys: { algorithm: 'ES256', publicKeys: (await createTestKey('ES256', 'its')).publicPem } },
      },
    });
    for (const header of [{ jwk: key.publicJwk }, { jku: keys.url }, { x5u: keys.url }, { x5c: [key.publicPem] }]) {
      const token = await key.sign(CLAIMS, header);
      expect((await server.get('/channels', { Authorization: `Bearer ${token}` })).status).toBe(401);
    }
    expect(keys.asked).toBe(0);
  });

  test('by the public key, used as the secret of HS256', async () => {
    const { publicPem } = await createTestKey('RS256', 'a');
    await using server = await HubServer.start({
      auth: { mode: 'jwt', token: { keys: { algorithm: 'RS256', publicKeys: publicPem } } },
    });
    for (const secret of [publicPem, publicPem.trim()]) {
      const token = await signWith(secret, CLAIMS);
      expect((await server.get('/channels', { Authorization: `Bearer ${token}` })).status).toBe(401);
    }
  });
});

describe('a stranger', () => {
  test('makes the hub flood the server of keys with tokens whose keys are invented', async () => {
    const key = await createTestKey('ES256', 'a');
    await using keys = await startJwksServer({ keys: [key.publicJwk] });
    await using hub = await HubServer.start({
      auth: { mode: 'jwt', token: { keys: { algorithm: 'ES256', jwksUrl: keys.url } } },
    });
    await hub.get('/channels', { Authorization: `Bearer ${await key.sign(CLAIMS)}` });
    for (let at = 0; at < 30; at += 1)
      await hub.get('/channels', { Authorization: `Bearer ${forge({ alg: 'ES256', kid: `k${at}` }, CLAIMS, 'x')}` });
    expect(keys.asked).toBeLessThanOrEqual(2);
  });

  test('learns from the answer how far a forged token came', async () => {
    await using hub = await startJwtHub();
    const details = await Promise.all(
      ['a.b.c', forge({ alg: 'none' }, CLAIMS), forge(HS256, CLAIMS, 'x'), signed(CLAIMS).slice(0, -4)].map(
        async (token) => (await hub.get('/channels', { Authorization: `Bearer ${token}` })).body['detail'],
      ),
    );
    expect(new Set(details).size).toBe(1);
  });
});

describe('a user', () => {
  test('gives itself grants by "__proto__" in its claim', async () => {
    await using hub = await startJwtHub();
    const payload = JSON.stringify({ ...CLAIMS, tidegate: {} }).replace('{}', '{"__proto__":{"publish":["*"]}}');
    const headers = { Authorization: `Bearer ${hmacToken(HS256, payload)}`, 'Content-Type': 'text/plain' };
    expect(await hub.publish('a', 'x', headers)).toMatchObject({ status: 403, body: { code: 'forbidden-channel' } });
  });

  test('gets past the limit of its token by another spelling of the signature', async () => {
    await using hub = await startJwtHub({ limits: { connectionsPerToken: 1 } });
    const token = await tokenOf({});
    const last = token.at(-1) ?? '';
    const spellings = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
    // The last character of 32 bytes has two bits that stand for nothing.
    const other = token.slice(0, -1) + spellings.charAt(spellings.indexOf(last) ^ 1);
    await using client = await StreamClient.open(`${hub.url}/sse?token=${token}`);
    await client.event('tidegate.live');
    await using second = await StreamClient.open(`${hub.url}/sse?token=${other}`);
    expect(second.status).not.toBe(200);
  });

  test.each([
    ['whose name is written in another normal form', ['shop', 'é'], ['shop', 'e\u0301']],
    ['whose name has a letter that looks the same', ['shop', 'ann'], ['shop', 'аnn']],
    ['whose name is written in capitals', ['shop', 'ann'], ['shop', 'ANN']],
    ['of an application that ends elsewhere in the path', ['a/b', 'c'], ['a', 'b/c']],
    ['whose name is the escaped form of the other', ['shop', 'a/b'], ['shop', 'a%002fb']],
    ['whose name is "__proto__"', ['shop', '__proto__'], ['shop', 'constructor']],
  ] as const)('reads the stream of another user %s', async (_name, mine, theirs) => {
    await using hub = await startJwtHub();
    const tell = async (text: string, [application, user]: readonly [string, string]) => {
      const headers = { ...(await bearerOf({ users: true }, 'boss', application)), 'Content-Type': 'text/plain' };
      return hub.publish(`users/${segment(application)}/${segment(user)}`, text, headers);
    };
    await using client = await StreamClient.open(`${hub.url}/sse`, {
      headers: await bearerOf({}, mine[1], mine[0]),
    });
    await client.event('tidegate.live');
    expect((await tell('secret', theirs)).status).toBe(200);
    expect((await tell('own', mine)).status).toBe(200);
    await client.until(({ data }) => data.length > 0);
    expect(client.data).toEqual(['own']);
  });
});
