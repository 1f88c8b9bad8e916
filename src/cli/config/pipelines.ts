import { resolve } from 'node:path';
import { CliError } from '../errors.js';
import { contradiction, where } from './contradiction.js';
import type { Origins } from './contradiction.js';
import { findContradiction } from './contradictions.js';
import type { PipelineBlock } from './file.js';
import type { Origin } from './origin.js';
import type { VerbName } from './setting.js';
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
  readonly cwd: string;
}

/** One file for all: each pipeline would find what another wrote. */
const SHARED_FILES = ['checkpoint.file', 'deadLetter.file'] as const;

/**
 * The settings of each pipeline of a file: what its block says, over what is said for all.
 * @throws CliError `contradiction`, `missing-value`: with the pipeline's name.
 */
export function resolvePipelines(blocks: readonly PipelineBlock[], base: PipelineBase): readonly PipelineSettings[] {
  const fault = refuseForAll(base, blocks[0]?.where ?? '');
  if (fault !== undefined) throw fault;
  const resolved = blocks.map((block) => resolveOne(block, base));
  for (const key of SHARED_FILES) refuseSharing(resolved, key, base.cwd);
  return resolved;
}

function resolveOne({ name, where: place, written }: PipelineBlock, base: PipelineBase): PipelineSettings {
  const own = Object.fromEntries(base.values.get(name) ?? []);
  const settings: Settings = { ...base.settings, ...own, 'pipeline.name': name };
  const origins = new Map<Key, Origin>(base.origins);
  for (const [key, { origin }] of written) origins.set(key, origin);
  const fault = findContradiction(base.verb, settings, origins);
  if (fault !== undefined) throw new CliError(fault.code, `${fault.message} (pipeline ${name}, ${place})`);
  return { name, settings, origins };
}

/** What was typed for one pipeline while the file has others. */
function refuseForAll({ origins }: PipelineBase, place: string): CliError | undefined {
  for (const key of ['source.url', 'pipeline.name'] as const) {
    if (origins.has(key) && origins.get(key)?.kind !== 'file')
      return contradiction(
        `Cannot use ${key}${where(origins, key)} together with pipelines (${place}): it would be that of all of them`,
      );
  }
  for (const key of [...SHARED_FILES, 'pipeline.name'] as const) {
    if (origins.has(key))
      return contradiction(
        `Cannot use ${key}${where(origins, key)} together with pipelines (${place}): each needs its own`,
      );
  }
  return undefined;
}

function refuseSharing(pipelines: readonly PipelineSettings[], key: (typeof SHARED_FILES)[number], cwd: string): void {
  const users = new Map<string, string>();
  for (const { name, settings, origins } of pipelines) {
    const file = settings[key];
    if (file === undefined) continue;
    const other = users.get(resolve(cwd, file));
    if (other !== undefined)
      throw contradiction(
        `Cannot use ${key}${where(origins, key)} for pipeline ${name}: it is that of ${other}, and each needs its own`,
      );
    users.set(resolve(cwd, file), name);
  }
}
