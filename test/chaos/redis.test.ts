import { describe, expect, test } from 'vitest';

import { createEventParser, isControlType } from '../../src/protocol/index.js';
import { BuiltCli } from '../support/built-cli.js';
import { checkDelivery } from '../support/checker.js';
import type { PublishedEvent, ReceivedItem } from '../support/checker.js';
import { monitorRedis } from '../support/redis-monitor.js';
import { hasRedis, startRedis, tell } from '../support/redis-server.js';
import type { RedisServer } from '../support/redis-server.js';
import { createTemporaryFolder } from '../support/temporary-folder.js';

const SUBSCRIBERS = 200;
const CHANNELS = 10;
/** Twenty batches a second: 1,000 events. */
const BATCH_EVENTS = 50;
const BATCH_EVERY_MS = 50;
const PHASE_EVENTS = 2000;
const PATIENCE = { timeout: 30_000 };

/** A subscriber that comes back to whichever hub is there, with the id it had last. */
class Follower {
  readonly received: ReceivedItem[] = [];
  readonly gaps: string[] = [];
  readonly channel: string;
  connections = 0;
  isConnected = false;
  readonly #hubs: readonly string[];
  readonly #signal: AbortSignal;
  #lastEventId = '';

  constructor(channel: string, hubs: readonly string[], signal: AbortSignal) {
    this.channel = channel;
    this.#hubs = hubs;
    this.#signal = signal;
    void this.#run();
  }

  has(key: string): boolean {
    return this.received.some((item) => item.kind === 'event' && item.key === key);
  }

  async #run(): Promise<void> {
    for (let at = 0; !this.#signal.aborted; at += 1) {
      await this.#follow(this.#hubs[at % this.#hubs.length] ?? '').catch(() => undefined);
      this.isConnected = false;
      if (!this.#signal.aborted) await new Promise((resolve) => setTimeout(resolve, 50 + Math.random() * 100));
    }
  }

  async #follow(hub: string): Promise<void> {
    const headers = this.#lastEventId === '' ? {} : { 'Last-Event-ID': this.#lastEventId };
    const response = await fetch(`${hub}/subscribe/${this.channel}`, { headers, signal: this.#signal });
    if (!response.ok || response.body === null) return;
    const parser = createEventParser({
      onEvent: ({ type, data }) => {
        if (type === 'tidegate.open') {
          this.connections += 1;
          this.isConnected = true;
        } else if (type === 'tidegate.gap') {
          this.gaps.push(data);
          this.received.push({ kind: 'gap', channel: this.channel });
        } else if (!isControlType(type)) this.received.push({ kind: 'event', channel: this.channel, key: data });
      },
    });
    for await (const chunk of response.body) {
      parser.push(chunk);
      this.#lastEventId = parser.lastEventId;
    }
  }
}

/** Publishes at a steady rate, each batch until it is answered: the keys make a repeat harmless. */
class Load {
  readonly published: PublishedEvent[] = [];
  refusals = 0;
  hubs: readonly string[];
  #isOver = false;
  readonly #done: Promise<void>;

  constructor(hubs: readonly string[]) {
    this.hubs = hubs;
    this.#done = this.#run();
  }

  async stop(): Promise<void> {
    this.#isOver = true;
    await this.#done;
  }

  async #run(): Promise<void> {
    for (let batch = 0; !this.#isOver; batch += 1) {
      const startedMs = performance.now();
      const channel = `c${batch % CHANNELS}`;
      const keys = Array.from({ length: BATCH_EVENTS }, (_, at) => `${batch}.${at}`);
      for (let attempt = batch; !(await this.#publish(channel, keys, attempt)); attempt += 1) this.refusals += 1;
      for (const key of keys) this.published.push({ channel, key });
      const restMs = BATCH_EVERY_MS - (performance.now() - startedMs);
      if (restMs > 0) await new Promise((resolve) => setTimeout(resolve, restMs));
    }
  }

  async #publish(channel: string, keys: readonly string[], attempt: number): Promise<boolean> {
    const hub = this.hubs[attempt % this.hubs.length] ?? '';
    const body = keys.map((key) => JSON.stringify({ data: key, idempotencyKey: key })).join('\n');
    const headers = { 'Content-Type': 'application/x-ndjson' };
    const signal = AbortSignal.timeout(5000);
    const answer = await fetch(`${hub}/publish/${channel}`, { method: 'POST', body, headers, signal }).catch(
      () => undefined,
    );
    await answer?.text().catch(() => '');
    return answer?.status === 200;
  }
}

/** Which commands Redis ran since it was started. */
async function commandsOf({ port }: RedisServer): Promise<readonly string[]> {
  const text = await tell(port, 'INFO commandstats');
  return [...text.matchAll(/^cmdstat_([^:]+):/gm)].map(([, name = '']) => name.toUpperCase());
}

async function isReady(hub: string): Promise<boolean> {
  const answer = await fetch(`${hub}/ready`);
  await answer.text();
  return answer.status === 200;
}

interface Cluster extends AsyncDisposable {
  readonly redis: RedisServer;
  readonly hubs: readonly { readonly url: string; readonly cli: BuiltCli }[];
}

async function startCluster(): Promise<Cluster> {
  const redis = await startRedis(['--appendonly', 'yes', '--appendfsync', 'always']);
  const folder = await createTemporaryFolder();
  const hubs = await Promise.all(
    [1, 2].map(async () => {
      const flags = ['--port', '0', '--redis.url', redis.url, '--redis.leaseMs', '3000', '--log.format', 'json'];
      const cli = new BuiltCli(['serve', ...flags], folder.path);
      const [, url = ''] = await cli.until(/"url":"([^"]+)"/);
      return { url, cli };
    }),
  );
  return {
    redis,
    hubs,
    async [Symbol.asyncDispose]() {
      for (const { cli } of hubs) await cli.end('SIGKILL');
      await redis[Symbol.asyncDispose]();
      await folder[Symbol.asyncDispose]();
    },
  };
}

