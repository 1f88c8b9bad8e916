import { readFileSync } from 'node:fs';
import { relative, resolve } from 'node:path';
import { isMap, isScalar, LineCounter, parseDocument } from 'yaml';
import type { Node, YAMLMap } from 'yaml';
import { quote } from '../../protocol/index.js';
import { CliError } from '../errors.js';
import { didYouMean } from './suggest.js';
import { isKey, KEYS, settingOf } from './table.js';
import type { Key } from './table.js';
import type { Written } from './origin.js';

/** Read when it is there and no other file is named. */
const DEFAULT_FILE = 'tidegate.yaml';

/** Values may be this large as a file; more is no configuration. */
const FILE_BYTES_MAX = 1024 * 1024;

/** The keys that a file may hold. */
const FILE_KEYS: readonly Key[] = KEYS.filter((key) => settingOf(key).reach === 'all');

/**
 * The values written in `path` (default: `tidegate.yaml` in `cwd`, when it is there), by key.
 * @throws CliError `unreadable-file`, `bad-value` (no YAML), `unknown-key`, `contradiction` (a key twice).
 */
export function readConfigFile(cwd: string, path?: string): ReadonlyMap<Key, Written> {
  const absolute = resolve(cwd, path ?? DEFAULT_FILE);
  const text = readText(absolute, path);
  return text === undefined ? new Map() : parseConfigFile(text, relative(cwd, absolute) || absolute);
}

function readText(absolute: string, path: string | undefined): string | undefined {
  try {
    const bytes = readFileSync(absolute);
    if (bytes.length <= FILE_BYTES_MAX) return bytes.toString();
    throw new CliError('bad-value', `Cannot use ${quote(absolute)}: it is larger than 1 MiB`);
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : '';
    if (path === undefined && code === 'ENOENT') return undefined;
    if (error instanceof CliError) throw error;
    throw new CliError('unreadable-file', `Cannot read the configuration file ${quote(path ?? absolute)}: ${code}`);
  }
}

/** {@link readConfigFile} once the text is there; `name` is what errors call the file. */
function parseConfigFile(text: string, name: string): ReadonlyMap<Key, Written> {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines });
  const [error] = document.errors;
  if (error !== undefined) {
    const reason = error.message.split('\n')[0]?.replace(/ at line .*$/, '');
    throw new CliError('bad-value', `Cannot read ${name}:${lines.linePos(error.pos[0]).line}: ${reason}`);
  }
  const written = new Map<Key, Written>();
  const { contents } = document;
  if (contents === null || (isScalar(contents) && contents.value === null)) return written;
  if (!isMap(contents)) throw new CliError('bad-value', `Cannot read ${name}:1: it must hold keys and values`);
  collect(contents, '', { name, lineOf: (node) => lines.linePos(node.range?.[0] ?? 0).line, written });
  return written;
}

interface Collector {
  readonly name: string;
  readonly lineOf: (node: Node) => number;
  readonly written: Map<Key, Written>;
}

/** `http: {port: 1}` and `http.port: 1` say the same. */
function collect(map: YAMLMap, prefix: string, collector: Collector): void {
  for (const { key: keyNode, value } of map.items as Iterable<{ key: Node; value: Node | null }>) {
    const path = `${prefix}${isScalar(keyNode) ? String(keyNode.value) : '?'}`;
    const line = collector.lineOf(keyNode);
    if (isKey(path) && FILE_KEYS.includes(path)) {
      const before = collector.written.get(path);
      const where = `${collector.name}:${line}`;
      if (before !== undefined) throw new CliError('contradiction', `Cannot set ${path} twice (${where})`);
      const raw = value === null ? null : readNode(value);
      if (raw !== null) collector.written.set(path, { raw, origin: { kind: 'file', path: collector.name, line } });
    } else if (isMap(value) && FILE_KEYS.some((key) => key.startsWith(`${path}.`))) {
      collect(value, `${path}.`, collector);
    } else if (!(isEmpty(value) && FILE_KEYS.some((key) => key.startsWith(`${path}.`)))) {
      throw unknownKey(path, `${collector.name}:${line}`);
    }
  }
}

function isEmpty(value: Node | null): boolean {
  return value === null || (isScalar(value) && value.value === null);
}

/** A list item written `Name: value` without quotes is a map to YAML; it is read as the text it looks like. */
function readNode(node: Node): unknown {
  const raw: unknown = node.toJSON();
  if (isRecord(raw)) return toPairs(raw);
  if (!Array.isArray(raw)) return raw;
  return (raw as readonly unknown[]).flatMap<unknown>((item) => (isRecord(item) ? toPairs(item) : item));
}

function toPairs(record: Readonly<Record<string, unknown>>): readonly string[] {
  return Object.entries(record).map(([name, value]) => `${name}: ${String(value)}`);
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function unknownKey(path: string, where: string): CliError {
  if (isKey(path)) return new CliError('unknown-key', `Cannot set ${path} in a file (${where}): it is a flag only`);
  const hint = didYouMean(path, FILE_KEYS);
  return new CliError('unknown-key', `Cannot use the key ${quote(path)} (${where}): there is no such setting${hint}`);
}
