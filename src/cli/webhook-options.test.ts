import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { loadSettings } from './config/index.js';
import type { Environment, Settings } from './config/index.js';
import { webhookOptionsOf } from './webhook-options.js';

const URL_VARIABLE = { TIDEGATE_WEBHOOKS_URL: 'http://127.0.0.1:1/hook' };
const ASK_VARIABLE = { TIDEGATE_AUTH_WEBHOOK_URL: 'http://127.0.0.1:1/ask' };
let cwd = '';
beforeAll(() => {
  cwd = mkdtempSync(join(tmpdir(), 'tidegate-webhooks-'));
  writeFileSync(join(cwd, 'secret'), 'a secret \r\n');
  writeFileSync(join(cwd, 'empty'), '\n');
});
afterAll(() => rmSync(cwd, { recursive: true }));

const load = (env: Environment): Settings => loadSettings({ verb: 'serve', flags: [], env, cwd }).settings;

describe('webhookOptionsOf()', () => {
  it('calls nobody by default', async () => expect(await webhookOptionsOf(load({}), cwd)).toEqual({}));

  it('reads what is told and asked, with secrets from files or variables', async () => {
    const env = { ...URL_VARIABLE, ...ASK_VARIABLE, TIDEGATE_WEBHOOKS_SECRET_FILE: 'secret' };
    const more = { TIDEGATE_WEBHOOKS_EVENTS: 'closed', TIDEGATE_AUTH_WEBHOOK_ON_FAILURE: 'allow' };
    const options = await webhookOptionsOf(load({ ...env, ...more, TIDEGATE_AUTH_WEBHOOK_SECRET: 'other' }), cwd);
    expect(options).toMatchObject({
      notify: { url: URL_VARIABLE.TIDEGATE_WEBHOOKS_URL, secret: 'a secret ', events: ['closed'], waitingMax: 10_000 },
      authorize: { url: ASK_VARIABLE.TIDEGATE_AUTH_WEBHOOK_URL, secret: 'other', onFailure: 'allow', timeoutMs: 1000 },
    });
    expect((await webhookOptionsOf(load(ASK_VARIABLE), cwd)).authorize).toMatchObject({
      secret: undefined,
      onFailure: 'deny',
    });
  });

  it.each([
    [{ TIDEGATE_WEBHOOKS_SECRET: 'whsec_not base64' }, 'is no base64 (webhooks.secret)'],
    [{ TIDEGATE_WEBHOOKS_SECRET_FILE: 'empty' }, 'Cannot use webhooks.secretFile: the file is empty'],
    [{ TIDEGATE_WEBHOOKS_SECRET_FILE: 'nowhere' }, 'Cannot read webhooks.secretFile "nowhere": there is no such file'],
  ])('refuses %j in one sentence without the secret', async (env, message) => {
    const fault = webhookOptionsOf(load({ ...URL_VARIABLE, ...env }), cwd);
    await expect(fault).rejects.toThrow(message);
    await expect(fault).rejects.not.toThrow('not base64');
  });
});

describe('loadSettings()', () => {
  it.each([
    [URL_VARIABLE, 'Cannot tell webhooks.url anything without a secret'],
    [{ TIDEGATE_WEBHOOKS_SECRET: 's' }, 'webhooks.secret (variable TIDEGATE_WEBHOOKS_SECRET) without webhooks.url'],
    [
      { TIDEGATE_WEBHOOKS_EVENTS: 'opened' },
      'webhooks.events (variable TIDEGATE_WEBHOOKS_EVENTS) without webhooks.url',
    ],
    [{ TIDEGATE_AUTH_WEBHOOK_ON_FAILURE: 'allow' }, 'without auth.webhook.url: nobody would be called'],
    [{ TIDEGATE_AUTH_WEBHOOK_SECRET_FILE: 'f' }, 'without auth.webhook.url'],
    [
      { ...URL_VARIABLE, TIDEGATE_WEBHOOKS_SECRET: 's', TIDEGATE_WEBHOOKS_SECRET_FILE: 'f' },
      'webhooks.secretFile (variable TIDEGATE_WEBHOOKS_SECRET_FILE): only one of the two',
    ],
    [{ TIDEGATE_AUTH_WEBHOOK_URL: 'https://ann:word@a.example/' }, 'it holds a user or a password'],
    [{ TIDEGATE_WEBHOOKS_URL: 'ftp://in-the-url.example' }, 'it must be an http:// or https:// URL'],
    [{ ...URL_VARIABLE, TIDEGATE_WEBHOOKS_EVENTS: 'joined' }, 'opened or closed'],
  ])('refuses %j', (env, message) => {
    expect(() => load(env)).toThrow(message);
    expect(() => load(env)).not.toThrow(/word@|in-the-url/);
  });

  it('reads auth.webhook and webhooks from the file', () => {
    const text =
      'auth.webhook: {url: https://a.example/ask, cacheMs: 5s}\nwebhooks: {url: https://a.example, secret: s}\n';
    writeFileSync(join(cwd, 'tidegate.yaml'), text);
    const settings = load({});
    rmSync(join(cwd, 'tidegate.yaml'));
    expect(settings).toMatchObject({ 'auth.webhook.cacheMs': 5000, 'webhooks.url': 'https://a.example' });
  });
});
