import { readdirSync, readFileSync, readlinkSync } from 'node:fs';

import { expect, test } from 'vitest';

import { subscribe } from '../../src/client/index.js';
import type { GapDelivery } from '../../src/client/index.js';
import { BuiltCli } from '../support/built-cli.js';
import { checkDelivery } from '../support/checker.js';
import type { Delivered, ReceivedItem } from '../support/checker.js';
import { freePort } from '../support/served-hub.js';
import { createTemporaryFolder } from '../support/temporary-folder.js';

const SUBSCRIBERS = 8;
/** More are opened until every worker has some, but no more than this. */
const SUBSCRIBERS_MAX = 200;
const TIMEOUT_MS = 90_000;
const PATIENCE = { timeout: 40_000 };

interface Service extends AsyncDisposable {
  readonly cli: BuiltCli;
  readonly url: string;
  /** The primary first, then the workers. */
  children(): readonly number[];
}

async function startService(...flags: readonly string[]): Promise<Service> {
  const folder = await createTemporaryFolder();
  const port = await freePort();
  const args = ['serve', '--workers', '2', '--port', String(port), '--hub.retryMs', '100', '--hub.drainMs', '300'];
  const cli = new BuiltCli([...args, ...flags], folder.path);
  await cli.until(/Hub listening/);
  const children = (): readonly number[] => childrenOf(cli.pid);
  await expect.poll(() => children().length, PATIENCE).toBe(3);
  return {
    cli,
    url: `http://127.0.0.1:${port}`,
    children,
    async [Symbol.asyncDispose]() {
      await cli.end('SIGTERM');
      await folder[Symbol.asyncDispose]();
    },
  };
}

function childrenOf(pid: number): readonly number[] {
  const text = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim();
  return text === '' ? [] : text.split(' ').map(Number);
}

interface Follower {
  readonly received: ReceivedItem[];
  readonly gaps: GapDelivery[];
  connections: number;
  readonly done: Promise<void>;
}

function follow(url: string, signal: AbortSignal): Follower {
  const follower: Follower = { received: [], gaps: [], connections: 0, done: Promise.resolve() };
  const done = (async () => {
    for await (const delivery of subscribe({ url, channels: ['a'], last: 'all', signal })) {
      if (delivery.kind === 'event') follower.received.push({ kind: 'event', channel: 'a', key: delivery.data });
      if (delivery.kind === 'gap') follower.gaps.push(delivery);
      if (delivery.kind === 'status' && delivery.state === 'connected') follower.connections += 1;
    }
  })();
  return Object.assign(follower, { done });
}

/** Publishes until it is answered: the key makes a repeat harmless. */
async function publish(url: string, key: string): Promise<void> {
  for (;;) {
    const body = JSON.stringify({ data: key, idempotencyKey: key });
    const headers = { 'Content-Type': 'application/json' };
    const signal = AbortSignal.timeout(2000);
    const answer = await fetch(`${url}/publish/a`, { method: 'POST', body, headers, signal }).catch(() => undefined);
    const status = answer?.status;
    await answer?.text().catch(() => '');
    if (status === 200) return;
  }
}

const keysOf = ({ received }: Pick<Follower, 'received'>): readonly string[] =>
  received.flatMap((item) => (item.kind === 'event' ? [item.key] : []));

function deliveriesOf(followers: readonly Follower[]): readonly Delivered[] {
  return followers.map(({ received }, at) => ({ name: `follower ${at}`, channels: ['a'], received }));
}

function socketsOf(pid: number): number {
  return readdirSync(`/proc/${pid}/fd`).filter((fd) => readlinkSync(`/proc/${pid}/fd/${fd}`).startsWith('socket:'))
    .length;
}

function isAlive(pid: number): boolean {
  try {
    return !readFileSync(`/proc/${pid}/stat`, 'utf8').includes(') Z ');
  } catch {
    return false;
  }
}

