import { spawn } from 'node:child_process';
import type { ChildProcess } from 'node:child_process';
import { readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as pause } from 'node:timers/promises';

import { freePort } from '../test/support/free-port.js';
import { createTemporaryFolder } from '../test/support/temporary-folder.js';
import type { IngestTargetOptions } from './ingest-target.js';
import type { Load } from './load.js';
import { cpuSeconds, residentBytes } from './process-usage.js';
import type { ServerName } from './servers.js';

const EVENT_BYTES = 400;
const WARM_UP_MS = 3000;
const LOOK_MS = 500;
const MANY_EVENTS = 10_000_000;
// The SDK warns of Node 20, on every line of the progress.
const ENV = {
  NODE_NO_WARNINGS: '1',
  AWS_ACCESS_KEY_ID: 'bench',
  AWS_SECRET_ACCESS_KEY: 'bench',
  AWS_REGION: 'eu-west-1',
};

interface Destination {
  readonly what: string;
  readonly service?: IngestTargetOptions['service'];
  readonly flags: (endpoint: string) => readonly string[];
}

const s3 = (endpoint: string): readonly string[] => ['--sink.s3.bucket', 'bucket', '--sink.s3.endpoint', endpoint];

const FILE: Destination = { what: 'a file', flags: () => ['--sink.file.dir', 'archive'] };
const KINESIS: Destination = {
  what: 'Kinesis (a fake)',
  service: 'kinesis',
  flags: (endpoint) => ['--sink.kinesis.stream', 'events', '--sink.kinesis.endpoint', endpoint],
};
const S3: Destination = { what: 'S3 (a fake), gzipped NDJSON', service: 's3', flags: s3 };
const PARQUET: Destination = {
  what: 'S3 (a fake), Parquet',
  service: 's3',
  flags: (endpoint) => [...s3(endpoint), '--sink.s3.format', 'parquet'],
};

/** A program that reads the source and writes somewhere; `written` says how many events so far. */
interface Running extends AsyncDisposable {
  readonly pid: number;
  written(): Promise<number>;
}

interface Stage extends AsyncDisposable {
  readonly ingest: Running;
  readonly folder: string;
}

