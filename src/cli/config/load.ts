import { quote } from '../../protocol/index.js';
import { CliError } from '../errors.js';
import { findContradiction } from './contradictions.js';
import { withEnvironmentProxy } from './environment-proxy.js';
import { readConfigFile } from './file.js';
import type { PipelineBlock } from './file.js';
import { describeOrigin } from './origin.js';
import type { Origin, Written } from './origin.js';
import { resolvePipelines } from './pipelines.js';
import type { PipelineSettings } from './pipelines.js';
import { PRESETS } from './presets.js';
import type { PresetName } from './presets.js';
import type { VerbName } from './setting.js';
import { suggest } from './suggest.js';
import { defaultOf, KEYS, keysOf, settingOf, variableOf } from './table.js';
import type { Key, Settings } from './table.js';
import { unusedSettings } from './unused-settings.js';

export type Environment = Readonly<Record<string, string | undefined>>;

/** One flag of the command line, as it was typed. */
export interface GivenFlag {
  readonly key: Key;
  /** With its dashes. */
  readonly flag: string;
  readonly value: string;
}

export interface LoadOptions {
  readonly verb: VerbName;
  readonly flags: readonly GivenFlag[];
  readonly env: Environment;
  /** The folder that `tidegate.yaml` is looked for in. */
  readonly cwd: string;
}

export interface Loaded {
  readonly settings: Settings;
  /** Where each value that is no default was written. */
  readonly origins: ReadonlyMap<Key, Origin>;
  /** Those of the file, for verbs that run pipelines; undefined where the settings above say the only one. */
  readonly pipelines: readonly PipelineSettings[] | undefined;
  /** One sentence each: things that are allowed but hardly meant. */
  readonly warnings: readonly string[];
}

/** The process's variables; nothing else in Tidegate reads them. */
export function processEnvironment(): Environment {
  return process.env;
}

/**
 * The settings of `verb`: flag over variable over file over default.
 * @throws CliError `bad-value`, `unknown-key`, `contradiction`, `missing-value`, `unreadable-file`.
 */
export function loadSettings({ verb, flags, env, cwd }: LoadOptions): Loaded {
  const own = new Set(keysOf(verb));
  const byFlag = readFlags(flags);
  const { written: inFile, pipelines: blocks } = readConfigFile(cwd, configPath(byFlag, env));
  // The whole file is checked: a mistake in it must not wait for the verb that it concerns.
  const fromFile = checkAll(inFile);
  const ofPipelines = new Map((blocks ?? []).map(({ name, written }) => [name, checkAll(written)]));
  const values: Partial<Record<Key, unknown>> = {};
  const origins = new Map<Key, Origin>();
  const writtenFor = (key: Key): Written | undefined =>
    own.has(key) ? (byFlag.get(key) ?? readVariable(key, env)) : undefined;
  const preset = presetOf(own.has('preset') ? (writtenFor('preset') ?? inFile.get('preset')) : undefined);
  for (const key of KEYS) {
    const written = writtenFor(key);
    const origin = written?.origin ?? inFile.get(key)?.origin;
    values[key] =
      written === undefined ? (fromFile.get(key) ?? preset[key] ?? defaultOf(key, verb)) : check(key, written);
    if (origin !== undefined) origins.set(key, origin);
  }
  const settings = values as unknown as Settings;
  const suspects = suspectVariables(env);
  if (runsPipelines(verb) && blocks !== undefined) {
    const base = { verb, settings, origins, values: ofPipelines, env, cwd };
    const pipelines = resolvePipelines(blocks, base);
    const all = pipelines.map((pipeline) => pipeline.settings);
    return { settings, origins, pipelines, warnings: [...suspects, ...unusedSettings(origins, all)] };
  }
  const alone = runsPipelines(verb) ? withEnvironmentProxy({ settings, origins }, env) : { settings, origins };
  const contradiction = findContradiction(verb, alone.settings, alone.origins);
  if (contradiction !== undefined) throw contradiction;
  const unused = runsPipelines(verb) ? unusedSettings(origins, [settings]) : [];
  return { ...alone, pipelines: undefined, warnings: [...suspects, ...unused] };
}

function runsPipelines(verb: VerbName): boolean {
  return verb === 'ingest' || verb === 'plan';
}

function checkAll(written: PipelineBlock['written']): ReadonlyMap<Key, unknown> {
  return new Map([...written].map(([key, value]) => [key, check(key, value)]));
}

function presetOf(written: Written | undefined): Partial<Settings> {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the table has checked it
  return written === undefined ? {} : PRESETS[check('preset', written) as PresetName];
}

function configPath(flags: ReadonlyMap<Key, Written>, env: Environment): string | undefined {
  const written = flags.get('config') ?? readVariable('config', env);
  return written === undefined ? undefined : String(check('config', written));
}

/** Of a flag given twice the last counts, as everywhere; a list takes them all. */
function readFlags(flags: readonly GivenFlag[]): ReadonlyMap<Key, Written> {
  const written = new Map<Key, Written>();
  for (const { key, flag, value } of flags) {
    const before = settingOf(key).type === 'list' ? written.get(key)?.raw : undefined;
    const raw = Array.isArray(before) ? [...(before as readonly unknown[]), value] : [value];
    written.set(key, {
      raw: settingOf(key).type === 'list' ? raw : value,
      origin: { kind: 'flag', name: flag },
    });
  }
  return written;
}

/** An empty variable counts as not set: that is how compose files leave one out. */
function readVariable(key: Key, env: Environment): Written | undefined {
  const { reach, legacy = [] } = settingOf(key);
  if (reach === 'flag') return undefined;
  for (const { name, translate } of [{ name: variableOf(key), translate: undefined }, ...legacy]) {
    const text = env[name];
    if (text === undefined || text === '') continue;
    return { raw: translate === undefined ? text : translate(text, env), origin: { kind: 'variable', name } };
  }
  return undefined;
}

function check(key: Key, { raw, origin }: Written): unknown {
  const { schema, expected, isSecret } = settingOf(key);
  const result = schema.safeParse(raw);
  if (result.success) return result.data;
  const shown = isSecret === true ? 'this value' : quoteRaw(raw);
  throw new CliError('bad-value', `Cannot use ${shown} for ${key} (${describeOrigin(origin)}): it must be ${expected}`);
}

function quoteRaw(raw: unknown): string {
  const value: unknown = Array.isArray(raw) ? raw.join(',') : raw;
  return quote(typeof value === 'string' ? value : JSON.stringify(value));
}

/** A service that is called tidegate. */
const OF_KUBERNETES = /_SERVICE_(HOST|PORT)/;

/** Kubernetes sets variables for every service, so an unknown one is no error; a near miss is worth a word. */
function suspectVariables(env: Environment): readonly string[] {
  const known = KEYS.filter((key) => settingOf(key).reach !== 'flag').map(variableOf);
  return Object.keys(env)
    .filter((name) => name.startsWith('TIDEGATE_') && !known.includes(name) && !OF_KUBERNETES.test(name))
    .flatMap((name) => {
      const meant = suggest(
        name.slice('TIDEGATE_'.length),
        known.map((variable) => variable.slice('TIDEGATE_'.length)),
      );
      return meant === undefined ? [] : [`The variable ${name} is not used; did you mean TIDEGATE_${meant}?`];
    });
}
