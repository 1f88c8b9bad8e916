import { Redis } from 'ioredis';
import { describe, expect, it } from 'vitest';
import { spooled } from '../../../test/conformance/sink.js';
import { createCapturingLogger } from '../../../test/support/capturing-logger.js';
import { CuttableLink } from '../../../test/support/cuttable-link.js';
import { hasRedis, startRedis } from '../../../test/support/redis-server.js';
import { createRedisSink } from './redis.js';
import type { RedisTarget } from './redis.js';

const never = new AbortController().signal;
const STREAM: RedisTarget = { kind: 'stream', key: 'events' };
const batch = (from: number, to: number) =>
  Array.from({ length: to - from + 1 }, (_, at) => spooled(from + at, `{"n":${from + at}}`));

async function openSink(url: string, target: RedisTarget = STREAM) {
  const logger = createCapturingLogger();
  const sink = createRedisSink({ url, target, timeoutMs: 2000 });
  await sink.open({ pipeline: 'p', runId: 'run', logger });
  return { sink, logger };
}

describe.skipIf(!hasRedis)('createRedisSink() [redis]', () => {
  it('adds an event to the stream with its id, type, data and time', async () => {
    await using server = await startRedis();
    const { sink } = await openSink(server.url);
    await sink.write([spooled(1, 'some\ntext', { id: 'a', type: 't', receivedAt: 0 })], never);
    const redis = new Redis(server.url);
    const [[, fields] = []] = await redis.xrange('events', '-', '+');
    expect(fields).toEqual(['id', 'a', 'type', 't', 'data', 'some\ntext', 'receivedAt', '1970-01-01T00:00:00.000Z']);
    redis.disconnect();
    await sink.close('stopped');
  });

  it('keeps the stream within its bound', async () => {
    await using server = await startRedis();
    const { sink } = await openSink(server.url, { ...STREAM, entriesMax: 100 });
    for (let from = 1; from < 2000; from += 500) await sink.write(batch(from, from + 499), never);
    const redis = new Redis(server.url);
    const length = await redis.xlen('events');
    expect(length).toBeGreaterThanOrEqual(100);
    expect(length).toBeLessThan(300);
    redis.disconnect();
    await sink.close('stopped');
  });

  it('writes a batch once although its answer was lost, and what is new of a longer one', async () => {
    await using server = await startRedis();
    const { sink } = await openSink(server.url);
    const redis = new Redis(server.url);
    await sink.write(batch(1, 3), never);
    await sink.write(batch(1, 3), never);
    await sink.write(batch(2, 5), never);
    expect(await redis.xlen('events')).toBe(5);
    // Another run counts from 1 again, and its events are others.
    const next = createRedisSink({ url: server.url, target: STREAM });
    await next.open({ pipeline: 'p', runId: 'next', logger: createCapturingLogger() });
    await next.write(batch(1, 2), never);
    expect(await redis.xlen('events')).toBe(7);
    redis.disconnect();
    await next.close('stopped');
    await sink.close('stopped');
  });

  it('publishes on a channel, where a batch that is repeated is heard once', async () => {
    await using server = await startRedis();
    const { sink } = await openSink(server.url, { kind: 'channel', channel: 'news' });
    const listener = new Redis(server.url);
    const heard: string[] = [];
    await listener.subscribe('news');
    const done = new Promise<void>((resolve) => {
      listener.on('message', (_, message) => {
        heard.push(message);
        if (heard.length === 3) resolve();
      });
    });
    await sink.write(batch(1, 2), never);
    await sink.write(batch(1, 2), never);
    await sink.write([spooled(3, 'plain')], never);
    await done;
    expect(heard).toEqual(['{"n":1}', '{"n":2}', '"plain"']);
    listener.disconnect();
    await sink.close('stopped');
  });

  it('does not start where the key holds something else, or Redis does not let it in', async () => {
    await using server = await startRedis(['--requirepass', 'hunter2']);
    const url = (password: string) => server.url.replace('//', `//:${password}@`);
    const redis = new Redis(url('hunter2'));
    await redis.set('events', 'x');
    redis.disconnect();
    await expect(openSink(url('hunter2'))).rejects.toMatchObject({ code: 'invalid-option' });
    const refused = openSink(url('wrong-hunter'));
    await expect(refused).rejects.toMatchObject({ code: 'access-refused' });
    await expect(refused).rejects.not.toThrow(/wrong-hunter/);
    await expect(openSink(server.url)).rejects.toMatchObject({ code: 'access-refused' });
  });

  it('waits for a Redis that is away: each write fails until it is there', async () => {
    await using server = await startRedis();
    await using link = await CuttableLink.open(() => server.port);
    link.down();
    const { sink, logger } = await openSink(link.url.replace('http:', 'redis:'));
    expect(logger.lines).toContainEqual(expect.objectContaining({ level: 'warn' }));
    await expect(sink.write(batch(1, 1), never)).rejects.toThrow(/Redis does not answer: .+ \(127\.0\.0\.1:\d+\)/);
    link.up();
    await sink.write(batch(1, 1), never);
    await sink.close('stopped');
  });

  it('says what Redis refuses, and not what was to be written', async () => {
    await using server = await startRedis();
    const { sink } = await openSink(server.url);
    const redis = new Redis(server.url);
    await redis.set('events', 'x');
    const write = sink.write([spooled(1, 'hunter2')], never);
    await expect(write).rejects.toThrow(/WRONGTYPE/);
    await expect(write).rejects.not.toThrow(/hunter2/);
    redis.disconnect();
    await sink.close('stopped');
  });
});

describe('createRedisSink()', () => {
  it.each(['http://a', 'secret', ''])('refuses the URL %j without showing it', (url) => {
    const create = () => createRedisSink({ url, target: STREAM });
    expect(create).toThrow(expect.objectContaining({ code: 'invalid-option' }) as Error);
    expect(create).not.toThrow(/secret/);
  });
});
