import { resolve } from 'node:path';
import { CliError } from '../errors.js';
import { contradiction, where } from './contradiction.js';
import type { Origins } from './contradiction.js';
import { findContradiction } from './contradictions.js';
import { withEnvironmentProxy } from './environment-proxy.js';
import type { PipelineBlock } from './file.js';
import type { Origin } from './origin.js';
import type { VerbName } from './setting.js';
import { isKey } from './table.js';
import type { Key, Settings } from './table.js';

/** One entry of `pipelines:` with what it has from the rest of the configuration. */
export interface PipelineSettings {
  readonly name: string;
  readonly settings: Settings;
  readonly origins: Origins;
}

export interface PipelineBase {
  readonly verb: VerbName;
  readonly settings: Settings;
  readonly origins: Origins;
  /** The values of each block, checked, by the pipeline's name. */
  readonly values: ReadonlyMap<string, ReadonlyMap<Key, unknown>>;
  /** Where a pipeline's proxy may be named. */
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly cwd: string;
}

/** One for all: each pipeline would find what another wrote. */
const OWN_KEYS: readonly Key[] = [
  'checkpoint.file',
  'checkpoint.s3.key',
  'checkpoint.redis.key',
  'deadLetter.file',
].filter(isKey);
/** What says which stream it is. */
const SOURCE = /^source\.(url|file|stdin|redis\.(stream|channel))$/;

/**
 * The settings of each pipeline of a file: what its block says, over what is said for all.
 * @throws CliError `contradiction`, `missing-value`: with the pipeline's name.
 */
export function resolvePipelines(blocks: readonly PipelineBlock[], base: PipelineBase): readonly PipelineSettings[] {
  const fault = refuseForAll(base, blocks[0]?.where ?? '');
  if (fault !== undefined) throw fault;
  const resolved = blocks.map((block) => resolveOne(block, base));
  for (const key of OWN_KEYS) refuseSharing(resolved, key, base.cwd);
  refuseTwoOnStdin(resolved);
  return resolved;
}

function resolveOne({ name, where: place, written }: PipelineBlock, base: PipelineBase): PipelineSettings {
  const own = Object.fromEntries(base.values.get(name) ?? []);
  const said: Settings = { ...base.settings, ...own, 'pipeline.name': name };
  const saidAt = new Map<Key, Origin>(base.origins);
  for (const [key, { origin }] of written) saidAt.set(key, origin);
  const { settings, origins } = withEnvironmentProxy({ settings: said, origins: saidAt }, base.env);
  const fault = findContradiction(base.verb, settings, origins);
  if (fault !== undefined) throw new CliError(fault.code, `${fault.message} (pipeline ${name}, ${place})`);
  return { name, settings, origins };
}

/** What was typed for one pipeline while the file has others, or can be only one's. */
function refuseForAll({ origins }: PipelineBase, place: string): CliError | undefined {
  for (const [key, origin] of origins) {
    const beside = `Cannot use ${key}${where(origins, key)} together with pipelines (${place})`;
    if (SOURCE.test(key) && origin.kind !== 'file') return contradiction(`${beside}: it would be that of all of them`);
    if (key === 'pipeline.name' || OWN_KEYS.includes(key)) return contradiction(`${beside}: each needs its own`);
  }
  return undefined;
}

/** What one reads the other would miss. */
function refuseTwoOnStdin(pipelines: readonly PipelineSettings[]): void {
  const [first, second] = pipelines.filter(({ settings }) => settings['source.stdin']);
  if (first === undefined || second === undefined) return;
  const key = 'source.stdin';
  throw contradiction(
    `Cannot use ${key}${where(second.origins, key)} for pipeline ${second.name}: ${first.name} reads standard input already`,
  );
}

function refuseSharing(pipelines: readonly PipelineSettings[], key: Key, cwd: string): void {
  const users = new Map<string, string>();
  for (const { name, settings, origins } of pipelines) {
    const value = settings[key];
    if (typeof value !== 'string') continue;
    const place = key.endsWith('.file') ? resolve(cwd, value) : value;
    const other = users.get(place);
    if (other !== undefined)
      throw contradiction(
        `Cannot use ${key}${where(origins, key)} for pipeline ${name}: it is that of ${other}, and each needs its own`,
      );
    users.set(place, name);
  }
}
