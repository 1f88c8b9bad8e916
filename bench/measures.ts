import { hasRedis } from '../test/support/redis-server.js';
import type { CTools } from './c-tools.js';
import { PUBLISHING_SECONDS_MAX } from './load.js';
import { backfill } from './gzip-backfill.js';
import { INGEST_LOADS } from './ingest-loads.js';
import type { Figures, Load, MeasureOptions } from './load.js';
import type { LoadOptions, LoadResult } from './load-generator.js';
import { cpuSeconds, residentBytes } from './process-usage.js';
import type { PublisherOptions, PublisherResult } from './publisher.js';
import { REDIS_LOADS } from './redis-loads.js';
import { runProgram, startProgram } from './run-program.js';
import { startServer } from './servers.js';
import type { BenchServer, ServerName } from './servers.js';
import { stuck } from './stuck-subscribers.js';

const EVENT_BYTES = 200;
const REQUESTS_AT_ONCE = 4;
const ALL: readonly ServerName[] = ['tidegate', 'nchan', 'naive'];
const WIRES: readonly ServerName[] = ['tidegate', 'tidegate over TLS', 'tidegate over HTTP/2'];
const WORKERS: readonly ServerName[] = ['tidegate', 'tidegate --workers 2'];

const pause = (delayMs: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, delayMs));

interface FanOut {
  readonly connections: number;
  readonly eventsPerSecond: number;
  readonly eventBytes: number;
}

function fanOut(connections: number, eventsPerSecond: number, servers: readonly ServerName[]): Load {
  return {
    name: `${connections} subscribers x ${eventsPerSecond} events/s`,
    servers,
    compared: 'deliveriesPerCpuSecond',
    isMoreBetter: true,
    measure: (name, options) => measureFanOut(name, { connections, eventsPerSecond, eventBytes: EVENT_BYTES }, options),
  };
}

async function measureFanOut(
  name: ServerName,
  { connections, eventsPerSecond, eventBytes }: FanOut,
  { seconds, tools }: MeasureOptions,
): Promise<Figures> {
  await using server = await startServer(name);
  const usable = server.wire === 'http' && !server.isGzip ? tools : undefined;
  // From before the first subscriber until after the last look.
  using _publisher = startPublisher(server, { eventsPerSecond, eventBytes, seconds: PUBLISHING_SECONDS_MAX }, usable);
  const result = await runLoad(server, { connections, seconds }, usable);
  const [fewest, most] = result.perConnection;
  return {
    deliveriesPerCpuSecond: result.deliveriesPerCpuSecond,
    deliveriesPerSecond: result.eventsPerSecond,
    serverCores: result.serverCores,
    eventsPerRead: result.eventsPerRead,
    bytesPerDelivery: result.bytesPerSecond / result.eventsPerSecond,
    p50Ms: result.latencyMs.p50,
    p99Ms: result.latencyMs.p99,
    fewestPart: fewest / (eventsPerSecond * seconds),
    mostPart: most / (eventsPerSecond * seconds),
    lostConnections: result.refused + result.closed,
  };
}

function startPublisher(
  server: BenchServer,
  options: Omit<PublisherOptions, 'url'>,
  tools: CTools | undefined,
): Disposable {
  const publishing = { ...options, url: server.publishUrl };
  return tools ? tools.publish(publishing) : startProgram('publisher.ts', publishing);
}

function runLoad(
  { subscribeUrl, pids, wire, isGzip }: BenchServer,
  options: Pick<LoadOptions, 'connections' | 'seconds'>,
  tools: CTools | undefined,
): Promise<LoadResult> {
  const loading = { ...options, url: subscribeUrl, serverPids: pids, wire, isGzip };
  return tools ? tools.load(loading) : runProgram<LoadResult>('load-generator.ts', loading);
}

/** Whether the work of compressing is shared: CPU time per delivery must not grow with those who ask for it. */
const gzip: Load = {
  name: 'gzip, 2000-byte events, 100 and 1000 subscribers x 50 events/s',
  servers: ['tidegate with gzip', 'tidegate'],
  compared: 'cpuMicrosecondsOf1000',
  isMoreBetter: false,
  async measure(name, options) {
    const fan = { eventsPerSecond: 50, eventBytes: 2000 };
    const few = await measureFanOut(name, { ...fan, connections: 100 }, options);
    const many = await measureFanOut(name, { ...fan, connections: 1000 }, options);
    return {
      cpuMicrosecondsOf100: 1e6 / (few['deliveriesPerCpuSecond'] ?? Number.NaN),
      cpuMicrosecondsOf1000: 1e6 / (many['deliveriesPerCpuSecond'] ?? Number.NaN),
      bytesPerDelivery: many['bytesPerDelivery'] ?? Number.NaN,
      p99MsOf1000: many['p99Ms'] ?? Number.NaN,
    };
  },
};

const idle: Load = {
  name: '10000 idle subscribers',
  servers: ALL,
  compared: 'bytesEach',
  isMoreBetter: false,
  async measure(name) {
    const connections = 10_000;
    await using server = await startServer(name);
    const collect = (): void => {
      if (name.endsWith('tidegate')) for (const pid of server.pids) process.kill(pid, 'SIGUSR2');
    };
    const before = residentBytes(server.pids);
    const holding = runProgram<LoadResult>('load-generator.ts', {
      url: server.subscribeUrl,
      connections,
      seconds: 4,
      serverPids: server.pids,
    });
    await pause(5000);
    collect();
    await pause(1000);
    const bytesEach = (residentBytes(server.pids) - before) / connections;
    return { bytesEach, lostConnections: (await holding).refused };
  },
};

