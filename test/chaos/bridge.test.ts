// Hubs as they ship, killed while somebody publishes on their Redis.
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';

import { expect, test } from 'vitest';

import { mintToken } from '../../src/hub/index.js';
import { BuiltCli } from '../support/built-cli.js';
import { checkDelivery } from '../support/checker.js';
import type { ReceivedItem } from '../support/checker.js';
import { freePort } from '../support/free-port.js';
import { hasRedis, startRedis, tell } from '../support/redis-server.js';
import { RedisTeller } from '../support/redis-teller.js';
import { StreamClient } from '../support/stream-client.js';
import { createTemporaryFolder } from '../support/temporary-folder.js';

const SECRET = 'a secret of more than thirty-two bytes, for tests alone';
const PER_SECOND = 500;
const TICK_MS = 20;
const HELD = /This hub bridges Redis channels/;

interface Hub {
  readonly cli: BuiltCli;
  readonly url: string;
}

async function startHub(redisUrl: string, cwd: string): Promise<Hub> {
  const port = await freePort();
  const flags = [
    '--redis.url',
    redisUrl,
    '--http.host',
    '127.0.0.1',
    '--http.port',
    String(port),
    '--redis.leaseMs',
    '3000',
  ];
  const cli = new BuiltCli(['serve', '--preset', 'notifications', ...flags, '--auth.jwt.secretFile', './secret'], cwd);
  await cli.until(/Hub listening/);
  return { cli, url: `http://127.0.0.1:${port}` };
}

async function connect(hub: Hub, query = ''): Promise<StreamClient> {
  const identity = { application: 'shop', user: 'ann' };
  const token = await mintToken({ secret: SECRET, ...identity, lifetimeMs: 600_000, nowMs: Date.now() });
  const client = await StreamClient.open(`${hub.url}/sse${query}`, { headers: { Authorization: `Bearer ${token}` } });
  await client.event('tidegate.live');
  return client;
}

/** Publishes 500 a second, on and on, each with its number; a tick that is late makes up for it. */
function publishSteadily(teller: RedisTeller): { readonly stop: () => Promise<number> } {
  const startedMs = performance.now();
  const sent: Promise<number>[] = [];
  const timer = setInterval(() => {
    const due = ((performance.now() - startedMs) / 1000) * PER_SECOND;
    while (sent.length < due)
      sent.push(teller.publish('shop:channel:ann', `{"id":"","type":"note","data":${sent.length}}`));
  }, TICK_MS);
  return {
    async stop() {
      clearInterval(timer);
      await Promise.all(sent);
      return sent.length;
    },
  };
}

function receivedBy(client: StreamClient): readonly ReceivedItem[] {
  return client.events
    .filter(({ type }) => type === 'note' || type === 'tidegate.gap')
    .map(({ type, data }) =>
      type === 'note' ? { kind: 'event', channel: 'ann', key: data } : { kind: 'gap', channel: 'ann' },
    );
}

async function untilMore(client: StreamClient | undefined, count: number): Promise<void> {
  const enough = (client?.data.length ?? 0) + count;
  await expect.poll(() => client?.data.length ?? 0, { timeout: 15_000 }).toBeGreaterThan(enough);
}

test.skipIf(!hasRedis)(
  'whichever hub bridges is killed under traffic, and each message comes once (needs redis-server) [redis]',
  async () => {
    await using folder = await createTemporaryFolder();
    await writeFile(join(folder.path, 'secret'), SECRET);
    await using redis = await startRedis();
    await using teller = await RedisTeller.open(redis.port);
    const hubs = await Promise.all([0, 1, 2].map(() => startHub(redis.url, folder.path)));
    const holder = (among: readonly Hub[]): Promise<Hub> =>
      Promise.race(among.map((hub) => hub.cli.until(HELD).then(() => hub)));
    const first = await holder(hubs);
    const rest = hubs.filter((hub) => hub !== first);
    const clients = await Promise.all(rest.map((hub) => connect(hub)));
    const traffic = publishSteadily(teller);
    await expect.poll(() => clients[0]?.data.length, { timeout: 10_000 }).toBeGreaterThan(1000);
    await first.cli.end('SIGKILL');
    const second = await holder(rest);
    const left = rest.find((hub) => hub !== second);
    const survivor = clients[rest.indexOf(left ?? second)];
    await untilMore(survivor, 500);
    await second.cli.end('SIGKILL');
    await left?.cli.until(HELD);
    const back = await startHub(redis.url, folder.path);
    await untilMore(survivor, 500);
    const count = await traffic.stop();
    expect(count).toBeGreaterThan(PER_SECOND * 4);
    const published = Array.from({ length: count }, (_, number) => ({ channel: 'ann', key: String(number) }));
    await expect.poll(() => survivor?.data.length ?? 0, { timeout: 15_000 }).toBeGreaterThanOrEqual(count);
    await using late = await connect(back, '?last=all');
    await expect.poll(() => late.data.length, { timeout: 15_000 }).toBeGreaterThanOrEqual(count);
    const delivered = [survivor, late].map((client, at) => ({
      name: at === 0 ? 'there throughout' : 'there at the end',
      channels: ['ann'],
      received: client === undefined ? [] : receivedBy(client),
    }));
    expect(checkDelivery(published, delivered)).toEqual([]);
    // The lease of the killed is over, and so is what was kept of them.
    for (const client of clients) await client[Symbol.asyncDispose]();
    await late[Symbol.asyncDispose]();
    await expect.poll(() => tell(redis.port, 'EXISTS shop:client:ann'), { timeout: 15_000 }).toBe(':0\r\n');
    for (const hub of [...hubs, back]) await hub.cli.end('SIGKILL');
  },
  90_000,
);
