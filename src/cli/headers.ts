import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { quote } from '../protocol/index.js';
import { fileFault } from './config/index.js';
import type { Settings } from './config/index.js';
import { CliError } from './errors.js';

/**
 * The request headers of a source: those of `source.headersFile`, and over them `source.headers`.
 * @throws CliError `unreadable-file`, `bad-value`; neither shows a value, which may be secret.
 */
export async function readHeaders(settings: Settings, cwd: string): Promise<Readonly<Record<string, string>>> {
  const path = settings['source.headersFile'];
  const lines = path === undefined ? [] : await readLines(resolve(cwd, path));
  return toHeaders([...lines, ...settings['source.headers']]);
}

/** Headers of lines such as `Name: value`; the last of one name counts. @throws CliError `bad-value`, without the value. */
export function toHeaders(lines: readonly string[]): Readonly<Record<string, string>> {
  return Object.fromEntries(lines.map(toPair));
}

async function readLines(path: string): Promise<readonly string[]> {
  const text = await readFile(path, 'utf8').catch((error: unknown) => {
    throw new CliError('unreadable-file', `Cannot read source.headersFile ${quote(path)}: ${fileFault(error)}`);
  });
  const lines = text.split(/\r?\n/).map((line) => line.trim());
  for (const [index, line] of lines.entries()) {
    if (!isSkipped(line) && !/^[^\s:]+:/.test(line))
      throw new CliError('bad-value', `Cannot use ${path}:${index + 1}: it must be "Name: value"`);
  }
  return lines.filter((line) => !isSkipped(line));
}

function isSkipped(line: string): boolean {
  return line === '' || line.startsWith('#');
}

const NAME = /^[a-z0-9!#$%&'*+.^_`|~-]+$/;
/** Bytes, no control characters: what is beyond Latin-1 cannot be sent. */
const VALUE = /^[\t\u0020-\u007e\u0080-\u00ff]*$/;

/** Names in lower case, so that the same header written twice is one. */
function toPair(line: string): readonly [name: string, value: string] {
  const colon = line.indexOf(':');
  const [name, value] = [line.slice(0, colon).trim().toLowerCase(), line.slice(colon + 1).trim()];
  if (NAME.test(name) && VALUE.test(value)) return [name, value];
  throw new CliError('bad-value', `Cannot send header ${quote(name)}: it is no HTTP header`);
}
