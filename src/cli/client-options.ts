import type { Token } from '../client/index.js';
import type { Settings } from './config/index.js';
import { CliError } from './errors.js';
import { readSecretFile } from './setting-file.js';

export interface HubAccess {
  readonly url: string;
  readonly token?: Token;
}

/**
 * Where the hub is and what to show it. A file is read at once, and again whenever the hub refuses what was in it.
 * @throws CliError `unreadable-file`, `bad-value`.
 */
export async function hubAccessOf(settings: Settings, cwd: string): Promise<HubAccess> {
  const { url, token, tokenFile } = settings;
  if (token !== undefined) return { url, token };
  if (tokenFile === undefined) return { url };
  await readTokenFile(settings, cwd);
  return { url, token: () => readTokenFile(settings, cwd) };
}

async function readTokenFile(settings: Settings, cwd: string): Promise<string> {
  const token = await readSecretFile(settings, 'tokenFile', cwd);
  if (token === undefined) throw new CliError('failed', 'Cannot send a token: there is none');
  return token;
}
