import { formatSize } from '../config/index.js';
import type { Paint } from '../terminal.js';
import { printable } from '../terminal.js';
import { renderBars } from './bars.js';
import type { PipelinePlan } from './plan.js';

const TERM_WIDTH = 12;
/** More shards than this are shown by the fullest of them. */
const SHARDS_SHOWN = 16;
const LABEL_WIDTH = 24;

type Row = readonly [term: string, text: string];

/** A plan for people. */
export function renderPlan(plan: PipelinePlan, paint: Paint): string {
  const rows: readonly Row[] = [
    ['source', plan.source],
    ...(plan.proxy === undefined ? [] : [['  proxy', plan.proxy] as const]),
    ['filter', describeFilter(plan)],
    ['spool', describeSpool(plan.spool)],
    ['checkpoint', plan.checkpoint],
    ...(plan.deadLetters === undefined ? [] : [['dead letters', plan.deadLetters] as const]),
    ...plan.sinks.map(({ name, settings }) => [`→ ${name}`, describe(settings)] as const),
    ...renderS3(plan),
    ...renderSample(plan),
  ];
  const lines = rows.map(([term, text]) => `  ${paint('dim', term.padEnd(TERM_WIDTH))} ${printable(text)}`.trimEnd());
  const warnings = plan.warnings.map(({ code, message }) => {
    return `  ${paint('yellow', 'warning'.padEnd(TERM_WIDTH))} ${printable(message)} ${paint('dim', `[${code}]`)}`;
  });
  return `${[paint('bold', plan.name), ...lines, ...warnings].join('\n')}\n`;
}

/** What an event must be to be kept, and what becomes of it. */
function describeFilter({ types, match, changes }: Pick<PipelinePlan, 'types' | 'match' | 'changes'>): string {
  const rules = [...(types.length === 0 ? [] : [`types ${types.join(', ')}`]), ...match];
  return [...(rules.length === 0 ? ['every event'] : rules), ...changes].join('  ');
}

function describeSpool({ events, bytes, disk }: PipelinePlan['spool']): string {
  const inMemory = `${events.toLocaleString('en')} events, ${formatSize(bytes)} in memory`;
  return disk === undefined ? inMemory : `${inMemory}, ${formatSize(disk.bytes)} in ${disk.folder}`;
}

/** A sink that is only switched on has one setting, of no name. */
function describe(settings: Readonly<Record<string, unknown>>): string {
  return Object.entries(settings)
    .filter(([key]) => key !== '')
    .map(([key, value]) => `${key} ${Array.isArray(value) ? value.join(', ') : String(value)}`)
    .join('  ');
}

function renderS3({ s3 }: PipelinePlan): readonly Row[] {
  if (s3 === undefined) return [];
  return [
    ['  an object', s3.key],
    ['  manifest', s3.manifestKey],
    ['  errors', `${s3.errorPrefix}…`],
  ];
}

function renderSample({ sample, kinesis }: PipelinePlan): readonly Row[] {
  if (sample === undefined) return [];
  const { events, kept, canaries, repeats, largestBytes } = sample;
  const beside = `${canaries === 0 ? '' : `, ${canaries} canaries`}${repeats === 0 ? '' : `, ${repeats} repeats`}`;
  return [
    ['sample', `${events} events, ${kept} kept${beside}, the largest ${formatSize(largestBytes)}`],
    ...chart('  types', renderTypes(sample)),
    ...(kinesis === undefined || kept === 0 ? [] : chart('  shards', renderShards(kinesis, kept))),
  ];
}

/** The first line beside the term, the others below it. */
function chart(term: string, lines: readonly string[]): readonly Row[] {
  return lines.map((line, index) => [index === 0 ? term : '', line] as const);
}

/** One type alone is no picture. */
function renderTypes({ types, kept }: NonNullable<PipelinePlan['sample']>): readonly string[] {
  if (types.length < 2) return [];
  const bars = types.map(([type, value]) => ({ label: type.slice(0, LABEL_WIDTH), value }));
  return renderBars(bars, kept);
}

function renderShards(kinesis: NonNullable<PipelinePlan['kinesis']>, kept: number): readonly string[] {
  const { partitionKey, keys, topKey } = kinesis;
  const all = kinesis.shards.map((value, index) => ({ label: String(index + 1), value }));
  const isCut = all.length > SHARDS_SHOWN;
  const shown = isCut ? all.toSorted((a, b) => b.value - a.value).slice(0, SHARDS_SHOWN) : all;
  const top = topKey === undefined || topKey.events === 1 ? '' : `, most often ${topKey.key} (${topKey.events})`;
  return [
    `${all.length} by ${partitionKey}, ${keys.toLocaleString('en')} keys${top}${isCut ? '; the fullest:' : ''}`,
    ...renderBars(shown, kept),
  ];
}
