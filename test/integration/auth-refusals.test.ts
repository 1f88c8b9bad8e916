import { afterAll, beforeAll, describe, expect, test } from 'vitest';

import type { HubOptions } from '../../src/hub/index.js';
import { createCapturingLogger } from '../support/capturing-logger.js';
import { HubServer } from '../support/hub-server.js';
import { startJwksServer } from '../support/jwks-server.js';
import { RawConnection } from '../support/raw-connection.js';
import { createTestKey, forge, signWith } from '../support/tokens.js';

const SECRET = 'a secret of more than thirty-two bytes, for tests alone';
const NOW = Math.floor(Date.now() / 1000);
const GOOD = { iss: 'shop', sub: 'ann', iat: NOW, exp: NOW + 600, aud: 'events' };

const sign = (claims: object): Promise<string> => signWith(SECRET, { ...GOOD, ...claims });

/** By the harm that each would do. */
const HARMS: Readonly<Record<string, readonly [code: string, token: () => Promise<string> | string]>> = {
  'whoever says that nothing was signed': ['token-invalid', () => forge({ alg: 'none' }, GOOD)],
  'whoever signs with another secret': ['token-invalid', () => signWith('another secret of more than 32 bytes!', GOOD)],
  'whoever changes what was signed': ['token-invalid', async () => (await sign({})).replace(/\.[^.]+\./, '.e30.')],
  'a token that was cut short': ['token-invalid', async () => (await sign({})).slice(0, -5)],
  'a token for another service': ['token-wrong-audience', () => sign({ aud: 'billing' })],
  'a token that is over': ['token-expired', () => sign({ exp: NOW - 60 })],
  'a token whose time has not come': ['token-not-yet-valid', () => sign({ nbf: NOW + 300 })],
  'a token from the future': ['token-not-yet-valid', () => sign({ iat: NOW + 300 })],
  'a token of nobody': ['token-invalid', () => sign({ sub: undefined })],
  'a token of no application': ['token-invalid', () => sign({ iss: undefined })],
  'a token that takes the memory of many': ['token-too-large', () => sign({ padding: 'x'.repeat(10_000) })],
};

const refusals = (hub: HubServer): Promise<string> => hub.metrics();

function startHub(options: HubOptions = {}): Promise<HubServer> {
  const token = { keys: { algorithm: 'HS256', secret: SECRET }, audience: 'events', cookie: 'session' } as const;
  return HubServer.start({ auth: { mode: 'jwt', token }, ...options });
}

