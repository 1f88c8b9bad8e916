import { mkdir, writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { expect, test } from 'vitest';
import { BuiltCli } from '../support/built-cli.js';
import { CuttableLink } from '../support/cuttable-link.js';
import { HubServer } from '../support/hub-server.js';
import { hasRedis, startRedis, tell } from '../support/redis-server.js';
import type { RedisServer } from '../support/redis-server.js';
import { createTemporaryFolder } from '../support/temporary-folder.js';

const PIPELINES = ['p0', 'p1', 'p2', 'p3'];
const TTL_MS = 1500;
const PATIENCE = { timeout: 30_000, interval: 20 } as const;

/** A worker process with a folder of its own; what it writes goes to channels of its own. */
class Worker implements AsyncDisposable {
  readonly #name: string;
  readonly #hub: HubServer;
  readonly cli: BuiltCli;

  private constructor(name: string, hub: HubServer, cwd: string) {
    this.#name = name;
    this.#hub = hub;
    this.cli = new BuiltCli(['ingest'], cwd);
  }

  static async start(cwd: string, redis: { readonly url: string }, hub: HubServer): Promise<Worker> {
    const worker = basename(cwd);
    // A sink that waits for nothing: a batch goes out in the turn in which its first event came.
    const blocks = PIPELINES.map(
      (name) =>
        `  ${name}: {source.url: "${hub.url}/subscribe/${name}?last=all", sink.hub: {url: "${hub.url}", channel: ${worker}.${name}}}\n`,
    );
    const head = `leases: {url: "${redis.url}", ttlMs: ${TTL_MS}}\ncheckpoint.intervalMs: 20\n`;
    await mkdir(cwd, { recursive: true });
    await writeFile(join(cwd, 'tidegate.yaml'), `${head}pipelines:\n${blocks.join('')}`);
    return new Worker(worker, hub, cwd);
  }

  /** Every event of a pipeline that this worker wrote, in order. */
  async archived(pipeline: string): Promise<readonly number[]> {
    const events: number[] = [];
    let since = 'last=all';
    for (;;) {
      const { status, body } = await this.#hub.get(`/channels/${this.#name}.${pipeline}/history?limit=1000&${since}`);
      if (status !== 200) return events;
      for (const { data } of (body['events'] ?? []) as readonly { data: string }[]) events.push(Number(data));
      if (typeof body['next'] !== 'string') return events;
      since = `since=${body['next']}`;
    }
  }

  /** Leases that it took, so far: pipeline and token. */
  get taken(): readonly (readonly [pipeline: string, token: number])[] {
    const lines = this.cli.output.matchAll(/"pipeline":"(p\d)","fence":(\d+),"message":"Lease taken"/g);
    return [...lines].map(([, pipeline = '', token]) => [pipeline, Number(token)]);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    process.kill(this.cli.pid, 'SIGCONT');
    await this.cli[Symbol.asyncDispose]();
  }
}

/** Publishes rising numbers to all channels until stopped; answers how many. */
function publishTo(hub: HubServer): { readonly next: () => number; readonly stop: () => Promise<number> } & Disposable {
  let next = 0;
  let isOver = false;
  const publishing = (async () => {
    while (!isOver) {
      const event = JSON.stringify(next);
      next += 1;
      await Promise.all(PIPELINES.map((name) => hub.publish(name, event)));
      // About as fast as a person reads: the test is of leases.
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
    return next;
  })();
  // After a failure nobody waits for it, and its hub is gone.
  publishing.catch(() => undefined);
  return {
    next: () => next,
    stop: () => {
      isOver = true;
      return publishing;
    },
    [Symbol.dispose]: () => void (isOver = true),
  };
}

async function workersWithTwoEach(a: Worker, b: Worker): Promise<void> {
  const count = (worker: Worker): number => {
    const gone = [...worker.cli.output.matchAll(/"pipeline":"p\d".*?"kind":"(?:stopped|lost)"/g)].length;
    return worker.taken.length - gone;
  };
  await expect.poll(() => [count(a), count(b)], PATIENCE).toEqual([2, 2]);
}

async function checkpointOf(redis: RedisServer, pipeline: string): Promise<{ token: number; offset: number }> {
  const text = await tell(redis.port, `HMGET tidegate-ingest:pipeline:${pipeline} token checkpoint`);
  const [, token] = /\r\n(\d+)\r\n/.exec(text) ?? [];
  const [, offset] = /"lastEventId": "[^"]*-(\d+)"/.exec(text) ?? [];
  return { token: Number(token), offset: Number(offset) };
}

test.skipIf(!hasRedis)(
  'a worker that is stopped past its leases and woken again writes neither an event nor a checkpoint any more',
  async () => {
    await using folder = await createTemporaryFolder();
    await using redis = await startRedis();
    await using hub = await HubServer.start({ drainMs: 0, history: { events: 100_000 } });
    await using link = await CuttableLink.open(() => redis.port);
    const throughLink = { url: link.url.replace('http:', 'redis:') };
    await using a = await Worker.start(join(folder.path, 'a'), throughLink, hub);
    await using b = await Worker.start(join(folder.path, 'b'), redis, hub);
    using publisher = publishTo(hub);
    await workersWithTwoEach(a, b);
    const ofA = PIPELINES.filter((name) => a.taken.findLast(([pipeline]) => pipeline === name) !== undefined).filter(
      (name) => {
        const [tokenA = 0, tokenB = 0] = [a, b].map((worker) => worker.taken.findLast(([p]) => p === name)?.[1] ?? 0);
        return tokenA > tokenB;
      },
    );
    expect(ofA).toHaveLength(2);
    for (const name of ofA)
      await expect.poll(async () => (await a.archived(name)).length, PATIENCE).toBeGreaterThan(20);

    const sleepsAt = Date.now();
    process.kill(a.cli.pid, 'SIGSTOP');
    // What is published from here on reaches the sleeper's socket at most.
    const firstAsleep = publisher.next() + 1;
    await expect.poll(() => b.taken.filter(([name]) => ofA.includes(name)).length, PATIENCE).toBeGreaterThanOrEqual(2);
    expect(Date.now() - sleepsAt).toBeLessThan(8000);
    for (const name of ofA)
      await expect.poll(async () => (await b.archived(name)).at(-1) ?? 0, PATIENCE).toBeGreaterThan(firstAsleep + 50);
    const lastAsleep = publisher.next() - 1;
    const before = await Promise.all(ofA.map((name) => checkpointOf(redis, name)));

    // Nobody tells it: it must know by itself that its time is over.
    link.down();
    const asleepAt = a.cli.output.length;
    const saidSince = (pattern: RegExp): number => a.cli.output.slice(asleepAt).match(pattern)?.length ?? 0;
    process.kill(a.cli.pid, 'SIGCONT');
    await expect.poll(() => saidSince(/Lease lost/g), PATIENCE).toBe(2);
    await expect.poll(() => saidSince(/"kind":"lost"/g), PATIENCE).toBe(2);
    link.up();
    // It lives on, and gets its part of the pipelines again, by claims of its own.
    await workersWithTwoEach(a, b);
    const published = await publisher.stop();
    for (const name of PIPELINES)
      await expect
        .poll(async () => new Set([...(await a.archived(name)), ...(await b.archived(name))]).size, PATIENCE)
        .toBe(published);
    const after = await Promise.all(ofA.map((name) => checkpointOf(redis, name)));
    for (const [index, { token, offset }] of after.entries()) {
      expect(token).toBeGreaterThanOrEqual(before[index]?.token ?? Infinity);
      expect(offset).toBeGreaterThanOrEqual(before[index]?.offset ?? Infinity);
    }
    for (const name of ofA) {
      const asleep = (event: number): boolean => event >= firstAsleep && event <= lastAsleep;
      const [byA, byB] = [(await a.archived(name)).filter(asleep), (await b.archived(name)).filter(asleep)];
      // Each once, and by the one that had the lease: what B had not read yet when A came back may be A's again.
      expect(byA.filter((event) => byB.includes(event))).toEqual([]);
      expect(byB.length).toBeGreaterThan(50);
      expect(byA.every((event) => event > (byB.at(-1) ?? 0))).toBe(true);
    }
  },
  180_000,
);

test.skipIf(!hasRedis)(
  'workers that are killed leave nothing out, and their pipelines go to others within seconds',
  async () => {
    await using folder = await createTemporaryFolder();
    await using redis = await startRedis();
    await using hub = await HubServer.start({ drainMs: 0, history: { events: 100_000 } });
    const folders = [0, 1, 2].map((at) => join(folder.path, `w${at}`));
    const workers = await Promise.all(folders.map((path) => Worker.start(path, redis, hub)));
    await using _all = {
      [Symbol.asyncDispose]: async () => void (await Promise.all(workers.map((w) => w.cli.end('SIGKILL')))),
    };
    using publisher = publishTo(hub);
    await expect.poll(() => workers.every((worker) => worker.taken.length > 0), PATIENCE).toBe(true);
    for (const [index, path] of folders.entries()) {
      const victim = workers[index];
      if (victim === undefined) continue;
      await victim.cli.end('SIGKILL');
      const reached = publisher.next() + 20;
      const all = (name: string): Promise<readonly number[]> =>
        Promise.all(workers.map((worker) => worker.archived(name))).then((lists) => lists.flat());
      const diedAt = Date.now();
      if (index === 2) workers[0] = await Worker.start(folders[0] ?? path, redis, hub);
      for (const name of PIPELINES)
        await expect.poll(async () => Math.max(0, ...(await all(name))), PATIENCE).toBeGreaterThan(reached);
      expect(Date.now() - diedAt).toBeLessThan(20_000);
    }
    const published = await publisher.stop();
    for (const name of PIPELINES) {
      const all = async (): Promise<number> =>
        new Set((await Promise.all(workers.map((worker) => worker.archived(name)))).flat()).size;
      await expect.poll(all, PATIENCE).toBe(published);
    }
  },
  180_000,
);
