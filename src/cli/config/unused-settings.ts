import { where } from './contradiction.js';
import type { Origins } from './contradiction.js';
import { KEYS, settingOf } from './table.js';
import type { Key, Settings } from './table.js';

/** What each of these sinks cannot be without; the others are refused where it is missing. */
const SINKS: readonly (readonly [prefix: string, needed: Key])[] = [
  ['sink.file.', 'sink.file.dir'],
  ['sink.s3.', 'sink.s3.bucket'],
  ['sink.kinesis.', 'sink.kinesis.stream'],
  ['sink.firehose.', 'sink.firehose.stream'],
];

/**
 * One sentence for each setting of a sink that no pipeline has. It may be meant (a variable for many programs, a part of
 * a file that others share), but on a command line it is an option forgotten.
 */
export function unusedSettings(origins: Origins, pipelines: readonly Settings[]): readonly string[] {
  return KEYS.flatMap((key) => {
    const needed = SINKS.find(([prefix]) => key.startsWith(prefix))?.[1];
    if (needed === undefined || !origins.has(key) || settingOf(key).reach === 'flag') return [];
    if (pipelines.some((settings) => settings[needed] !== undefined)) return [];
    return [`The setting ${key}${where(origins, key)} is not used: there is no ${needed}`];
  });
}
