// Weighs channels with one event each in a Redis of its own:  tsx bench/redis-memory.ts '{"channels": 1000, "eventBytes": 200}'
// Prints one line of JSON. What Redis needs for itself is taken off: it is weighed before the first channel.
import { createRedisHub } from '../src/hub/index.js';
import { startRedis, tell } from '../test/support/redis-server.js';

interface Options {
  readonly channels: number;
  readonly eventBytes: number;
}

const AT_ONCE = 1000;

const { channels, eventBytes } = JSON.parse(process.argv[2] ?? '{}') as Options;

/** What is in use, without buffers of connections. */
async function usedBytes(port: number): Promise<number> {
  const info = await tell(port, 'INFO memory');
  const field = (name: string): number => Number(new RegExp(`^${name}:(\\d+)`, 'm').exec(info)?.[1]);
  return field('used_memory') - field('mem_clients_normal');
}

await using redis = await startRedis();
await using hub = await createRedisHub({
  redis: { url: redis.url, prefix: 'm' },
  history: { ageMs: 3_600_000 },
  limits: { channels: channels + 1 },
});
const data = 'x'.repeat(eventBytes);
// The scripts and the first tables are there before it is weighed.
await hub.publish('first', { data });
const before = await usedBytes(redis.port);
for (let from = 0; from < channels; from += AT_ONCE) {
  const count = Math.min(AT_ONCE, channels - from);
  await Promise.all(Array.from({ length: count }, (_, at) => hub.publish(`user-${from + at}`, { data })));
}
const after = await usedBytes(redis.port);
const list = /:(\d+)/.exec(await tell(redis.port, 'MEMORY USAGE {m}:c:user-0'))?.[1];
process.stdout.write(
  `${JSON.stringify({ bytesEach: (after - before) / channels, bytesOfOneList: Number(list), eventBytes })}\n`,
);
