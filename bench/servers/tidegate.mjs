// The hub as it ships, with its defaults where nothing else is said.
import { createHub, createRedisHub, listen } from '../../dist/hub/index.js';

const { tls, hub, redis } = JSON.parse(process.argv[3] ?? '{}');
await listen(redis ? await createRedisHub({ ...hub, redis }) : createHub(hub), {
  port: Number(process.argv[2]),
  ...(tls && { tls }),
});
// For the loads that weigh memory: after a collection nothing is counted that is only waiting for one.
process.on('SIGUSR2', () => globalThis.gc?.());
