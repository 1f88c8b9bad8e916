import { formatSize } from '../config/index.js';
import type { Paint } from '../terminal.js';
import { printable } from '../terminal.js';
import type { PipelinePlan } from './plan.js';

const TERM_WIDTH = 12;

/** A plan for people. */
export function renderPlan(plan: PipelinePlan, paint: Paint): string {
  const rows: readonly (readonly [string, string])[] = [
    ['source', plan.source],
    ...(plan.proxy === undefined ? [] : [['  proxy', plan.proxy] as const]),
    ['filter', describeFilter(plan)],
    ['spool', `${plan.spool.events.toLocaleString('en')} events, ${formatSize(plan.spool.bytes)}`],
    ['checkpoint', plan.checkpoint],
    ...plan.sinks.map(({ name, settings }) => [`→ ${name}`, describe(settings)] as const),
    ...renderS3(plan),
    ...renderSample(plan),
  ];
  const lines = rows.map(([term, text]) => `  ${paint('dim', term.padEnd(TERM_WIDTH))} ${printable(text)}`);
  const warnings = plan.warnings.map(({ code, message }) => {
    return `  ${paint('yellow', 'warning'.padEnd(TERM_WIDTH))} ${printable(message)} ${paint('dim', `[${code}]`)}`;
  });
  return `${[paint('bold', plan.name), ...lines, ...warnings].join('\n')}\n`;
}

/** What an event must be to be kept. */
function describeFilter({ types, match }: Pick<PipelinePlan, 'types' | 'match'>): string {
  const rules = [...(types.length === 0 ? [] : [`types ${types.join(', ')}`]), ...match];
  return rules.length === 0 ? 'every event' : rules.join('  ');
}

function describe(settings: Readonly<Record<string, unknown>>): string {
  return Object.entries(settings)
    .map(([key, value]) => `${key} ${Array.isArray(value) ? value.join(', ') : String(value)}`)
    .join('  ');
}

function renderS3({ s3 }: PipelinePlan): readonly (readonly [string, string])[] {
  if (s3 === undefined) return [];
  return [
    ['  an object', s3.key],
    ['  manifest', s3.manifestKey],
    ['  errors', `${s3.errorPrefix}…`],
  ];
}

function renderSample({ sample, kinesis }: PipelinePlan): readonly (readonly [string, string])[] {
  if (sample === undefined) return [];
  const { events, kept, canaries, repeats, largestBytes } = sample;
  const beside = `${canaries === 0 ? '' : `, ${canaries} canaries`}${repeats === 0 ? '' : `, ${repeats} repeats`}`;
  const rows: (readonly [string, string])[] = [
    ['sample', `${events} events, ${kept} kept${beside}, the largest ${formatSize(largestBytes)}`],
  ];
  if (kinesis !== undefined && kept > 0) {
    const parts = kinesis.shards.map((count) => `${Math.round((count / kept) * 100)} %`);
    rows.push(['  shards', `${parts.join('  ')} by ${kinesis.partitionKey}, ${kinesis.keys} keys`]);
  }
  return rows;
}
