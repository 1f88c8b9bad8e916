import { createServer } from 'node:http';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { createCapturingLogger } from '../../../test/support/capturing-logger.js';
import { startJwksServer } from '../../../test/support/jwks-server.js';
import { createTestKey } from '../../../test/support/tokens.js';
import { HubError } from '../errors.js';
import { requireChannels, requireConnections, requirePublishToUsers, requireUser } from './access.js';
import { hashApiKey, parseApiKey } from './api-keys.js';
import { createAuthenticator } from './authenticator.js';
import type { Authenticator, AuthOptions } from './authenticator.js';
import { mintToken } from './mint.js';
import { userChannel } from './user-channel.js';

const SECRET = 'a secret that is long enough for it';
const apiKeys = [parseApiKey(`billing:${hashApiKey('sesame')}:publish=orders.* users=true application=shop`)];
const token = { keys: { algorithm: 'HS256', secret: SECRET }, cookie: 'session' } as const;

const open = (auth: AuthOptions): Promise<Authenticator> =>
  createAuthenticator({ auth, origins: ['https://app.example'] });

const mint = (more: Partial<Parameters<typeof mintToken>[0]> = {}): Promise<string> =>
  mintToken({ secret: SECRET, application: 'shop', user: 'ada', lifetimeMs: 60_000, nowMs: Date.now(), ...more });

/** A server that answers with who it takes a request to be from: what Node makes of headers is part of the test. */
const server = createServer((request, response) => {
  const { pathname, searchParams } = new URL(request.url ?? '/', 'http://hub');
  const { method = 'GET', headers } = request;
  authenticators
    .get(pathname)
    ?.authenticate({ method, headers, query: searchParams })
    .then(
      ({ kind, application, user }) => response.end(JSON.stringify([kind, application, user])),
      (error: unknown) => {
        response.statusCode = error instanceof HubError ? error.traits.status : 500;
        response.end(error instanceof HubError ? error.code : String(error));
      },
    );
});
const authenticators = new Map<string, Authenticator>();
let origin = '';

