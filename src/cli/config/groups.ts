import type { Key } from './table.js';
import { settingOf } from './table.js';

export interface Group {
  readonly title: string;
  readonly keys: readonly Key[];
}

/** Of two patterns that match, the first one counts. */
const TITLES: readonly (readonly [title: string, pattern: RegExp])[] = [
  ['HTTP', /^(http\.|auth$|insecure$)/],
  ['Access', /^auth\./],
  ['Webhooks', /^webhooks\./],
  ['Hub', /^(workers$|(node|hub|history|channel|limits)\.)/],
  ['Several machines', /^redis\./],
  ['Client', /^(url|token|tokenFile)$/],
  ['Source', /^(pipeline\.|source\.(url|file|growing|stdin|format|idField|typeField|finite|maxEventBytes)$)/],
  ['Source in Redis', /^source\.redis\./],
  ['Source over HTTP', /^source\./],
  ['Filter', /^filter\./],
  ['Repeats', /^dedupe\./],
  ['Spool', /^spool\./],
  ['Checkpoint', /^(checkpoint|data)\./],
  ['Every sink', /^(deadLetter\.|format$)/],
  ['Sink: files', /^sink\.file\./],
  ['Sink: S3', /^sink\.s3\./],
  ['Sink: Kinesis', /^sink\.kinesis\./],
  ['Sink: Firehose', /^sink\.firehose\./],
  ['Sink: hub', /^sink\.hub\./],
  ['Sink: Redis', /^sink\.redis\./],
  ['Sink: HTTP', /^sink\.http\./],
  ['Sink: standard output', /^sink\.stdout$/],
  ['Operations', /^(health|metrics)\./],
  ['Leases', /^leases\./],
  ['Log and configuration', /^(log\.|config$|preset$)/],
];

/** `keys` under the headings that help and the reference give them; a verb's own flags come first. */
export function groupsOf(keys: readonly Key[]): readonly Group[] {
  const own = keys.filter((key) => settingOf(key).reach === 'flag');
  const titleOf = (key: Key): string | undefined => TITLES.find(([, pattern]) => pattern.test(key))?.[0];
  const groups = TITLES.map(([title]) => ({
    title,
    keys: keys.filter((key) => !own.includes(key) && titleOf(key) === title),
  }));
  return [{ title: 'Options', keys: own }, ...groups].filter((group) => group.keys.length > 0);
}
