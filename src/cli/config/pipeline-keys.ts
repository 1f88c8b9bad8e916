import { quote } from '../../protocol/index.js';
import { CliError } from '../errors.js';
import { KEYS, settingOf } from './table.js';
import type { Key } from './table.js';

/** More in one file is no configuration that somebody wrote. */
export const PIPELINES_MAX = 1000;

/** Settings of `ingest` that concern its process and not one of its pipelines. */
const OF_PROCESS = /^(pipeline\.name|config|metrics\.|leases\.|log\.)/;

/** Whether an entry of `pipelines:` may set it. */
export function isPipelineKey(key: Key): boolean {
  const { verbs, reach } = settingOf(key);
  return reach === 'all' && verbs.includes('ingest') && !OF_PROCESS.test(key);
}

/** What an entry of `pipelines:` may set. */
export const PIPELINE_KEYS: readonly Key[] = KEYS.filter(isPipelineKey);

/** What `ingest` reads once, when it starts. */
export const PROCESS_KEYS: readonly Key[] = KEYS.filter(
  (key) => settingOf(key).verbs.includes('ingest') && OF_PROCESS.test(key) && key !== 'pipeline.name',
);

/** @throws CliError `bad-value`: `name` cannot be a pipeline's, which is in file names. */
export function checkPipelineName(name: string, where: string): void {
  const { schema, expected } = settingOf('pipeline.name');
  if (schema.safeParse(name).success) return;
  throw new CliError('bad-value', `Cannot name a pipeline ${quote(name)} (${where}): it must be ${expected}`);
}
