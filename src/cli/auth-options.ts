import type { ApiKey, AuthOptions } from '../hub/index.js';
import { parseApiKey, secretFault } from '../hub/index.js';
import type { Settings } from './config/index.js';
import { CliError } from './errors.js';
import { readSecretFile, readSettingFile } from './setting-file.js';

/**
 * The secret of tokens, from its setting or its file; empty where neither is set.
 * @throws CliError `unreadable-file`; `bad-value`, for a secret that is too short, unless a preset allows it.
 */
export async function readSecret(settings: Settings, cwd: string): Promise<string> {
  const inSetting = settings['auth.jwt.secret'];
  const secret = inSetting ?? (await readSecretFile(settings, 'auth.jwt.secretFile', cwd)) ?? '';
  const fault = secretFault(secret);
  if (fault === undefined || allowsShortSecret(settings)) return secret;
  const key = inSetting === undefined ? 'auth.jwt.secretFile' : 'auth.jwt.secret';
  throw new CliError('bad-value', `Cannot use ${key}: ${fault}; make one with: openssl rand -base64 33`);
}

/** Tokens of the notification service that is replaced are signed already. */
function allowsShortSecret({ preset }: Settings): boolean {
  return preset === 'notifications';
}

/**
 * How the hub asks who its callers are, with what stands in the files that the settings name.
 * @throws CliError `unreadable-file`, `bad-value`; no message shows what a file or a secret holds.
 */
export async function authOptionsOf(settings: Settings, cwd: string): Promise<AuthOptions> {
  const mode = settings.auth;
  if (mode === 'none') return { mode };
  const apiKeys = await readApiKeys(settings, cwd);
  if (mode === 'apiKey') return { mode, apiKeys };
  return {
    mode: 'jwt',
    apiKeys,
    token: {
      keys: await readTokenKeys(settings, cwd),
      audience: settings['auth.jwt.audience'],
      issuers: settings['auth.jwt.issuers'],
      toleranceMs: settings['auth.jwt.toleranceMs'],
      withoutClaim: {
        subscribe: settings['auth.jwt.subscribe'],
        publish: settings['auth.jwt.publish'],
        connections: settings['auth.jwt.connections'],
        users: false,
        operate: settings['auth.jwt.operate'],
      },
      cookie: settings['auth.cookie'],
      allowsShortSecret: allowsShortSecret(settings),
    },
  };
}

type TokenKeys = Extract<AuthOptions, { readonly mode: 'jwt' }>['token']['keys'];

async function readTokenKeys(settings: Settings, cwd: string): Promise<TokenKeys> {
  const algorithm = settings['auth.jwt.algorithm'];
  // That the key is there and fits the algorithm was checked with the settings.
  if (algorithm === 'HS256') return { algorithm, secret: await readSecret(settings, cwd) };
  const jwksUrl = settings['auth.jwt.jwksUrl'];
  if (jwksUrl !== undefined) return { algorithm, jwksUrl };
  return { algorithm, publicKeys: (await readSettingFile(settings, 'auth.jwt.keyFile', cwd)) ?? '' };
}

async function readApiKeys(settings: Settings, cwd: string): Promise<readonly ApiKey[]> {
  const inFile = (await readSettingFile(settings, 'auth.apiKeysFile', cwd)) ?? '';
  const lines = inFile
    .split('\n')
    .map((text, index) => ({ text: text.trim(), from: `auth.apiKeysFile, line ${index + 1}` }));
  const written = settings['auth.apiKeys'].map((text) => ({ text, from: 'auth.apiKeys' }));
  return [...written, ...lines]
    .filter(({ text }) => text !== '' && !text.startsWith('#'))
    .map(({ text, from }) => readApiKey(text, from));
}

function readApiKey(text: string, from: string): ApiKey {
  try {
    return parseApiKey(text);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new CliError('bad-value', `Cannot use an API key (${from}): ${reason}`, { cause: error });
  }
}
