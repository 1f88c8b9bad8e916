// The processes and the proxy of deploy/compose/demo, started by hand: no container engine is needed, and none is tested.
import { readFile } from 'node:fs/promises';

import { expect, test } from 'vitest';
import { parse } from 'yaml';

import { BuiltCli } from '../support/built-cli.js';
import { startDemoProxy } from '../support/demo-proxy.js';
import { hasNginx } from '../support/nginx.js';
import { hasRedis, startRedis } from '../support/redis-server.js';
import { freePort } from '../support/free-port.js';
import { StreamClient } from '../support/stream-client.js';
import { createTemporaryFolder } from '../support/temporary-folder.js';

const FOLDER = new URL('../../deploy/compose/demo/', import.meta.url);

interface Service {
  readonly command: readonly string[];
  readonly environment?: Readonly<Record<string, string>>;
}

async function readServices(): Promise<Readonly<Record<string, Service>>> {
  const text = await readFile(new URL('compose.yaml', FOLDER), 'utf8');
  return (parse(text, { merge: true }) as { services: Record<string, Service> }).services;
}

/** A service of the file on this machine: what it says, with the addresses of here. */
function run(service: Service | undefined, here: Readonly<Record<string, string>>, cwd: string): BuiltCli {
  if (service === undefined) throw new Error('compose.yaml has no such service');
  return new BuiltCli(service.command, cwd, { ...service.environment, ...here });
}

/** Which replica delivered its last event. */
function serverOf(client: StreamClient): string {
  return (JSON.parse(client.data.at(-1) ?? '{}') as { server: string }).server;
}

test.skipIf(!hasRedis || !hasNginx)(
  'the demo streams through the proxy from both replicas, and goes on when one dies (needs redis-server and nginx)',
  async () => {
    const services = await readServices();
    await using folder = await createTemporaryFolder();
    await using redis = await startRedis();
    const [port, ...replicas] = [await freePort(), await freePort(), await freePort()];
    const start = (replica: number, at: number): BuiltCli => {
      const here = {
        TIDEGATE_REDIS_URL: redis.url,
        TIDEGATE_HTTP_PORT: String(replica),
        TIDEGATE_NODE_ID: `hub-${at}`,
      };
      return run(services['server'], here, folder.path);
    };
    const [first, second] = replicas.map(start) as [BuiltCli, BuiltCli];
    await using _first = first;
    await using _second = second;
    for (const hub of [first, second]) await hub.until(/Hub listening/);
    await using _proxy = await startDemoProxy({ port, hubs: replicas.map((replica) => `127.0.0.1:${replica}`) });
    const url = `http://127.0.0.1:${port}`;
    const generating =
      services['generator']?.command.map((word) => (word.startsWith('redis:') ? redis.url : word)) ?? [];
    await using generator = new BuiltCli(generating, folder.path);
    const clients = await Promise.all(Array.from({ length: 4 }, () => StreamClient.open(`${url}/sse`)));
    for (const client of clients) await expect.poll(() => client.data.length, { timeout: 10_000 }).toBeGreaterThan(3);
    // Every replica has every event, and says that it was it.
    expect(new Set(clients.map(serverOf))).toEqual(new Set(['hub-0', 'hub-1']));
    // Events come one by one: nothing on the way collects them.
    expect(clients[0]?.reads).toBeGreaterThanOrEqual(3);

    const lost = clients.find((client) => serverOf(client) === 'hub-0');
    const lastId = lost?.lastEventId ?? '';
    await first.end('SIGKILL');
    await expect.poll(() => lost?.isEnded).toBe(true);
    await using resumed = await StreamClient.open(`${url}/sse`, { headers: { 'Last-Event-ID': lastId } });
    await expect.poll(() => resumed.data.length, { timeout: 10_000 }).toBeGreaterThan(3);
    expect(resumed.types).not.toContain('tidegate.gap');
    expect(serverOf(resumed)).toBe('hub-1');
    const ids = [...(lost?.data ?? []), ...resumed.data].map((data) => (JSON.parse(data) as { id: number }).id);
    expect(ids).toEqual(ids.map((_, at) => (ids[0] ?? 0) + at));
    expect(await generator.end('SIGTERM')).toBe(0);
    for (const client of clients) await client[Symbol.asyncDispose]();
  },
  60_000,
);