/** Source, destination and ingest, each in a process of its own. */
async function setStage(server: ServerName, { service, flags }: Destination): Promise<Stage> {
  const started: AsyncDisposable[] = [];
  const stop = async (): Promise<void> => {
    for (const one of started.splice(0).toReversed()) await one[Symbol.asyncDispose]();
  };
  try {
    const folder = await createTemporaryFolder();
    started.push(folder);
    const source = await startPrinting('ingest-source.ts', { eventBytes: EVENT_BYTES });
    started.push(source);
    const target = service === undefined ? undefined : await startPrinting('ingest-target.ts', { service });
    if (target !== undefined) started.push(target);
    const endpoint = target?.line ?? '';
    const ingest =
      server === 'naive'
        ? startNaive(source.line, endpoint)
        : await startIngest(source.line, flags(endpoint), folder.path);
    started.push(ingest);
    return { ingest, folder: folder.path, [Symbol.asyncDispose]: stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** Resolves with the first line that a program of this folder prints. */
async function startPrinting(file: string, options: object): Promise<AsyncDisposable & { readonly line: string }> {
  const args = ['--import', 'tsx', join('bench', file), JSON.stringify(options)];
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  const line = await new Promise<string>((resolve) => createInterface(child.stdout).once('line', resolve));
  return { line, [Symbol.asyncDispose]: () => end(child) };
}

async function startIngest(url: string, flags: readonly string[], cwd: string): Promise<Running> {
  const port = await freePort();
  const args = [join(process.cwd(), 'dist/cli/main.js'), 'ingest', '--url', url, '--metrics.port', String(port)];
  const env = { ...process.env, ...ENV };
  const child = spawn(process.execPath, [...args, ...flags], { cwd, env, stdio: ['ignore', 'ignore', 'inherit'] });
  return {
    pid: child.pid ?? 0,
    async written() {
      const text = await fetch(`http://127.0.0.1:${port}/metrics`).then((answer) => answer.text());
      return Number(/^tidegate_ingest_sink_events_total\{.*\} (\d+)$/m.exec(text)?.[1] ?? 0);
    },
    [Symbol.asyncDispose]: () => end(child),
  };
}

function startNaive(url: string, endpoint: string): Running {
  const env = { ...process.env, ...ENV };
  const args = ['bench/servers/naive-ingest.mjs', url, endpoint];
  const child = spawn(process.execPath, args, { env, stdio: ['pipe', 'pipe', 'inherit'] });
  const lines = createInterface(child.stdout);
  return {
    pid: child.pid ?? 0,
    async written() {
      const answer = new Promise<string>((resolve) => lines.once('line', resolve));
      child.stdin.write('count\n');
      return Number(await answer);
    },
    [Symbol.asyncDispose]: () => end(child),
  };
}

/** None of them has anything to finish. */
async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exited = new Promise((resolve) => child.once('exit', resolve));
  child.kill('SIGKILL');
  await exited;
}

function flow(destination: Destination, servers: readonly ServerName[] = ['tidegate']): Load {
  return {
    name: `ingest: from SSE, ${EVENT_BYTES}-byte events, to ${destination.what}`,
    servers,
    compared: 'eventsPerCpuSecond',
    isMoreBetter: true,
    async measure(server, { seconds }) {
      await using stage = await setStage(server, destination);
      const { ingest, folder } = stage;
      await pause(WARM_UP_MS);
      const [eventsBefore, cpuBefore, startedMs] = [
        await ingest.written(),
        cpuSeconds([ingest.pid]),
        performance.now(),
      ];
      for (let looks = (seconds * 1000) / LOOK_MS; looks > 0; looks -= 1) {
        await pause(LOOK_MS);
        await removeSealed(folder);
      }
      const events = (await ingest.written()) - eventsBefore;
      const [cpu, elapsedMs] = [cpuSeconds([ingest.pid]) - cpuBefore, performance.now() - startedMs];
      return {
        eventsPerCpuSecond: events / cpu,
        eventsPerSecond: (events * 1000) / elapsedMs,
        cores: (cpu * 1000) / elapsedMs,
        residentMegabytes: residentBytes([ingest.pid]) / 1e6,
      };
    },
  };
}

const flat: Load = {
  name: `ingest: memory over ${MANY_EVENTS} events to a file`,
  servers: ['tidegate'],
  compared: 'grownMegabytes',
  isMoreBetter: false,
  async measure() {
    await using stage = await setStage('tidegate', FILE);
    const { ingest, folder } = stage;
    const until = async (events: number): Promise<number> => {
      let most = 0;
      do {
        await pause(LOOK_MS);
        await removeSealed(folder);
        most = Math.max(most, residentBytes([ingest.pid]));
      } while ((await ingest.written()) < events);
      return most;
    };
    const first = await until(MANY_EVENTS / 5);
    const rest = await until(MANY_EVENTS);
    return {
      mostMegabytesOfFirstFifth: first / 1e6,
      mostMegabytesOfRest: rest / 1e6,
      grownMegabytes: (rest - first) / 1e6,
    };
  },
};

/** Files that are whole are not looked at, and would fill the disk. */
async function removeSealed(folder: string): Promise<void> {
  const archive = join(folder, 'archive');
  const names = await readdir(archive).catch(() => []);
  for (const name of names.toSorted((a, b) => (a < b ? -1 : 1)).slice(0, -1))
    if (name.endsWith('.ndjson')) await rm(join(archive, name));
}

/** From a server on the same machine into what a data team keeps. */
export const INGEST_LOADS: readonly Load[] = [
  flow(FILE),
  flow(KINESIS, ['tidegate', 'naive']),
  flow(S3),
  flow(PARQUET),
  flat,
];
