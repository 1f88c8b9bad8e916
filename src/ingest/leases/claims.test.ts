import { describe, expect, it } from 'vitest';
import { createCapturingLogger } from '../../../test/support/capturing-logger.js';
import { ManualClock } from '../../../test/support/clocks.js';
import { CuttableLink } from '../../../test/support/cuttable-link.js';
import { hasRedis, startRedis, tell } from '../../../test/support/redis-server.js';
import type { RedisServer } from '../../../test/support/redis-server.js';
import type { Checkpoint } from '../checkpoints/checkpoint.js';
import { Claims } from './claims.js';
import { Lease } from './lease.js';
import { LeaseStore } from './lease-store.js';
import type { Claim } from './lease-store.js';

const { signal: never } = new AbortController();

const at = (lastEventId: string): Checkpoint => ({
  lastEventId,
  receivedAt: '2026-11-20T00:00:00.000Z',
  gaps: [],
  updatedAt: '2026-11-20T00:00:01.000Z',
});

function storeOn({ url }: { readonly url: string }, worker: string, ttlMs = 60_000): LeaseStore & Disposable {
  const store = new LeaseStore({ url, prefix: 'test', worker, ttlMs, timeoutMs: 5000 });
  return Object.assign(store, { [Symbol.dispose]: () => store.close() });
}

async function claimed(store: LeaseStore, holder: string): Promise<Claim> {
  let claim: Claim | undefined;
  await expect
    .poll(async () => {
      const answer = await store.claim('p', holder);
      if (answer.kind === 'granted') claim = { pipeline: 'p', holder, token: answer.token };
      return answer.kind;
    })
    .toBe('granted');
  return claim ?? { pipeline: 'p', holder, token: 0 };
}

describe.skipIf(!hasRedis)('LeaseStore', () => {
  it('claim() gives a pipeline to one at a time, and the checkpoint with it', async () => {
    await using redis = await startRedis();
    using a = storeOn(redis, 'a');
    using b = storeOn(redis, 'b');
    const first = await claimed(a, 'a1');
    expect(await b.claim('p', 'b1')).toEqual({ kind: 'taken', worker: 'a' });
    expect(await a.save(first, 'here')).toBe(true);
    await a.release(first);
    expect(await b.claim('p', 'b1')).toEqual({ kind: 'granted', token: first.token + 1, checkpoint: 'here' });
  });

  it('save() and renew() refuse whoever was overtaken, and leave the newer checkpoint alone', async () => {
    await using redis = await startRedis();
    using a = storeOn(redis, 'a', 20);
    using b = storeOn(redis, 'b');
    const old = await claimed(a, 'a1');
    const young = await claimed(b, 'b1');
    expect(young.token).toBe(old.token + 1);
    expect(await b.save(young, 'newer')).toBe(true);
    expect(await a.save(old, 'older')).toBe(false);
    expect(await a.renew(old)).toBe(false);
    await a.release(old);
    expect(await tell(redis.port, 'HMGET test:pipeline:p checkpoint holder')).toContain('newer\r\n$2\r\nb1');
  });

  it('save() still serves whose time is over while nobody has overtaken', async () => {
    await using redis = await startRedis();
    using a = storeOn(redis, 'a', 1);
    const claim = await claimed(a, 'a1');
    await expect.poll(async () => Number(await isOver(redis))).toBe(1);
    expect(await a.save(claim, 'last')).toBe(true);
  });

  it('save() does not take two claims of one token for the same: a failover may have forgotten the first', async () => {
    await using redis = await startRedis();
    using a = storeOn(redis, 'a');
    using b = storeOn(redis, 'b');
    const lost = await claimed(a, 'a1');
    await tell(redis.port, 'FLUSHALL');
    const again = await claimed(b, 'b1');
    expect(again.token).toBe(lost.token);
    expect(await a.save(lost, 'older')).toBe(false);
  });

  it('renew() puts a lease back that Redis has lost, with its token', async () => {
    await using redis = await startRedis();
    using a = storeOn(redis, 'a');
    using b = storeOn(redis, 'b');
    await a.release(await claimed(a, 'a0'));
    const claim = await claimed(a, 'a1');
    await tell(redis.port, 'FLUSHALL');
    expect(await a.renew(claim)).toBe(true);
    expect(await b.claim('p', 'b1')).toEqual({ kind: 'taken', worker: 'a' });
    await a.release(claim);
    expect(await b.claim('p', 'b1')).toMatchObject({ kind: 'granted', token: claim.token + 1 });
  });
});

async function isOver({ port }: RedisServer): Promise<boolean> {
  const [, until = ''] = /\$\d+\r\n(\d+)/.exec(await tell(port, 'HGET test:pipeline:p until')) ?? [];
  const [, seconds = '', micros = ''] = /\$\d+\r\n(\d+)\r\n\$\d+\r\n(\d+)/.exec(await tell(port, 'TIME')) ?? [];
  return Number(seconds) * 1000 + Number(micros) / 1000 > Number(until);
}

function claimsOn(url: string, worker: string, ttlMs = 1000): Claims {
  return new Claims({ url, worker, ttlMs, logger: createCapturingLogger() });
}

const PIPELINES = ['p', 'q', 'r', 's'];

