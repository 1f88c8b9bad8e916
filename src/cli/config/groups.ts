import type { Key } from './table.js';
import { settingOf } from './table.js';

export interface Group {
  readonly title: string;
  readonly keys: readonly Key[];
}

const TITLES: readonly (readonly [title: string, pattern: RegExp])[] = [
  ['HTTP', /^(http\.|auth$|insecure$)/],
  ['Access', /^auth\./],
  ['Webhooks', /^webhooks\./],
  ['Hub', /^(workers$|(node|hub|history|channel|limits)\.)/],
  ['Several machines', /^redis\./],
  ['Client', /^(url|token|tokenFile)$/],
  ['Source', /^(pipeline|source|dedupe|filter)\./],
  ['Spool, checkpoint and data', /^(spool|checkpoint|data)\./],
  ['Many pipelines', /^(health|metrics|leases)\./],
  ['Sinks', /^(sink\.|deadLetter\.|format$)/],
  ['Log and configuration', /^(log\.|config$|preset$)/],
];

/** `keys` under the headings that help and the reference give them; a verb's own flags come first. */
export function groupsOf(keys: readonly Key[]): readonly Group[] {
  const own = keys.filter((key) => settingOf(key).reach === 'flag');
  const groups = TITLES.map(([title, pattern]) => ({
    title,
    keys: keys.filter((key) => !own.includes(key) && pattern.test(key)),
  }));
  return [{ title: 'Options', keys: own }, ...groups].filter((group) => group.keys.length > 0);
}