test('a worker killed with -9 is replaced, and nobody loses or repeats an event', { timeout: TIMEOUT_MS }, async () => {
  await using service = await startService();
  const stop = new AbortController();
  const followers: Follower[] = [];
  const [, ...workers] = service.children();
  const idle = workers.map(socketsOf);
  const isSpread = (): boolean => workers.every((pid, at) => socketsOf(pid) > (idle[at] ?? 0));
  while (!isSpread() && followers.length < SUBSCRIBERS_MAX) {
    for (let more = 0; more < SUBSCRIBERS; more += 1) followers.push(follow(service.url, stop.signal));
    await expect.poll(() => followers.every(({ connections }) => connections === 1), PATIENCE).toBe(true);
  }
  const published: { channel: string; key: string }[] = [];
  const victim = workers[0] ?? 0;
  for (let at = 0; at < 300; at += 1) {
    if (at === 100) process.kill(victim, 'SIGKILL');
    published.push({ channel: 'a', key: String(at) });
    await publish(service.url, String(at));
  }
  await expect.poll(() => followers.every(({ received }) => received.length >= published.length), PATIENCE).toBe(true);
  await expect.poll(() => service.children().length, PATIENCE).toBe(3);
  expect(service.children()).not.toContain(victim);
  stop.abort();
  await Promise.all(followers.map(({ done }) => done));
  expect(checkDelivery(published, deliveriesOf(followers))).toEqual([]);
  expect(followers.flatMap(({ gaps }) => gaps)).toEqual([]);
  // The other worker's subscribers noticed nothing.
  expect(followers.some(({ connections }) => connections === 1)).toBe(true);
  expect(followers.some(({ connections }) => connections > 1)).toBe(true);
});

test(
  'a primary killed with -9 restarts all in a new epoch, and every subscriber is told',
  { timeout: TIMEOUT_MS },
  async () => {
    await using service = await startService();
    const stop = new AbortController();
    const followers = Array.from({ length: SUBSCRIBERS }, () => follow(service.url, stop.signal));
    await expect.poll(() => followers.every(({ connections }) => connections === 1), PATIENCE).toBe(true);
    await publish(service.url, 'before');
    await expect
      .poll(() => followers.every(({ received }) => keysOf({ received }).includes('before')), PATIENCE)
      .toBe(true);
    const old = service.children();
    process.kill(old[0] ?? 0, 'SIGKILL');
    await expect.poll(() => followers.every(({ gaps }) => gaps.length === 1), PATIENCE).toBe(true);
    await publish(service.url, 'after');
    await expect
      .poll(() => followers.every(({ received }) => keysOf({ received }).includes('after')), PATIENCE)
      .toBe(true);
    stop.abort();
    await Promise.all(followers.map(({ done }) => done));
    for (const { gaps, received } of followers) {
      expect(gaps).toMatchObject([{ reason: 'epoch', channel: 'a' }]);
      expect(keysOf({ received })).toEqual(['before', 'after']);
    }
    expect(service.children().filter((pid) => old.includes(pid))).toEqual([]);
  },
);

test('a supervisor killed with -9 leaves no process behind', { timeout: TIMEOUT_MS }, async () => {
  await using service = await startService();
  const children = service.children();
  await service.cli.end('SIGKILL');
  await expect.poll(() => children.filter(isAlive), PATIENCE).toEqual([]);
});

test('SIGTERM sends the subscribers of all workers away, and ends with 0', { timeout: TIMEOUT_MS }, async () => {
  await using service = await startService();
  const responses = await Promise.all(Array.from({ length: 4 }, () => fetch(`${service.url}/subscribe/a`)));
  const code = service.cli.end('SIGTERM');
  for (const response of responses) expect(await response.text()).toContain('"code":"draining"');
  expect(await code).toBe(0);
});

test('a port that is in use ends it with one sentence', { timeout: TIMEOUT_MS }, async () => {
  await using service = await startService();
  await using folder = await createTemporaryFolder();
  const second = new BuiltCli(['serve', '--workers', '2', '--port', new URL(service.url).port], folder.path);
  await second.until(/Cannot listen on 127\.0\.0\.1:\d+: the port is in use/);
  expect(await second.exited).toBe(1);
  expect(second.output.match(/Cannot listen/g)).toHaveLength(1);
});

test('every worker answers for the whole hub', { timeout: TIMEOUT_MS }, async () => {
  await using service = await startService('--limits.connections', '4');
  const stop = new AbortController();
  const { signal } = stop;
  for (let at = 0; at < 4; at += 1) await fetch(`${service.url}/subscribe/a`, { signal });
  for (let at = 0; at < 4; at += 1) {
    // A connection of its own each time, so that both workers are asked.
    const headers = { Connection: 'close' };
    const refused = await fetch(`${service.url}/subscribe/a`, { headers });
    expect(((await refused.json()) as { code: string }).code).toBe('too-many-connections');
    const { channels } = (await (await fetch(`${service.url}/channels`, { headers })).json()) as { channels: unknown };
    expect(channels).toMatchObject([{ name: 'a', subscribers: 4 }]);
    const metrics = await (await fetch(`${service.url}/metrics`, { headers })).text();
    expect(metrics).toContain('tidegate_subscribers 4\n');
    expect(metrics).toContain('tidegate_channels 1\n');
    expect(metrics).toContain('tidegate_limit{limit="connections"} 4\n');
  }
  stop.abort();
});
