import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { decodeJwt } from 'jose';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { start } from '../../../test/support/cli.js';
import { createAuthenticator } from '../../hub/auth/authenticator.js';

const SECRET = 'a secret that is long enough for it';
let cwd = '';
beforeAll(() => {
  cwd = mkdtempSync(join(tmpdir(), 'tidegate-auth-'));
});
afterAll(() => rmSync(cwd, { recursive: true }));

async function token(
  line: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<{ code: number; out: string; err: string }> {
  await using run = start(['token', ...line], { cwd, env });
  const code = await run.exit;
  return { code, out: run.stdout.text, err: run.stderr.text };
}

describe('tidegate token', () => {
  it('makes a token that a hub with the same secret takes', async () => {
    const { code, out, err } = await token(['shop', 'ada', '--subscribe', 'news', '--expires', '8h'], {
      JWT_SECRET: SECRET,
    });
    expect([code, err]).toEqual([0, '']);
    const keys = { algorithm: 'HS256', secret: SECRET } as const;
    const hub = await createAuthenticator({ auth: { mode: 'jwt', token: { keys } }, origins: [] });
    const query = new URLSearchParams({ token: out.trim() });
    const access = await hub.authenticate({ method: 'GET', headers: {}, query });
    expect(access).toMatchObject({ application: 'shop', user: 'ada', grants: { subscribe: ['news'], publish: [] } });
    expect((access.expiresAtMs ?? 0) - (access.issuedAtMs ?? 0)).toBeGreaterThanOrEqual(8 * 3_600_000);
  });

  it('says what it was told to, and leaves the grants to the hub where none is given', async () => {
    writeFileSync(join(cwd, 'secret'), `${SECRET}\n`);
    const file = ['--auth.jwt.secretFile', 'secret'];
    const plain = await token(['shop', 'ada', ...file]);
    expect(Object.keys(decodeJwt(plain.out.trim())).toSorted()).toEqual(['exp', 'iat', 'iss', 'sub']);
    const flags = ['--auth.jwt.audience', 'hub', '--jti', 'j1', '--publish', 'a,b', '--publish', 'c*', '--users'];
    const full = await token(['shop', 'ada', '--connections', 'read', ...flags, ...file]);
    expect(decodeJwt(full.out.trim())).toMatchObject({
      aud: 'hub',
      jti: 'j1',
      tidegate: { subscribe: [], publish: ['a,b', 'c*'], connections: 'read', users: true },
    });
  });

  it.each([
    [['shop', 'ada'], {}, 'without a secret'],
    [['shop', ''], { JWT_SECRET: SECRET }, 'must not be empty'],
    [['shop', 'ada'], { JWT_SECRET: 'sesame' }, 'Cannot use auth.jwt.secret: it has 6 bytes, and HS256 needs 32'],
    [['shop', 'ada', '--auth.jwt.algorithm', 'RS256'], { JWT_SECRET: SECRET }, 'only a secret'],
    [['shop', 'ada', '--auth.jwt.secretFile', 'nowhere', '--auth.jwt.secret', SECRET], {}, 'only one of the two'],
    [['shop', 'ada', '--auth.jwt.secretFile', 'nowhere'], {}, 'Cannot read auth.jwt.secretFile'],
    [['shop', 'ada', '--publish', 'a b'], { JWT_SECRET: SECRET }, 'a channel, with *'],
  ])('refuses %j in one sentence, without the secret', async (line, env, message) => {
    const { code, out, err } = await token(line, env);
    expect([code === 0, out]).toEqual([false, '']);
    expect(err).toContain(message);
    expect(err).not.toContain(SECRET);
  });
});

describe('tidegate serve', () => {
  it('does not start with a secret that nobody would look at', async () => {
    await using run = start(['serve', '--port', '0'], { cwd, env: { JWT_SECRET: SECRET } });
    expect(await run.exit).toBe(2);
    expect(run.stderr.text).toContain('auth.jwt.secret (');
    expect(run.stderr.text).toContain('give --auth jwt, or --preset notifications');
    expect(run.stderr.text).not.toContain(SECRET);
  });

  it('does not start with a secret under 32 bytes, but for the preset, which warns', async () => {
    const env = { JWT_SECRET: 'sesame' };
    await using refused = start(['serve', '--port', '0', '--auth', 'jwt'], { cwd, env });
    expect(await refused.exit).toBe(2);
    expect(refused.stderr.text).toMatch(
      /Cannot use auth.jwt.secret: it has 6 bytes, and HS256 needs 32 .*openssl rand/,
    );
    const line = ['serve', '--port', '0', '--preset', 'notifications'];
    await using warned = start(line, { cwd, env: { ...env, TIDEGATE_REDIS_BRIDGE_USERS: 'false' } });
    await warned.stdout.until(/Hub listening/);
    expect(warned.stdout.text).toContain('it has 6 bytes');
    expect(warned.stdout.text + refused.stderr.text).not.toContain('sesame');
  });
});
