import type { Figures, Load } from './load.js';
import type { LoadResult } from './load-generator.js';
import { PUBLISHING_SECONDS_MAX } from './load.js';
import { residentBytes } from './process-usage.js';
import { runProgram, startProgram } from './run-program.js';
import { startServer } from './servers.js';
import type { BenchServer } from './servers.js';

const HEALTHY = 200;
const STUCK = 1000;
const EVENTS = { eventsPerSecond: 1000, eventBytes: 200 };
/** Until the system's buffers of a socket that nobody reads are full, which takes megabytes each. */
const FILL_MS = 25_000;
const OPENING_MS = 5000;

const pause = (delayMs: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, delayMs));

/** What those who read notice of `connections` that do not, and what the hub holds for them. */
async function measureBeside(connections: number, seconds: number): Promise<Figures> {
  await using server = await startServer('tidegate');
  using _stuck = startProgram('stuck-readers.ts', { url: server.subscribeUrl, connections });
  await pause(OPENING_MS);
  const before = residentBytes(server.pids);
  using _publisher = startProgram('publisher.ts', {
    ...EVENTS,
    url: server.publishUrl,
    seconds: PUBLISHING_SECONDS_MAX,
  });
  await pause(FILL_MS);
  const blocked = await blockedSubscribers(server);
  const { latencyMs, deliveriesPerCpuSecond, perConnection } = await runProgram<LoadResult>('load-generator.ts', {
    url: server.subscribeUrl,
    connections: HEALTHY,
    seconds,
    serverPids: server.pids,
  });
  const grownBytes = residentBytes(server.pids) - before;
  const fewestPart = perConnection[0] / (EVENTS.eventsPerSecond * seconds);
  return { p99Ms: latencyMs.p99, deliveriesPerCpuSecond, fewestPart, grownMegabytes: grownBytes / 1e6, blocked };
}

async function blockedSubscribers({ subscribeUrl }: BenchServer): Promise<number> {
  const metrics = await (await fetch(new URL('/metrics', subscribeUrl))).text();
  return Number(/^tidegate_subscribers_blocked (\d+)$/m.exec(metrics)?.[1]);
}

/** Whether a subscriber that reads nothing costs the others anything, or the hub more than its history. */
export const stuck: Load = {
  name: `${HEALTHY} subscribers x ${EVENTS.eventsPerSecond} events/s beside ${STUCK} that read nothing`,
  servers: ['tidegate'],
  compared: 'p99MsBesideStuck',
  isMoreBetter: false,
  async measure(_, { seconds }) {
    const alone = await measureBeside(0, seconds);
    const beside = await measureBeside(STUCK, seconds);
    return Object.fromEntries([...named(alone, 'Alone'), ...named(beside, 'BesideStuck')]);
  },
};

function named(figures: Figures, suffix: string): readonly (readonly [string, number])[] {
  return Object.entries(figures).map(([figure, value]) => [figure + suffix, value]);
}