const FORBIDDEN = ['KEYS', 'SCAN', 'HSCAN', 'SSCAN', 'ZSCAN'];

describe.skipIf(!hasRedis)('[redis]', () => {
  test(
    'Redis killed and restarted, then a hub killed: nobody loses, repeats or reorders an event',
    { timeout: 120_000 },
    async () => {
      await using cluster = await startCluster();
      const { redis, hubs } = cluster;
      using before = await monitorRedis(redis.port);
      const [here = '', there = ''] = hubs.map(({ url }) => url);
      const stop = new AbortController();
      const followers = Array.from({ length: SUBSCRIBERS }, (_, at) => {
        const order = at % 2 === 0 ? [here, there] : [there, here];
        return new Follower(`c${at % CHANNELS}`, order, stop.signal);
      });
      const allConnected = (): boolean => followers.every(({ isConnected }) => isConnected);
      await expect.poll(allConnected, PATIENCE).toBe(true);
      const load = new Load([here, there]);
      await expect.poll(() => load.published.length, PATIENCE).toBeGreaterThan(PHASE_EVENTS);
      const commands = new Set(await commandsOf(redis));

      await redis.kill();
      await expect.poll(() => Promise.all([isReady(here), isReady(there)]), PATIENCE).toEqual([false, false]);
      await expect.poll(() => load.refusals, PATIENCE).toBeGreaterThan(0);
      expect(followers.filter(({ connections, isConnected }) => connections === 1 && isConnected)).toHaveLength(
        SUBSCRIBERS,
      );
      await redis.start();
      using after = await monitorRedis(redis.port);
      await expect.poll(() => Promise.all([isReady(here), isReady(there)]), PATIENCE).toEqual([true, true]);
      const afterRestart = load.published.length;
      await expect.poll(() => load.published.length, PATIENCE).toBeGreaterThan(afterRestart + PHASE_EVENTS);
      expect(followers.filter(({ connections }) => connections === 1)).toHaveLength(SUBSCRIBERS);

      await hubs[0]?.cli.end('SIGKILL');
      load.hubs = [there];
      await expect.poll(allConnected, PATIENCE).toBe(true);
      const afterKill = load.published.length;
      await expect.poll(() => load.published.length, PATIENCE).toBeGreaterThan(afterKill + PHASE_EVENTS);
      await load.stop();

      const lastOf = new Map(load.published.map(({ channel, key }) => [channel, key]));
      const areThrough = (): boolean => followers.every((follower) => follower.has(lastOf.get(follower.channel) ?? ''));
      await expect.poll(areThrough, PATIENCE).toBe(true);
      for (const command of await commandsOf(redis)) commands.add(command);
      stop.abort();
      const delivered = followers.map(({ channel, received }, at) => ({
        name: `${at}`,
        channels: [channel],
        received,
      }));
      expect(checkDelivery(load.published, delivered)).toEqual([]);
      expect(followers.flatMap(({ gaps }) => gaps)).toEqual([]);
      // Subscriptions, publishes and resumes are in both lives of Redis; the statistics also have what was before and between.
      for (const seen of [before.commands, after.commands, commands]) {
        expect(FORBIDDEN.filter((command) => seen.has(command))).toEqual([]);
        expect([...seen]).toEqual(expect.arrayContaining(['EVALSHA', 'RPUSH']));
      }
    },
  );
});
