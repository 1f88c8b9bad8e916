import type { Figures, Load, MeasureOptions } from './load.js';
import { PUBLISHING_SECONDS_MAX } from './load.js';
import type { LoadResult } from './load-generator.js';
import { cpuSeconds } from './process-usage.js';
import type { FlowOptions } from './redis-flow.js';
import { startRedisHubs } from './redis-hubs.js';
import { runProgram, startProgram } from './run-program.js';

const EVENT_BYTES = 200;
const EVENTS_PER_SECOND = 1000;
const CHANNELS = [1, 1000, 1_000_000];

/** From publish on one hub to a subscriber on another, as fast as it goes. */
function flow(what: string, shape: Pick<FlowOptions, 'channels' | 'form' | 'perRequest' | 'requestsAtOnce'>): Load {
  return {
    name: `redis: ${what}`,
    servers: ['tidegate'],
    compared: 'eventsPerSecond',
    isMoreBetter: true,
    async measure(_, { seconds }) {
      await using hubs = await startRedisHubs();
      const { publishOrigin, subscribeOrigin, pids } = hubs;
      const options: FlowOptions = { ...shape, publishOrigin, subscribeOrigin, pids, eventBytes: EVENT_BYTES, seconds };
      // Awaited here: the hubs end with this block.
      return await runProgram<Figures>('redis-flow.ts', options);
    },
  };
}

async function measureDelay({ seconds }: MeasureOptions): Promise<Figures> {
  await using hubs = await startRedisHubs();
  const { publishing, redis, subscribing } = hubs.pids;
  using _publisher = startProgram('publisher.ts', {
    url: `${hubs.publishOrigin}/publish/bench?raw=true`,
    eventsPerSecond: EVENTS_PER_SECOND,
    eventBytes: EVENT_BYTES,
    seconds: PUBLISHING_SECONDS_MAX,
  });
  const looks = [publishing, redis, subscribing].map((pid) => ({ pid, before: cpuSeconds([pid]) }));
  const startedMs = performance.now();
  const { latencyMs, perConnection } = await runProgram<LoadResult>('load-generator.ts', {
    url: `${hubs.subscribeOrigin}/subscribe/bench`,
    connections: 1,
    seconds,
    serverPids: [subscribing],
  });
  const events = (EVENTS_PER_SECOND * (performance.now() - startedMs)) / 1000;
  const [ofPublishing = 0, ofRedis = 0, ofSubscribing = 0] = looks.map(
    ({ pid, before }) => ((cpuSeconds([pid]) - before) * 1e6) / events,
  );
  return {
    p50Ms: latencyMs.p50,
    p99Ms: latencyMs.p99,
    receivedPart: perConnection[0] / (EVENTS_PER_SECOND * seconds),
    cpuMicrosecondsPublishingHub: ofPublishing,
    cpuMicrosecondsRedis: ofRedis,
    cpuMicrosecondsSubscribingHub: ofSubscribing,
  };
}

const delay: Load = {
  name: `redis: ${EVENTS_PER_SECOND} events/s one by one, publish on one hub to receipt on another`,
  servers: ['tidegate'],
  compared: 'p99Ms',
  isMoreBetter: false,
  measure: (_, options) => measureDelay(options),
};

const memory = (channels: number): Load => ({
  name: `redis: memory of ${channels} channels with one ${EVENT_BYTES}-byte event each`,
  servers: ['tidegate'],
  compared: 'bytesEach',
  isMoreBetter: false,
  measure: () => runProgram<Figures>('redis-memory.ts', { channels, eventBytes: EVENT_BYTES }),
});

/** Two hubs and a real Redis, in processes of their own. */
export const REDIS_LOADS: readonly Load[] = [
  flow('1 channel, NDJSON of 1000', { channels: 1, form: 'ndjson', perRequest: 1000, requestsAtOnce: 4 }),
  flow('1000 channels, NDJSON of 100', { channels: 1000, form: 'ndjson', perRequest: 100, requestsAtOnce: 16 }),
  flow('1000 channels, one event to 100 of them', {
    channels: 1000,
    form: 'many',
    perRequest: 100,
    requestsAtOnce: 16,
  }),
  flow('1000 channels, one by one, pipelined', { channels: 1000, form: 'single', perRequest: 1, requestsAtOnce: 512 }),
  flow('100000 channels, one event to 100 of them', {
    channels: 100_000,
    form: 'many',
    perRequest: 100,
    requestsAtOnce: 16,
  }),
  delay,
  ...CHANNELS.map(memory),
];