beforeAll(async () => {
  authenticators.set('/none', await open({ mode: 'none' }));
  authenticators.set('/jwt', await open({ mode: 'jwt', token, apiKeys }));
  authenticators.set('/apiKey', await open({ mode: 'apiKey', apiKeys }));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterAll(() => void server.close());

async function ask(path: string, headers: Readonly<Record<string, string>> = {}, method = 'GET'): Promise<string> {
  const response = await fetch(`${origin}${path}`, { method, headers });
  return `${response.status} ${await response.text()}`;
}

const ADA = '200 ["user","shop","ada"]';
const BILLING = '200 ["server","shop",null]';

describe('Authenticator.authenticate()', () => {
  it('takes a token from the header, the query or the cookie', async () => {
    const text = await mint();
    expect(await ask('/jwt', { authorization: `Bearer ${text}` })).toBe(ADA);
    expect(await ask(`/jwt?token=${text}`)).toBe(ADA);
    expect(await ask(`/jwt?Authorization=${text}`)).toBe(ADA);
    expect(await ask('/jwt', { cookie: `session=${text}` })).toBe(ADA);
  });

  it('does not take a page of a foreign origin for its visitor', async () => {
    const cookie = `session=${await mint()}`;
    expect(await ask('/jwt', { cookie, origin: 'https://evil.example' })).toBe('403 foreign-origin');
    expect(await ask('/jwt', { cookie }, 'POST')).toBe('403 foreign-origin');
    expect(await ask('/jwt', { cookie, origin: 'https://app.example' }, 'POST')).toBe(ADA);
  });

  it('never takes somebody with a bad token, or none, for nobody in particular', async () => {
    expect(await ask('/jwt')).toBe('401 token-missing');
    expect(await ask('/jwt', { authorization: 'Basic YWRhOnNlc2FtZQ==' })).toBe('401 token-missing');
    expect(await ask('/jwt?token=x.y.z')).toBe('401 token-invalid');
    expect(await ask('/jwt', { cookie: 'session=x' })).toBe('401 token-invalid');
    expect(await ask('/jwt', { authorization: `Bearer ${await mint({ lifetimeMs: -60_000 })}` })).toBe(
      '401 token-expired',
    );
    expect(await ask('/none?token=x.y.z')).toBe('200 ["anonymous",null,null]');
  });

  it('takes an API key beside tokens and alone, but not from a URL, which logs keep', async () => {
    for (const path of ['/jwt', '/apiKey']) {
      expect(await ask(path, { authorization: 'Bearer sesame' })).toBe(BILLING);
      expect(await ask(path, { 'x-api-key': 'sesame' })).toBe(BILLING);
      expect(await ask(path, { 'x-api-key': 'Sesame' })).toBe('401 unknown-api-key');
    }
    expect(await ask('/jwt?token=sesame')).toBe('401 token-invalid');
    expect(await ask('/apiKey?token=sesame')).toBe('401 token-missing');
    expect(await ask('/apiKey', { authorization: `Bearer ${await mint()}` })).toBe('401 unknown-api-key');
    expect(await ask('/apiKey')).toBe('401 token-missing');
  });

  it('refuses a token that was revoked, also one that it has checked before', async () => {
    const text = await mint({ user: 'eve' });
    expect(await ask(`/jwt?token=${text}`)).toBe('200 ["user","shop","eve"]');
    authenticators.get('/jwt')?.revocations.revoke({ application: 'shop', user: 'eve' });
    expect(await ask(`/jwt?token=${text}`)).toBe('401 token-revoked');
    expect(await ask(`/jwt?token=${await mint()}`)).toBe(ADA);
  });

  it('checks tokens with the keys behind a URL', async () => {
    const key = await createTestKey('EdDSA', 'k');
    await using jwks = await startJwksServer({ keys: [key.publicJwk] });
    const keys = { algorithm: 'EdDSA', jwksUrl: jwks.url } as const;
    const authenticator = await open({ mode: 'jwt', token: { keys } });
    const text = await key.sign({ iss: 'shop', sub: 'ada', exp: Date.now() / 1000 + 60 });
    const request = { method: 'GET', headers: { authorization: `Bearer ${text}` }, query: new URLSearchParams() };
    expect(await authenticator.authenticate(request)).toMatchObject({ application: 'shop', user: 'ada' });
    authenticator.close();
  });
});

const accessOf = (text: string): ReturnType<Authenticator['authenticate']> =>
  open({ mode: 'jwt', token }).then((one) =>
    one.authenticate({ method: 'GET', headers: {}, query: new URLSearchParams({ token: text }) }),
  );
const refusal = (code: string): unknown => expect.objectContaining({ code });

describe('what an application’s token may not do', () => {
  it('reaches no user of another application, whatever its iss looks like', async () => {
    for (const application of ['shop:ada', 'shop/ada', 'shop%2Fada', '../shop', 'shop\0', 'Shop', 'shop ']) {
      const access = await accessOf(await mint({ application, user: 'bob' }));
      const own = requireUser(access);
      expect(own).toEqual({ application, user: 'bob' });
      expect(userChannel(own.application, own.user)).not.toMatch(/^\/users\/shop\//);
      expect(() => requireConnections(access, 'read', 'shop')).toThrow(refusal('forbidden-application'));
      expect(() => requirePublishToUsers(access, 'shop')).toThrow(refusal('forbidden-application'));
    }
  });

  it('sees nothing but its own stream without grants', async () => {
    const access = await accessOf(await mint());
    expect(() => requireChannels(access, 'subscribe', ['news'])).toThrow(refusal('forbidden-channel'));
    expect(() => requireChannels(access, 'publish', ['news'])).toThrow(refusal('forbidden-channel'));
    expect(() => requireConnections(access, 'read', 'shop')).toThrow(refusal('forbidden-connections'));
    expect(() => requirePublishToUsers(access, 'shop')).toThrow(refusal('forbidden-channel'));
  });

  it('does what it was granted, and to each channel of a request', async () => {
    const grants = { subscribe: ['news'], connections: 'read', users: true };
    const access = await accessOf(await mint({ grants }));
    requireChannels(access, 'subscribe', ['news']);
    requireConnections(access, 'read', 'shop');
    requirePublishToUsers(access, 'shop');
    expect(() => requireChannels(access, 'subscribe', ['news', 'sport'])).toThrow(refusal('forbidden-channel'));
    expect(() => requireChannels(access, 'subscribe', ['sport'])).toThrow(
      'no pattern of the grant "subscribe" matches',
    );
    expect(() => requireConnections(access, 'manage', 'shop')).toThrow(refusal('forbidden-connections'));
  });

  it('is not asked for where there is no authentication, and no server is a user', async () => {
    const request = { method: 'GET', headers: {}, query: new URLSearchParams() };
    const anonymous = await (await open({ mode: 'none' })).authenticate(request);
    requireChannels(anonymous, 'publish', ['news', 'tidegate.x']);
    requireConnections(anonymous, 'manage', 'shop');
    expect(() => requireUser(anonymous)).toThrow(refusal('token-missing'));
  });
});

const openWith = (secret: string): Promise<unknown> =>
  open({ mode: 'jwt', token: { keys: { algorithm: 'HS256', secret } } });

describe('createAuthenticator()', () => {
  it.each([
    { algorithm: 'HS256', secret: '' },
    { algorithm: 'HS256', secret: 'private, of thirty-one bytes !!' },
    { algorithm: 'RS256', publicKeys: 'no key' },
    { algorithm: 'RS256', publicKeys: '{"d": "private' },
  ] as const)('refuses keys that cannot check anything: %j', async (keys) => {
    await expect(open({ mode: 'jwt', token: { keys } })).rejects.toThrow(/^Cannot (?!.*private)/);
  });

  it('refuses a secret under 32 bytes (RFC 7518, 3.2), counted in UTF-8', async () => {
    await expect(openWith('s'.repeat(31))).rejects.toThrow(
      'Cannot check tokens with the secret: it has 31 bytes, and HS256 needs 32 (RFC 7518, 3.2)',
    );
    await openWith('s'.repeat(32));
    await openWith('é'.repeat(16));
  });

  it('warns of such a secret where it is allowed, without showing it', async () => {
    const logger = createCapturingLogger();
    const keys = { algorithm: 'HS256', secret: 'sesame' } as const;
    const auth = { mode: 'jwt', token: { keys, allowsShortSecret: true } } as const;
    await createAuthenticator({ auth, origins: [], logger });
    expect(logger.lines.map(({ level }) => level)).toEqual(['warn']);
    expect(JSON.stringify(logger.lines)).not.toContain('sesame');
  });
});
