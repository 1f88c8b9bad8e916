import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { createSecureContext } from 'node:tls';
import { quote } from '../protocol/index.js';
import { fileFault } from './config/index.js';
import type { Settings } from './config/index.js';
import { CliError } from './errors.js';

/** The certificate and the key that a server shows, as their files have them. */
interface TlsFiles {
  readonly cert: Buffer;
  readonly key: Buffer;
}

/**
 * What stands in the files of `http.tls.cert` and `http.tls.key`; undefined where they are not set.
 * @throws CliError `unreadable-file`, or `bad-value` where they are no PEM or not of each other; neither shows what is in them.
 */
export async function readTls(settings: Settings, cwd: string): Promise<TlsFiles | undefined> {
  const certPath = settings['http.tls.cert'];
  const keyPath = settings['http.tls.key'];
  if (certPath === undefined || keyPath === undefined) return undefined;
  const cert = await readPem('http.tls.cert', resolve(cwd, certPath));
  const key = await readPem('http.tls.key', resolve(cwd, keyPath));
  check({ cert }, `Cannot use http.tls.cert ${quote(certPath)}: it is no certificate in PEM`);
  check({ key }, `Cannot use http.tls.key ${quote(keyPath)}: it is no private key in PEM without a passphrase`);
  check({ cert, key }, `Cannot use http.tls.key ${quote(keyPath)}: it is not the key of ${quote(certPath)}`);
  return { cert, key };
}

async function readPem(key: 'http.tls.cert' | 'http.tls.key', path: string): Promise<Buffer> {
  try {
    return await readFile(path);
  } catch (error) {
    throw new CliError('unreadable-file', `Cannot read ${key} ${quote(path)}: ${fileFault(error)}`, { cause: error });
  }
}

function check(identity: Partial<TlsFiles>, message: string): void {
  try {
    createSecureContext(identity);
  } catch (error) {
    throw new CliError('bad-value', message, { cause: error });
  }
}