const burst: Load = {
  name: '9000 connect at once, each resuming 100 events back',
  servers: ['tidegate'],
  compared: 'answeredMs',
  isMoreBetter: false,
  async measure(name) {
    await using server = await startServer(name);
    for (let at = 0; at < 200; at += 1)
      await fetch(server.publishUrl, { method: 'POST', body: `{"t":1,"p":"${'x'.repeat(EVENT_BYTES)}"}` });
    const load = {
      url: `${server.subscribeUrl}?last=100`,
      connections: 9000,
      seconds: 1,
      serverPids: server.pids,
      isBurst: true,
    };
    const { answeredMs, refused, closed } = await runProgram<LoadResult>('load-generator.ts', load);
    return { answeredMs, lostConnections: refused + closed };
  },
};

const quiet: Load = {
  name: 'a quiet channel, one event now and then',
  servers: ALL,
  compared: 'p50Ms',
  isMoreBetter: false,
  async measure(name, { seconds }) {
    await using server = await startServer(name);
    const publishing = { eventsPerSecond: 20, eventBytes: EVENT_BYTES, seconds: PUBLISHING_SECONDS_MAX };
    using _publisher = startPublisher(server, publishing, undefined);
    const { latencyMs } = await runProgram<LoadResult>('load-generator.ts', {
      url: server.subscribeUrl,
      connections: 1,
      seconds,
      serverPids: server.pids,
    });
    return { p50Ms: latencyMs.p50, p99Ms: latencyMs.p99 };
  },
};

const pipelined: Load = {
  name: 'publish over one connection, pipelined',
  servers: ['tidegate', 'nchan'],
  compared: 'eventsPerSecond',
  isMoreBetter: true,
  async measure(name, { seconds }) {
    await using server = await startServer(name);
    const cpuBefore = cpuSeconds(server.pids);
    const { eventsPerSecond, answered } = await runProgram<PublisherResult>('publisher.ts', {
      url: server.publishUrl,
      eventsPerSecond: 0,
      eventBytes: EVENT_BYTES,
      seconds,
    });
    return { eventsPerSecond, eventsPerCpuSecond: answered / (cpuSeconds(server.pids) - cpuBefore) };
  },
};

const batches: Load = {
  name: 'publish as NDJSON, 1000 events a request, 4 at once',
  servers: ['tidegate'],
  compared: 'eventsPerSecond',
  isMoreBetter: true,
  async measure(name, { seconds }) {
    await using server = await startServer(name);
    const body = Array.from({ length: 1000 }, () => JSON.stringify({ data: 'x'.repeat(EVENT_BYTES) })).join('\n');
    const publish = (): Promise<Response> =>
      fetch(server.publishUrl.replace('?raw=true', ''), {
        method: 'POST',
        body,
        headers: { 'Content-Type': 'application/x-ndjson' },
      });
    await publish();
    const cpuBefore = cpuSeconds(server.pids);
    const startedMs = performance.now();
    let events = 0;
    // Several at a time: with one, the server waits for the client as long as the client waits for it.
    const publishing = Array.from({ length: REQUESTS_AT_ONCE }, async () => {
      while (performance.now() - startedMs < seconds * 1000) {
        await (await publish()).arrayBuffer();
        events += 1000;
      }
    });
    await Promise.all(publishing);
    const elapsed = (performance.now() - startedMs) / 1000;
    return { eventsPerSecond: events / elapsed, eventsPerCpuSecond: events / (cpuSeconds(server.pids) - cpuBefore) };
  },
};

const manyChannels: Load = {
  name: '1000000 channels with one 200-byte event each',
  servers: ['tidegate'],
  compared: 'liveBytesEachBeyondEvent',
  isMoreBetter: false,
  measure: () => runProgram<Figures>('many-channels.ts', { channels: 1_000_000, eventBytes: EVENT_BYTES }),
};

/** Users of an application, each with a token and a connection, and one event for each. */
const users: Load = {
  name: '10000 users with a token and a connection each',
  servers: ['tidegate'],
  compared: 'bytesEach',
  isMoreBetter: false,
  async measure(name) {
    const secret = 'a secret of more than thirty-two bytes, for the benchmark';
    const token = { keys: { algorithm: 'HS256', secret } } as const;
    await using server = await startServer(name, { auth: { mode: 'jwt', token } });
    const { origin } = new URL(server.subscribeUrl);
    const options = { url: origin, secret, users: 10_000, serverPids: server.pids, eventBytes: EVENT_BYTES };
    // Awaited here: the server ends with this block.
    return await runProgram<Figures>('users.ts', options);
  },
};

const parser: Load = {
  name: 'parser beside eventsource-parser 3.1.1',
  servers: ['tidegate'],
  compared: 'asciiRatio',
  isMoreBetter: true,
  measure: () => runProgram<Figures>('parser-speed.ts', {}),
};

/** Every load, in the order in which the table shows them. */
export const LOADS: readonly Load[] = [
  fanOut(1000, 100, ALL),
  fanOut(1000, 1000, ALL),
  fanOut(9000, 50, ALL),
  fanOut(9000, 200, ['tidegate']),
  { ...fanOut(1000, 100, WIRES), name: 'other wires: 1000 subscribers x 100 events/s' },
  { ...fanOut(1000, 1000, WIRES), name: 'other wires: 1000 subscribers x 1000 events/s' },
  { ...fanOut(1000, 1000, WORKERS), name: 'workers: 1000 subscribers x 1000 events/s' },
  { ...fanOut(9000, 50, WORKERS), name: 'workers: 9000 subscribers x 50 events/s' },
  stuck,
  gzip,
  backfill,
  idle,
  users,
  burst,
  quiet,
  pipelined,
  batches,
  manyChannels,
  parser,
  ...INGEST_LOADS,
  ...(hasRedis ? REDIS_LOADS : []),
];
