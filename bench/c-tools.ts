import { execFileSync, spawn } from 'node:child_process';
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import type { LoadOptions, LoadResult } from './load-generator.js';
import type { PublisherOptions } from './publisher.js';

/** A load generator and a publisher in C, to check our own against: `--tools FOLDER`, where their sources are. */
export interface CTools {
  load(options: LoadOptions): Promise<LoadResult>;
  /** Publishes until it is disposed of, or `seconds` are over. */
  publish(options: PublisherOptions): Disposable;
}

/** @throws Error where there is no C compiler, or no `sseload.c` and `ssepub.c` in `folder`. */
export function compileTools(folder: string): CTools {
  const target = mkdtempSync(join(tmpdir(), 'tidegate-bench-'));
  const [sseload = '', ssepub = ''] = ['sseload', 'ssepub'].map((name) => {
    const program = join(target, name);
    execFileSync('cc', ['-O2', '-w', '-o', program, join(folder, `${name}.c`)]);
    return program;
  });
  return {
    async load({ url, connections, seconds, serverPids }) {
      const { hostname, port, pathname, search } = new URL(url);
      const args = [hostname, port, pathname + search, connections, seconds, ...serverPids];
      return readResult(await run(sseload, args));
    },
    publish({ url, eventsPerSecond, seconds, eventBytes }) {
      const { hostname, port, pathname, search } = new URL(url);
      const args = [hostname, port, pathname + search, eventsPerSecond, seconds, eventBytes];
      const child = spawn(ssepub, args.map(String), { stdio: 'ignore' });
      return { [Symbol.dispose]: () => void child.kill('SIGKILL') };
    },
  };
}

/** What the program wrote, both ways. */
async function run(program: string, args: readonly (string | number)[]): Promise<string> {
  const child = spawn(program, args.map(String), { stdio: ['ignore', 'pipe', 'pipe'] });
  let text = '';
  child.stdout.on('data', (chunk: Buffer) => (text += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (text += chunk.toString()));
  await new Promise((resolve) => child.once('close', resolve));
  return text;
}

function readResult(text: string): LoadResult {
  const read = (pattern: RegExp): number => Number(pattern.exec(text)?.[1] ?? Number.NaN);
  return {
    connections: read(/connected (\d+)/),
    refused: read(/refused (\d+)/),
    closed: read(/closed=(\d+)/),
    eventsPerSecond: read(/events\/s=(\d+)/),
    bytesPerSecond: read(/MB\/s=([\d.]+)/) * 1e6,
    eventsPerRead: read(/ev\/read=([\d.]+)/),
    serverCores: read(/serverCPU=([\d.]+)/),
    deliveriesPerCpuSecond: read(/deliveries\/cpu-s=(\d+)/),
    latencyMs: { p50: read(/p50=([\d.]+)/), p99: read(/p99=([\d.]+)/), max: read(/max=([\d.]+)/) },
    perConnection: [read(/per connection (\d+)/), read(/per connection \d+\.\.(\d+)/)],
    bytesPerConnection: read(/([\d.]+) KB\/conn/) * 1024,
    answeredMs: read(/answered after ([\d.]+) s/) * 1000,
  };
}
