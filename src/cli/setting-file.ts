import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { quote } from '../protocol/index.js';
import { fileFault } from './config/index.js';
import type { Settings } from './config/index.js';
import { CliError } from './errors.js';

/** Settings that name a file with something secret or long in it. */
type FileKey =
  | 'auth.jwt.secretFile'
  | 'auth.jwt.keyFile'
  | 'auth.apiKeysFile'
  | 'auth.webhook.secretFile'
  | 'source.bodyFile'
  | 'source.tls.ca'
  | 'source.tls.cert'
  | 'source.tls.key'
  | 'source.tokenFile'
  | 'webhooks.secretFile'
  | 'sink.http.secretFile'
  | 'tokenFile';

/** The text of the file that a setting names; undefined where it names none. @throws CliError `unreadable-file`. */
export async function readSettingFile(settings: Settings, key: FileKey, cwd: string): Promise<string | undefined> {
  const path = settings[key];
  if (path === undefined) return undefined;
  try {
    return await readFile(resolve(cwd, path), 'utf8');
  } catch (error) {
    throw new CliError('unreadable-file', `Cannot read ${key} ${quote(path)}: ${fileFault(error)}`, { cause: error });
  }
}

/** A secret in a file, without the line break at its end. @throws CliError `unreadable-file`, `bad-value` where it is empty. */
export async function readSecretFile(settings: Settings, key: FileKey, cwd: string): Promise<string | undefined> {
  const secret = (await readSettingFile(settings, key, cwd))?.replace(/\r?\n$/, '');
  if (secret === '') throw new CliError('bad-value', `Cannot use ${key}: the file is empty`);
  return secret;
}
