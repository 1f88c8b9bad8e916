import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { authOptionsOf } from './auth-options.js';
import { authOfHub } from './config/auth-contradictions.js';
import { loadSettings } from './config/index.js';
import type { Environment, Settings } from './config/index.js';

const HASH = 'ab'.repeat(32);
let cwd = '';
beforeAll(() => {
  cwd = mkdtempSync(join(tmpdir(), 'tidegate-auth-'));
});
afterAll(() => rmSync(cwd, { recursive: true }));

/** The settings of `serve` as `env` has them, in a mode of authentication. */
function settingsOf(auth: string, env: Environment = {}): Settings {
  const { settings } = loadSettings({ verb: 'token', flags: [], env: { JWT_SECRET: 'x' }, cwd });
  const own = Object.entries(env).map(([key, value]) => [key, key === 'auth.apiKeys' ? [value] : value]);
  return { ...settings, 'auth.jwt.secret': undefined, auth, ...Object.fromEntries(own) } as Settings;
}

const faultOf = (auth: string, env: Environment): string | undefined =>
  authOfHub(settingsOf(auth, env), new Map())?.message;

describe('authOfHub()', () => {
  it.each([
    ['none', {}],
    ['jwt', { 'auth.jwt.secret': 's' }],
    ['jwt', { 'auth.jwt.secretFile': 'f', 'auth.apiKeysFile': 'f' }],
    ['jwt', { 'auth.jwt.algorithm': 'RS256', 'auth.jwt.jwksUrl': 'https://id.example/keys' }],
    ['jwt', { 'auth.jwt.algorithm': 'EdDSA', 'auth.jwt.keyFile': 'f' }],
    ['apiKey', { 'auth.apiKeys': `one:${HASH}` }],
    ['apiKey', { 'auth.apiKeysFile': 'f' }],
  ])('takes auth %s with %j', (auth, env) => expect(faultOf(auth, env)).toBeUndefined());

  it.each([
    ['none', { 'auth.jwt.secret': 's' }, 'auth.jwt.secret with auth none: nobody would look'],
    ['none', { 'auth.jwt.secret': 's' }, 'give --auth jwt, or --preset notifications'],
    ['none', { 'auth.apiKeysFile': 'f' }, 'give --auth apiKey'],
    ['none', { 'auth.apiKeysFile': 'f' }, 'auth.apiKeysFile with auth none'],
    ['jwt', {}, 'check tokens by HS256 without a key'],
    ['jwt', { 'auth.jwt.algorithm': 'ES256' }, 'check tokens by ES256 without a key'],
    ['jwt', { 'auth.jwt.secret': 's', 'auth.jwt.secretFile': 'f' }, 'only one of the two'],
    ['jwt', { 'auth.jwt.jwksUrl': 'https://id.example/keys' }, 'jwksUrl with auth.jwt.algorithm HS256'],
    ['jwt', { 'auth.jwt.algorithm': 'RS256', 'auth.jwt.secret': 's' }, 'secret with auth.jwt.algorithm RS256'],
    ['apiKey', {}, 'auth apiKey without a key'],
    ['apiKey', { 'auth.apiKeysFile': 'f', 'auth.cookie': 'c' }, 'auth.cookie with auth apiKey'],
  ])('refuses auth %s with %j', (auth, env, message) => expect(faultOf(auth, env)).toContain(message));
});

const SECRET = 'a secret that is long enough for it';

describe('authOptionsOf()', () => {
  it('refuses a short secret of tokens in one sentence that says which setting it is, but for the preset', async () => {
    writeFileSync(join(cwd, 'short'), 'sesame');
    const inSetting = settingsOf('jwt', { 'auth.jwt.secret': 'sesame' });
    const inFile = settingsOf('jwt', { 'auth.jwt.secretFile': 'short' });
    for (const [settings, key] of [
      [inSetting, 'auth.jwt.secret'],
      [inFile, 'auth.jwt.secretFile'],
    ] as const)
      await expect(authOptionsOf(settings, cwd)).rejects.toThrow(
        new RegExp(`^Cannot use ${key}: it has 6 bytes, and HS256 needs 32 [^]*openssl rand`),
      );
    const options = await authOptionsOf({ ...inSetting, preset: 'notifications' }, cwd);
    expect(options).toMatchObject({ token: { keys: { secret: 'sesame' }, allowsShortSecret: true } });
  });

  it('reads the secret, the keys and the API keys from their files', async () => {
    writeFileSync(join(cwd, 'secret'), `${SECRET} \r\n`);
    writeFileSync(join(cwd, 'keys'), `# servers\n\none:${HASH}\n  two:${HASH}:publish=a\n`);
    writeFileSync(join(cwd, 'key.pem'), 'PEM');
    const settings = settingsOf('jwt', { 'auth.jwt.secretFile': 'secret', 'auth.apiKeysFile': 'keys' });
    const options = await authOptionsOf(settings, cwd);
    expect(options).toMatchObject({ mode: 'jwt', token: { keys: { algorithm: 'HS256', secret: `${SECRET} ` } } });
    expect('apiKeys' in options && options.apiKeys?.map(({ name }) => name)).toEqual(['one', 'two']);
    const byFile = settingsOf('jwt', { 'auth.jwt.algorithm': 'RS256', 'auth.jwt.keyFile': 'key.pem' });
    expect(await authOptionsOf(byFile, cwd)).toMatchObject({ token: { keys: { publicKeys: 'PEM' } } });
  });

  it('says which line of a file is wrong, and nothing of what stands there', async () => {
    writeFileSync(join(cwd, 'keys'), `one:${HASH}\n${HASH}`);
    const fault = authOptionsOf(settingsOf('apiKey', { 'auth.apiKeysFile': 'keys' }), cwd);
    await expect(fault).rejects.toThrow('auth.apiKeysFile, line 2');
    await expect(fault).rejects.not.toThrow(HASH);
  });

  it.each(['auth.jwt.secretFile', 'auth.apiKeysFile'])('says that %s is not there', async (key) => {
    const settings = settingsOf('jwt', { [key]: 'nowhere' });
    await expect(authOptionsOf(settings, cwd)).rejects.toMatchObject({ code: 'unreadable-file' });
  });
});

describe('loadSettings()', () => {
  it('reads auth and auth.jwt side by side from one file', () => {
    writeFileSync(join(cwd, 'tidegate.yaml'), 'auth: none\nauth.jwt: {secretFile: ./secret, issuers: [shop]}\n');
    const { settings } = loadSettings({ verb: 'token', flags: [], env: {}, cwd });
    rmSync(join(cwd, 'tidegate.yaml'));
    expect([settings.auth, settings['auth.jwt.secretFile'], settings['auth.jwt.issuers']]).toEqual([
      'none',
      './secret',
      ['shop'],
    ]);
  });
});

describe('loadSettings()', () => {
  it('listens beyond loopback where callers are asked, but not for the demo, which asks nobody', () => {
    writeFileSync(join(cwd, 'tidegate.yaml'), 'auth: jwt\nauth.jwt: {secret: s}\nhttp.host: 0.0.0.0\n');
    const load = (verb: 'serve' | 'demo'): Settings => loadSettings({ verb, flags: [], env: {}, cwd }).settings;
    expect(load('serve').auth).toBe('jwt');
    expect(() => load('demo')).toThrow('Cannot listen on 0.0.0.0');
    rmSync(join(cwd, 'tidegate.yaml'));
  });
});