describe('each refusal has a code and is counted by it', () => {
  let hub: HubServer;
  const logger = createCapturingLogger();
  const secrets: string[] = [SECRET];
  beforeAll(async () => {
    hub = await startHub({ logger });
  });
  afterAll(async () => {
    await hub[Symbol.asyncDispose]();
  });

  test.each(Object.entries(HARMS))('%s', async (_, [code, token]) => {
    const text = await token();
    secrets.push(text, text.split('.')[2] || text);
    const before = count(await refusals(hub), code);
    for (const [path, headers] of [
      ['/sse', { Authorization: `Bearer ${text}` }],
      [`/sse?Authorization=${text}`, {}],
    ] as const) {
      const answer = await hub.get(path, headers);
      expect([answer.status, answer.body['code']]).toEqual([401, code]);
      expect(JSON.stringify(answer.body)).not.toContain(text);
    }
    expect(count(await refusals(hub), code)).toBe(before + 2);
  });

  test('whoever acts for another application', async () => {
    const token = await sign({ iss: 'else', tidegate: { connections: 'manage', users: true } });
    const headers = { Authorization: `Bearer ${token}` };
    for (const path of [
      '/connections/shop',
      '/connections/shop/ann',
      '/connections/=c2hvcA',
      '/connections/=c2hvcA/ann',
    ])
      expect((await hub.get(path, headers)).body['code']).toBe('forbidden-application');
    expect(count(await refusals(hub), 'forbidden-application')).toBe(4);
  });

  test('whoever climbs out of its application by the path', async () => {
    const token = await sign({ iss: 'else', tidegate: { connections: 'manage' } });
    for (const path of [
      '/connections/else/../shop',
      '/connections/else/%2e%2e/shop',
      '/connections/else/%2E%2E/%2E%2E/shop',
    ]) {
      await using connection = new RawConnection(hub);
      const head = `GET ${path} HTTP/1.1\r\nHost: hub\r\nAuthorization: Bearer ${token}\r\nConnection: close\r\n\r\n`;
      const answer = await connection.send(head).until(/\r\n\r\n/);
      expect(answer).toMatch(/^HTTP\/1\.1 400 /);
    }
  });

  test('a page of another site that rides on a cookie', async () => {
    const headers = { Cookie: `session=${await sign({})}`, Origin: 'https://evil.example' };
    const answer = await hub.get('/sse', headers);
    expect([answer.status, answer.body['code']]).toEqual([403, 'foreign-origin']);
    expect(count(await refusals(hub), 'foreign-origin')).toBe(1);
  });

  test('a header that ends in the middle', async () => {
    for (const value of ['Bearer a\rX-Evil: 1', 'Bearer a\nX-Evil: 1', 'Bearer a\r\n folded', 'Bearer a\0b']) {
      await using connection = new RawConnection(hub);
      const head = `GET /sse HTTP/1.1\r\nHost: hub\r\nAuthorization: ${value}\r\nConnection: close\r\n\r\n`;
      expect(await connection.send(head).until(/\r\n\r\n/)).toMatch(/^HTTP\/1\.1 40[01] /);
    }
  });

  test('a token of a megabyte', async () => {
    await using connection = new RawConnection(hub);
    connection.send(`GET /sse HTTP/1.1\r\nHost: hub\r\nAuthorization: Bearer ${'x'.repeat(1_000_000)}\r\n\r\n`);
    expect(await connection.until(/\r\n\r\n/)).toMatch(/^HTTP\/1\.1 431 /);
    expect((await hub.get('/health')).status).toBe(200);
  });

  test('and neither token nor secret is told to who watches', async () => {
    const shown = (await refusals(hub)) + JSON.stringify(logger.lines);
    expect(secrets.filter((secret) => shown.includes(secret))).toEqual([]);
    expect(secrets.length).toBeGreaterThan(20);
  });
});

describe('keys of others', () => {
  test('the public key taken for a secret, an unknown key, a server of keys that lies: each has a code and is counted', async () => {
    const key = await createTestKey('RS256', 'one');
    await using keys = await startJwksServer({ keys: [key.publicJwk] });
    const token = { keys: { algorithm: 'RS256', jwksUrl: keys.url }, keyTimes: { cooldownMs: 0 } } as const;
    await using hub = await HubServer.start({ auth: { mode: 'jwt', token } });
    const ask = async (text: string): Promise<unknown> =>
      (await hub.get('/sse', { Authorization: `Bearer ${text}` })).body['code'];
    expect(await ask(await signWith(key.publicPem, GOOD, { kid: 'one' }))).toBe('token-invalid');
    expect(await ask(await key.sign(GOOD, { kid: 'two' }))).toBe('token-unknown-key');
    await using liars = await startJwksServer({ keys: 'none' });
    const other = { keys: { algorithm: 'RS256', jwksUrl: liars.url } } as const;
    await using deceived = await HubServer.start({ auth: { mode: 'jwt', token: other } });
    const answer = await deceived.get('/sse', { Authorization: `Bearer ${await key.sign(GOOD)}` });
    expect([answer.status, answer.body['code']]).toEqual([503, 'keys-unavailable']);
    expect(count(await refusals(hub), 'token-invalid')).toBe(1);
    expect(count(await refusals(hub), 'token-unknown-key')).toBe(1);
    expect(count(await refusals(deceived), 'keys-unavailable')).toBe(1);
  });
});

function count(metrics: string, code: string): number {
  return Number(new RegExp(`^tidegate_refusals_total\\{code="${code}"\\} (\\d+)$`, 'm').exec(metrics)?.[1] ?? 0);
}
