import { afterAll, beforeAll, describe, expect, test } from 'vitest';

import { StreamClient } from '../support/stream-client.js';
import { eightInTime, freshChannel, publish, RETURN_MS } from './checks.js';
import { CLIENTS } from './clients.js';
import type { InteropClient } from './clients.js';
import { documented, table } from './documented.js';
import { Drivers, isHere } from './drivers.js';
import { isInstalled, PROXIES, startProxy } from './proxies.js';
import type { ProxyKind } from './proxies.js';
import { RestartableHub } from './restartable-hub.js';

/** One of each family: a browser, and what buffers in its own way. */
const BEHIND = CLIENTS.filter(({ name, runtime }) =>
  ['chromium EventSource', 'go net/http', 'python requests', 'curl curl'].includes(`${runtime} ${name}`),
);

/** Heartbeats of the idle time: 75 s of silence but for them, longer than the 50 or 60 s after which proxies cut. */
const IDLE_HEARTBEATS = 5;

/** A heartbeat is due every 15 s; a busy machine may be late. */
const HEARTBEAT_MS = 45_000;

let drivers: Drivers;
let hub: RestartableHub;
const passed = new Set<string>();
const outcomes = new Map<ProxyKind, ReadonlyMap<InteropClient, Promise<void>>>();

beforeAll(async () => {
  drivers = await Drivers.open();
  hub = await RestartableHub.start(drivers.origin);
  // All at once: each waits out the same silence.
  for (const proxy of PROXIES.filter(isInstalled)) {
    const here = BEHIND.filter(({ runtime }) => isHere(runtime));
    const running = startBehind(proxy, here);
    const own = here.map((client): [InteropClient, Promise<void>] => [client, running.then((all) => all.get(client))]);
    for (const [, outcome] of own) outcome.catch(() => undefined);
    outcomes.set(proxy, new Map(own));
  }
});
afterAll(async () => {
  await hub[Symbol.asyncDispose]();
  await drivers[Symbol.asyncDispose]();
});

describe.each(PROXIES)('behind $name with its default settings', (proxy) => {
  test.for(BEHIND)(
    '$name in $runtime reads each event in time, also after a long silence',
    async (client, { skip }) => {
      skip(!isInstalled(proxy) || !isHere(client.runtime), 'the proxy or the client is not installed');
      await expect(outcomes.get(proxy)?.get(client)).resolves.toBeUndefined();
      passed.add(`${proxy.name} ${client.name}`);
    },
  );
});

test.skipIf(!PROXIES.every(isInstalled) || !BEHIND.every(({ runtime }) => isHere(runtime)))(
  'docs/clients.md says what this run saw behind proxies',
  () => {
    const rows = PROXIES.map(({ name }) =>
      [name].concat(BEHIND.map((client) => (passed.has(`${name} ${client.name}`) ? 'yes' : '**no**'))),
    );
    const said = table(
      ['proxy', ...BEHIND.map(({ name, runtime }) => (name === runtime ? name : `${name} in ${runtime}`))],
      rows,
    );
    const { is, wanted } = documented('proxies', said);
    // If it does not: npm run test:world -- --write
    expect(is).toBe(wanted);
  },
);

async function startBehind(
  proxy: ProxyKind,
  clients: readonly InteropClient[],
): Promise<ReadonlyMap<InteropClient, Promise<void>>> {
  const running = await startProxy(proxy, hub.port);
  const outcome = new Map(clients.map((client) => [client, follow(client, running.url)]));
  void Promise.allSettled(outcome.values()).then(() => running[Symbol.asyncDispose]());
  return outcome;
}

async function follow(client: InteropClient, proxyUrl: string): Promise<void> {
  const channel = freshChannel();
  await using follower = await drivers.follow(client, `${proxyUrl}/subscribe/${channel}`);
  await eightInTime({ hub }, client, { channel, follower });
  await silence(proxyUrl);
  await publish(hub, client, { channel, n: 9 });
  await follower.until(({ data }) => data.includes('event 9'), {
    what: 'event after the silence',
    timeoutMs: RETURN_MS,
  });
  expect(follower.states, 'The connection did not last').toEqual([]);
}

/** Resolves after so many heartbeats on an idle stream through the same proxy. */
async function silence(proxyUrl: string): Promise<void> {
  await using idle = await StreamClient.open(`${proxyUrl}/subscribe/${freshChannel()}`);
  for (let heartbeats = 1; heartbeats <= IDLE_HEARTBEATS; heartbeats += 1) {
    await idle.until(({ comments }) => comments.length >= heartbeats, HEARTBEAT_MS);
  }
}
