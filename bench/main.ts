// `npm run bench`: every load on every server, in turn, several rounds; one table and one file of results.
//   npm run bench -- --rounds 5 --seconds 5 --only '^1000 subscribers' --tools ../my-c-tools
import { mkdir, writeFile } from 'node:fs/promises';
import { cpus } from 'node:os';
import { parseArgs } from 'node:util';

import { compileTools } from './c-tools.js';
import type { Figures, Load } from './load.js';
import { LOADS } from './measures.js';

import { compareWith, hasNchan, withBefore } from './servers.js';
import type { ServerName } from './servers.js';

const USAGE = `npm run bench -- [options]

  --rounds N      of each load on each server, in turn (default 5)
  --seconds N     that a load is looked at (default 5)
  --only PATTERN  loads whose name fits this regular expression (default all)
  --servers PATTERN  of them the servers whose name fits (default all)
  --before FOLDER measures the build of another checkout too, in turn with this one
  --tools FOLDER  fan-out is measured by sseload.c and ssepub.c of that folder
  --help          shows this, and the loads`;

function readOptions(): ReturnType<typeof parse> {
  try {
    return parse();
  } catch (error) {
    console.error(`${error instanceof Error ? error.message : String(error)}\n\n${USAGE}`);
    process.exit(2);
  }
}

function parse(): {
  rounds: string;
  seconds: string;
  only: string;
  servers: string;
  before?: string;
  tools?: string;
  help?: boolean;
} {
  return parseArgs({
    options: {
      rounds: { type: 'string', default: '5' },
      seconds: { type: 'string', default: '5' },
      only: { type: 'string', default: '' },
      servers: { type: 'string', default: '' },
      before: { type: 'string' },
      tools: { type: 'string' },
      help: { type: 'boolean' },
    },
  }).values;
}

const values = readOptions();
if (values.help === true) {
  console.log([USAGE, '', ...LOADS.map(({ name }) => `  ${name}`)].join('\n'));
  process.exit();
}
const rounds = Number(values.rounds);
const seconds = Number(values.seconds);
if (values.before !== undefined) compareWith(values.before);
const tools = values.tools === undefined ? undefined : compileTools(values.tools);

interface Row {
  readonly load: string;
  readonly server: ServerName;
  /** Of each figure: the median, the smallest and the largest over the rounds. */
  readonly figures: Readonly<Record<string, readonly [median: number, low: number, high: number]>>;
}

function summarize(runs: readonly Figures[]): Row['figures'] {
  const names = Object.keys(runs[0] ?? {});
  return Object.fromEntries(
    names.map((name) => {
      const sorted = runs.map((run) => run[name] ?? Number.NaN).toSorted((a, b) => a - b);
      return [
        name,
        [
          sorted[Math.floor(sorted.length / 2)] ?? Number.NaN,
          sorted[0] ?? Number.NaN,
          sorted.at(-1) ?? Number.NaN,
        ] as const,
      ];
    }),
  );
}

/** The rounds interleaved, A B C A B C …, so that a machine whose speed drifts is fair to all. */
async function measure(load: Load): Promise<readonly Row[]> {
  const fits = new RegExp(values.servers);
  const servers = withBefore(load.servers).filter((name) => fits.test(name) && (name !== 'nchan' || hasNchan));
  const runs = new Map<ServerName, Figures[]>(servers.map((server) => [server, []]));
  for (let round = 0; round < rounds; round += 1) {
    for (const server of servers) {
      process.stderr.write(`\r\u001B[K${load.name}: ${server}, round ${round + 1} of ${rounds}`);
      runs.get(server)?.push(await load.measure(server, { seconds, tools }));
    }
  }
  process.stderr.write('\r\u001B[K');
  return [...runs].map(([server, figures]) => ({ load: load.name, server, figures: summarize(figures) }));
}

const shown = (value: number): string =>
  Math.abs(value) >= 1000 ? Math.round(value).toLocaleString('en') : value.toPrecision(3);

function print(load: Load, rows: readonly Row[]): void {
  console.log(`\n${load.name}`);
  const figureOf = (name: string): number =>
    rows.find(({ server }) => server === name)?.figures[load.compared]?.[0] ?? Number.NaN;
  for (const { server, figures } of rows) {
    const compared = server.startsWith('before: ') ? server.slice('before: '.length) : 'tidegate';
    const [ours, theirs] = [figureOf(compared), figureOf(server)];
    const ratio = load.isMoreBetter ? ours / theirs : theirs / ours;
    const times = server === 'tidegate' ? '' : `  ${compared} is ${ratio.toFixed(2)} x ${load.compared}`;
    console.log(`  ${server}${times}`);
    for (const [name, [median, low, high]] of Object.entries(figures))
      console.log(`    ${name.padEnd(24)} ${shown(median).padStart(12)}   (${shown(low)} … ${shown(high)})`);
  }
}

const loads = LOADS.filter(({ name }) => new RegExp(values.only).test(name));
if (loads.length === 0)
  throw new Error(`No load's name fits "${values.only}"; there are: ${LOADS.map(({ name }) => name).join(' | ')}`);
const results: Row[] = [];
const startedAt = new Date().toISOString();
const generator = tools === undefined ? 'bench/load-generator.ts' : 'sseload and ssepub (C)';
const machine = { cpu: cpus()[0]?.model, cores: cpus().length, node: process.version };
await mkdir('bench/results', { recursive: true });
const file = `bench/results/${startedAt.slice(0, 19).replaceAll(':', '')}.json`;
for (const load of loads) {
  const rows = await measure(load);
  print(load, rows);
  results.push(...rows);
  // Each time: a load that fails takes none with it that was measured.
  await writeFile(file, `${JSON.stringify({ startedAt, rounds, seconds, generator, machine, results }, null, 2)}\n`);
}
console.log(`\nWritten to ${file}`);