/** Takes and drops leases as keepers do: gives back what is recalled, and asks for it again. */
function keep(claims: Claims): { readonly leases: Map<string, Lease> } {
  const leases = new Map<string, Lease>();
  claims.share(PIPELINES.length);
  const keepOne = async (name: string): Promise<void> => {
    const lease = await claims.take(name, never);
    if (lease === undefined) return;
    leases.set(name, lease);
    await new Promise<void>((resolve) => {
      lease.recalled.addEventListener('abort', () => resolve(), { once: true });
      lease.lost.addEventListener('abort', () => resolve(), { once: true });
    });
    leases.delete(name);
    await lease.release();
    await keepOne(name);
  };
  for (const name of PIPELINES) void keepOne(name);
  return { leases };
}

describe.skipIf(!hasRedis)('Claims', () => {
  it('share pipelines evenly, and take over at once from a worker that leaves', async () => {
    await using redis = await startRedis();
    await using a = claimsOn(redis.url, 'a');
    const ofA = keep(a);
    await expect.poll(() => ofA.leases.size, { timeout: 5000 }).toBe(4);
    const b = claimsOn(redis.url, 'b');
    const ofB = keep(b);
    await expect.poll(() => [ofA.leases.size, ofB.leases.size], { timeout: 5000 }).toEqual([2, 2]);
    expect(new Set([...ofA.leases.keys(), ...ofB.leases.keys()]).size).toBe(4);
    await b[Symbol.asyncDispose]();
    await expect.poll(() => ofA.leases.size, { timeout: 5000 }).toBe(4);
  });

  it('lose what cannot be renewed before Redis gives it to somebody else', async () => {
    await using redis = await startRedis();
    await using link = await CuttableLink.open(() => redis.port);
    // So long that a timer may be late by the margin between the two ends.
    await using a = claimsOn(link.url.replace('http:', 'redis:'), 'a', 4000);
    a.share(1);
    const lease = await a.take('p', never);
    if (lease === undefined) throw new Error('There is no lease');
    await lease.checkpoints.save(at('7'));
    link.down();
    await new Promise<void>((resolve) => lease.lost.addEventListener('abort', () => resolve(), { once: true }));
    expect(await isStillTaken(redis)).toBe(true);
    await expect(lease.checkpoints.save(at('8'))).rejects.toMatchObject({ code: 'lease-lost' });
    await using b = claimsOn(redis.url, 'b');
    b.share(1);
    const next = await b.take('p', never);
    expect(next?.token).toBe(lease.token + 1);
    expect(await next?.checkpoints.load()).toEqual(at('7'));
    await next?.release();
    await lease.release();
  });

  it('find what nobody has, though it would be the part of one that does not want it', async () => {
    await using redis = await startRedis();
    await using a = claimsOn(redis.url, 'a');
    a.share(1);
    const other = new AbortController();
    const idle = a.take('another', other.signal);
    const lease = await idle;
    await lease?.release();
    await using b = claimsOn(redis.url, 'b');
    b.share(1);
    const found = await b.take('p', never);
    expect(found?.isHeld).toBe(true);
    await found?.release();
  });

  it('wait for a Redis that is not there yet', async () => {
    await using redis = await startRedis();
    await using link = await CuttableLink.open(() => redis.port);
    link.down();
    const logger = createCapturingLogger();
    const url = link.url.replace('http:', 'redis:');
    await using a = new Claims({ url, worker: 'a', ttlMs: 1000, logger });
    a.share(1);
    const taking = a.take('p', never);
    await expect
      .poll(() => logger.lines.map(({ message }) => message))
      .toContain('Cannot reach Redis for leases; trying again');
    expect(a.state).toEqual({ isConnected: false, workers: 0, held: 0 });
    link.up();
    const lease = await taking;
    expect(lease?.isHeld).toBe(true);
    await lease?.release();
  });

  it('give nothing to whoever does not wait any more', async () => {
    await using redis = await startRedis();
    {
      await using a = claimsOn(redis.url, 'a');
      a.share(1);
      const stop = new AbortController();
      const taking = a.take('p', stop.signal);
      stop.abort();
      expect(await taking).toBeUndefined();
    }
    await using b = claimsOn(redis.url, 'b');
    b.share(1);
    const lease = await b.take('p', never);
    expect(lease?.isHeld).toBe(true);
    await lease?.release();
  });
});

async function isStillTaken({ port }: RedisServer): Promise<boolean> {
  const holder = await tell(port, 'HGET tidegate-ingest:pipeline:p holder');
  const [, until = '0'] = /\$\d+\r\n(\d+)/.exec(await tell(port, 'HGET tidegate-ingest:pipeline:p until')) ?? [];
  return holder.length > 10 && Number(until) >= Date.now() - 5;
}

describe('Lease', () => {
  it('isHeld is false as soon as its time is over, before any timer says so', async () => {
    const clock = new ManualClock();
    const lease = new Lease({
      claim: { pipeline: 'p', holder: 'h', token: 1 },
      checkpoint: '',
      store: new LeaseStore({ url: 'redis://127.0.0.1:1', prefix: 'test', worker: 'a', ttlMs: 1000, timeoutMs: 10 }),
      ttlMs: 1000,
      sentAt: { wallMs: clock.now() - 900, steadyMs: performance.now() },
      clock,
      logger: createCapturingLogger(),
      onReleased: () => undefined,
    });
    expect([lease.isHeld, lease.lost.aborted]).toEqual([true, false]);
    const sleeping = new ManualClock(clock.now() + 60);
    clock.now = () => sleeping.now();
    expect([lease.isHeld, lease.lost.aborted]).toEqual([false, true]);
    await expect(lease.checkpoints.save(at('1'))).rejects.toMatchObject({ code: 'lease-lost' });
  });
});
