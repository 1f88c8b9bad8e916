import { readFileSync } from 'node:fs';
import { relative, resolve } from 'node:path';
import { isMap, isScalar, LineCounter, parseDocument } from 'yaml';
import type { Node, YAMLMap } from 'yaml';
import { quote } from '../../protocol/index.js';
import { CliError } from '../errors.js';
import { didYouMean } from './suggest.js';
import { isKey, KEYS, settingOf } from './table.js';
import type { Key } from './table.js';
import { fileFault } from './file-fault.js';
import type { Written } from './origin.js';
import { checkPipelineName, isPipelineKey, PIPELINE_KEYS, PIPELINES_MAX } from './pipeline-keys.js';

/** Read when it is there and no other file is named. */
const DEFAULT_FILE = 'tidegate.yaml';

/** Values may be this large as a file; more is no configuration. */
const FILE_BYTES_MAX = 1024 * 1024;

/** The keys that a file may hold. */
const FILE_KEYS: readonly Key[] = KEYS.filter((key) => settingOf(key).reach === 'all');

/** What one entry of `pipelines:` says. */
export interface PipelineBlock {
  readonly name: string;
  /** Where it begins: `tidegate.yaml:3`. */
  readonly where: string;
  readonly written: ReadonlyMap<Key, Written>;
}

export interface ConfigFile {
  readonly written: ReadonlyMap<Key, Written>;
  /** Undefined where the file has no `pipelines:`. */
  readonly pipelines: readonly PipelineBlock[] | undefined;
}

/**
 * The values written in `path` (default: `tidegate.yaml` in `cwd`, when it is there), by key.
 * @throws CliError `unreadable-file`, `bad-value` (no YAML), `unknown-key`, `contradiction` (a key twice).
 */
export function readConfigFile(cwd: string, path?: string): ConfigFile {
  const absolute = resolve(cwd, path ?? DEFAULT_FILE);
  const text = readText(absolute, path);
  if (text === undefined) return { written: new Map(), pipelines: undefined };
  return parseConfigFile(text, relative(cwd, absolute) || absolute);
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
    throw new CliError(
      'unreadable-file',
      `Cannot read the configuration file ${quote(path ?? absolute)}: ${fileFault(error)}`,
    );
  }
}

/** {@link readConfigFile} once the text is there; `name` is what errors call the file. */
function parseConfigFile(text: string, name: string): ConfigFile {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines });
  const [error] = document.errors;
  if (error !== undefined) {
    const reason = error.message.split('\n')[0]?.replace(/ at line .*$/, '');
    throw new CliError('bad-value', `Cannot read ${name}:${lines.linePos(error.pos[0]).line}: ${reason}`);
  }
  const written = new Map<Key, Written>();
  const { contents } = document;
  if (contents === null || (isScalar(contents) && contents.value === null)) return { written, pipelines: undefined };
  if (!isMap(contents)) throw new CliError('bad-value', `Cannot read ${name}:1: it must hold keys and values`);
  const lineOf = (node: Node): number => lines.linePos(node.range?.[0] ?? 0).line;
  const blocks: PipelineBlock[] = [];
  const onPipelines = (value: Node | null, line: number): void => {
    blocks.push(...readPipelines(value, `${name}:${line}`, { name, lineOf }));
  };
  collect(contents, '', { name, lineOf, written, keys: FILE_KEYS, within: '', onPipelines });
  return { written, pipelines: contents.has(PIPELINES) ? blocks : undefined };
}

interface Place {
  readonly name: string;
  readonly lineOf: (node: Node) => number;
}

interface Collector extends Place {
  readonly written: Map<Key, Written>;
  /** The keys that may stand here. */
  readonly keys: readonly Key[];
  /** What stands before them in an error: empty, or `pipelines.news.`. */
  readonly within: string;
  readonly onPipelines?: (value: Node | null, line: number) => void;
}

const PIPELINES = 'pipelines';

function readPipelines(value: Node | null, where: string, { name, lineOf }: Place): readonly PipelineBlock[] {
  if (!isMap(value) || value.items.length === 0)
    throw new CliError('bad-value', `Cannot use pipelines (${where}): it must hold a name and settings for each`);
  if (value.items.length > PIPELINES_MAX)
    throw new CliError('bad-value', `Cannot use pipelines (${where}): there are more than ${PIPELINES_MAX}`);
  return (value.items as readonly { readonly key: Node; readonly value: Node | null }[]).map((item) => {
    const pipeline = isScalar(item.key) ? String(item.key.value) : '?';
    const at = `${name}:${lineOf(item.key)}`;
    checkPipelineName(pipeline, at);
    if (!isMap(item.value))
      throw new CliError('bad-value', `Cannot use pipelines.${pipeline} (${at}): it must hold keys and values`);
    const written = new Map<Key, Written>();
    collect(item.value, '', { name, lineOf, written, keys: PIPELINE_KEYS, within: `${PIPELINES}.${pipeline}.` });
    return { name: pipeline, where: at, written };
  });
}

/** `http: {port: 1}` and `http.port: 1` say the same. */
function collect(map: YAMLMap, prefix: string, collector: Collector): void {
  for (const { key: keyNode, value } of map.items as Iterable<{ key: Node; value: Node | null }>) {
    const path = `${prefix}${isScalar(keyNode) ? String(keyNode.value) : '?'}`;
    const line = collector.lineOf(keyNode);
    const { keys, within } = collector;
    if (path === PIPELINES && collector.onPipelines !== undefined) {
      collector.onPipelines(value, line);
    } else if (isKey(path) && keys.includes(path)) {
      const before = collector.written.get(path);
      const where = `${collector.name}:${line}`;
      if (before !== undefined) throw new CliError('contradiction', `Cannot set ${within}${path} twice (${where})`);
      const raw = value === null ? null : readNode(value);
      if (raw !== null) collector.written.set(path, { raw, origin: { kind: 'file', path: collector.name, line } });
    } else if (isMap(value) && keys.some((key) => key.startsWith(`${path}.`))) {
      collect(value, `${path}.`, collector);
    } else if (!(isEmpty(value) && keys.some((key) => key.startsWith(`${path}.`)))) {
      throw unknownKey(path, `${collector.name}:${line}`, collector);
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

function unknownKey(path: string, where: string, { keys, within }: Collector): CliError {
  if (isKey(path) && within !== '' && !isPipelineKey(path))
    return new CliError('unknown-key', `Cannot set ${within}${path} (${where}): ${path} is no setting of a pipeline`);
  if (isKey(path))
    return new CliError('unknown-key', `Cannot set ${within}${path} in a file (${where}): it is a flag only`);
  const hint = didYouMean(path, within === '' ? [...keys, PIPELINES] : keys);
  const shown = quote(`${within}${path}`);
  return new CliError('unknown-key', `Cannot use the key ${shown} (${where}): there is no such setting${hint}`);
}
