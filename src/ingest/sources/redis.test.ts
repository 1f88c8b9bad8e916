import { setImmediate as turn } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { createCapturingLogger } from '../../../test/support/capturing-logger.js';
import { JumpingClock } from '../../../test/support/clocks.js';
import { dataOf, readSource, resumeIdsOf } from '../../../test/support/reading.js';
import { hasRedis, startRedis, tell } from '../../../test/support/redis-server.js';
import type { Source, SourceItem, SourceReadOptions } from './source.js';
import { createRedisChannelSource } from './redis-channel.js';
import { createRedisStreamSource } from './redis-stream.js';

/** Reads until disposed. */
function follow(source: Source, from: Partial<SourceReadOptions> = {}) {
  const stop = new AbortController();
  const items: SourceItem[] = [];
  const logger = createCapturingLogger();
  const reading = (async () => {
    const options = { lastEventId: '', signal: stop.signal, logger, ...from };
    for await (const batch of source.read(options)) items.push(...batch);
  })();
  return {
    items,
    logger,
    until: async (count: number): Promise<void> => {
      while (dataOf(items).length < count) await turn();
    },
    connected: async (): Promise<void> => {
      while (!source.stats().isConnected) await turn();
    },
    async [Symbol.asyncDispose]() {
      stop.abort();
      await reading;
    },
  };
}

/** Redis tells how many are subscribed; nothing else says when a SUBSCRIBE is through. */
async function subscribed(port: number, channel: string): Promise<void> {
  while (!(await tell(port, `PUBSUB NUMSUB ${channel}`)).includes(':1')) await turn();
}

async function add(port: number, ...entries: readonly string[]): Promise<void> {
  for (const entry of entries) await tell(port, `XADD s * ${entry}`);
}

/** The stream `s` with the entries `ids`, and with nothing that was in it before. */
function fill(ids: readonly number[]): string {
  const script = `redis.call('DEL','s') for _,n in ipairs({${ids.join(',')}}) do redis.call('XADD','s',n..'-0','data',n) end`;
  return `EVAL "${script}" 0`;
}

describe.skipIf(!hasRedis)('createRedisStreamSource()', () => {
  it('reads entries as events, waits for more, and goes on after the last one', async () => {
    await using redis = await startRedis();
    await add(redis.port, 'data one type edit id own', 'a 1 b x');
    const first = createRedisStreamSource({ url: redis.url, stream: 's' });
    let position = '';
    {
      await using reading = follow(first);
      await reading.until(2);
      await add(redis.port, 'data three event new');
      await reading.until(3);
      expect(reading.items.flatMap((item) => (item.kind === 'event' ? [item.event] : []))).toMatchObject([
        { id: 'own', type: 'edit', data: 'one' },
        { type: 'message', data: '{"a":"1","b":"x"}' },
        { type: 'new', data: 'three' },
      ]);
      position = resumeIdsOf(reading.items).at(-1) ?? '';
      expect(position).toMatch(/^\d+-\d+@3$/);
      expect(first.stats()).toMatchObject({ isConnected: true, events: 3 });
    }
    await add(redis.port, 'data four');
    await using again = follow(createRedisStreamSource({ url: redis.url, stream: 's' }), { lastEventId: position });
    await again.until(1);
    expect(again.items.map(({ kind }) => kind)).toEqual(['event']);
    expect(dataOf(again.items)).toEqual(['four']);
  });

  it('reads thousands in order, whether it begins at the start or at the end', async () => {
    await using redis = await startRedis();
    const script = "for n=1,5000 do redis.call('XADD','s','*','data',n) end";
    await tell(redis.port, `EVAL "${script}" 0`);
    await using all = follow(createRedisStreamSource({ url: redis.url, stream: 's' }));
    await all.until(5000);
    expect(dataOf(all.items)).toEqual(Array.from({ length: 5000 }, (_, index) => String(index + 1)));
    await using late = follow(createRedisStreamSource({ url: redis.url, stream: 's', from: 'end' }));
    while (late.items.length === 0) await turn();
    await add(redis.port, 'data new');
    await late.until(1);
    expect(dataOf(late.items)).toEqual(['new']);
  });

  it.each([
    ['one more than was read', ['XTRIM s MAXLEN 1'], ['gap', '4'], true],
    ['all of it', ['XTRIM s MAXLEN 0'], ['gap'], true],
    ['all, before a new one', ['XTRIM s MAXLEN 0', 'XADD s * data 5'], ['gap', '5'], true],
    ['by name what was not read', ['XTRIM s MAXLEN 2', 'XDEL s 3-0'], ['gap', '4'], true],
    ['the whole stream, for another', ['DEL s', 'XADD s * data 5'], ['gap', '5'], true],
    ['just what was read', ['XTRIM s MAXLEN 2'], ['3', '4'], true],
    ['by name what was read', ['XDEL s 1-0', 'XDEL s 2-0'], ['3', '4'], true],
    ['less than was read', ['XTRIM s MAXLEN 3'], ['3', '4'], true],
    ['nothing', [], ['3', '4'], true],
    // As a checkpoint of a Redis before 7.0 has it, which does not count.
    ['just what was read, and Redis cannot tell', ['XTRIM s MAXLEN 2'], ['gap', '3', '4'], false],
  ])('says what was lost where Redis trimmed %s', async (_, commands, expected, isCounted) => {
    await using redis = await startRedis();
    const options = { url: redis.url, stream: 's' };
    for (const n of [1, 2]) await tell(redis.port, `XADD s ${n}-0 data ${n}`);
    let position = '';
    {
      await using reading = follow(createRedisStreamSource(options));
      await reading.until(2);
      position = resumeIdsOf(reading.items).at(-1) ?? '';
    }
    expect(position).toBe('2-0@2');
    for (const n of [3, 4]) await tell(redis.port, `XADD s ${n}-0 data ${n}`);
    for (const command of commands) await tell(redis.port, command);
    const lastEventId = isCounted ? position : '2-0';
    await using again = follow(createRedisStreamSource(options), { lastEventId });
    const told = (): readonly string[] =>
      again.items.flatMap((item) => {
        if (item.kind === 'event') return [item.event.data];
        return item.kind === 'gap' ? [item.kind] : [];
      });
    await again.connected();
    if (expected.at(-1) === 'gap') await tell(redis.port, 'XADD s * data last');
    await again.until(expected.filter((what) => what !== 'gap').length + (expected.at(-1) === 'gap' ? 1 : 0));
    expect(told().filter((what) => what !== 'last')).toEqual(expected);
    const gaps = again.items.flatMap((item) => (item.kind === 'gap' ? [item.gap] : []));
    for (const gap of gaps) expect(gap).toMatchObject({ kind: 'upstream', from: '2-0', reason: 'trimmed' });
    // Whoever goes on from here is not told again.
    await using third = follow(createRedisStreamSource(options), {
      lastEventId: resumeIdsOf(again.items).at(-1) ?? '',
    });
    await tell(redis.port, 'XADD s * data end');
    await third.until(1);
    expect(third.items.filter(({ kind }) => kind === 'gap')).toEqual([]);
  });

  it('says what was trimmed in one step with what it waited for', async () => {
    await using redis = await startRedis();
    await add(redis.port, 'data 1');
    await using reading = follow(createRedisStreamSource({ url: redis.url, stream: 's' }));
    await reading.until(1);
    while (!(await tell(redis.port, 'CLIENT LIST')).includes('cmd=xread')) await turn();
    const script = "for n=2,4 do redis.call('XADD','s','MAXLEN',1,'*','data',n) end";
    await tell(redis.port, `EVAL "${script}" 0`);
    await reading.until(2);
    await add(redis.port, 'data 5');
    await reading.until(3);
    expect(dataOf(reading.items)).toEqual(['1', '4', '5']);
    const gaps = reading.items.flatMap((item) => (item.kind === 'gap' ? [item.gap] : []));
    expect(gaps).toMatchObject([{ kind: 'upstream', reason: 'trimmed' }]);
  });

  it('begins again, which is a gap, where another stream took the place of this one', async () => {
    await using redis = await startRedis();
    const options = { url: redis.url, stream: 's', blockMs: 20 };
    await tell(redis.port, fill([7, 8]));
    const first = follow(createRedisStreamSource(options));
    await first.until(2);
    await tell(redis.port, fill([1, 2, 3]));
    await first.until(5);
    await first[Symbol.asyncDispose]();
    expect(dataOf(first.items)).toEqual(['7', '8', '1', '2', '3']);
    expect(first.items.filter(({ kind }) => kind === 'gap')).toMatchObject([
      { gap: { kind: 'upstream', from: '8-0', to: '3-0', reason: 'replaced' } },
    ]);
    const lastEventId = resumeIdsOf(first.items).at(-1) ?? '';
    await tell(redis.port, 'XADD s 4-0 data 4');
    await using again = follow(createRedisStreamSource(options), { lastEventId });
    await again.until(1);
    expect(again.items.map(({ kind }) => kind)).toEqual(['event']);
    // And while nobody read.
    await tell(redis.port, fill([1]));
    await using last = follow(createRedisStreamSource(options), { lastEventId });
    await last.until(1);
    expect(last.items.map(({ kind }) => kind)).toEqual(['gap', 'position', 'event']);
  });

  it('goes on behind what is left where Redis lost the end of the stream, as a failover may', async () => {
    await using redis = await startRedis();
    await tell(redis.port, fill([1, 2, 3, 4, 5, 6, 7, 8]));
    const options = { url: redis.url, stream: 's', blockMs: 20 };
    const first = follow(createRedisStreamSource(options));
    await first.until(8);
    await first[Symbol.asyncDispose]();
    await tell(redis.port, fill([1, 2, 3, 4, 5, 6, 7]));
    await tell(redis.port, 'XADD s 7-1 data new');
    await using again = follow(createRedisStreamSource(options), {
      lastEventId: resumeIdsOf(first.items).at(-1) ?? '',
    });
    while (!again.items.some(({ kind }) => kind === 'gap')) await turn();
    // Its clock is behind that of the one before.
    await tell(redis.port, 'XADD s 7-2 data newer');
    await again.until(1);
    expect(dataOf(again.items)).toEqual(['newer']);
    expect(again.items).toMatchObject([
      { kind: 'gap', gap: { kind: 'upstream', from: '8-0', to: '7-1', reason: 'rolled-back' } },
      { kind: 'position', resumeId: '7-1@8' },
      { kind: 'event' },
    ]);
  });

  it('says what was trimmed while its pipeline did not read', async () => {
    await using redis = await startRedis();
    await add(redis.port, 'data 1');
    const stop = new AbortController();
    const logger = createCapturingLogger();
    const source = createRedisStreamSource({ url: redis.url, stream: 's' });
    const items: SourceItem[] = [];
    for await (const batch of source.read({ lastEventId: '', signal: stop.signal, logger })) {
      items.push(...batch);
      if (dataOf(items).at(-1) === '3') break;
      if (dataOf(items).length !== 1) continue;
      await add(redis.port, 'data 2', 'data 3');
      await tell(redis.port, 'XTRIM s MAXLEN 1');
    }
    expect(dataOf(items)).toEqual(['1', '3']);
    expect(items.filter(({ kind }) => kind === 'gap')).toHaveLength(1);
  });

  it('comes back when Redis does, and misses nothing that Redis kept', async () => {
    await using redis = await startRedis(['--appendonly', 'yes', '--appendfsync', 'always']);
    await add(redis.port, 'data 1');
    const source = createRedisStreamSource({ url: redis.url, stream: 's', random: () => 0.05 });
    await using reading = follow(source);
    await reading.until(1);
    await redis.kill();
    while ((source.stats().reconnects['broken'] ?? 0) < 2) await turn();
    await redis.start();
    await add(redis.port, 'data 2');
    await reading.until(2);
    expect(dataOf(reading.items)).toEqual(['1', '2']);
    expect(reading.items.filter(({ kind }) => kind === 'gap')).toEqual([]);
  });

  it('fails for good on what is no stream and on a wrong password, without showing it', async () => {
    await using redis = await startRedis();
    await tell(redis.port, 'SET s text');
    const clock = new JumpingClock();
    const wrongKey = await readSource(createRedisStreamSource({ url: redis.url, stream: 's', clock }));
    expect(wrongKey.error).toMatchObject({ code: 'source-refused', message: expect.stringContaining('WRONGTYPE') });
    await tell(redis.port, 'CONFIG SET requirepass right');
    const url = redis.url.replace('//', '//:wr0ng@');
    const refused = await readSource(createRedisStreamSource({ url, stream: 's', clock }));
    expect(refused.error).toMatchObject({ code: 'access-refused' });
    expect(JSON.stringify([refused.logger.lines, String(refused.error)])).not.toContain('wr0ng');
    expect(() => createRedisStreamSource({ url: 'http://s3cret@x', stream: 's' })).toThrow(
      expect.objectContaining({ code: 'invalid-option', message: expect.not.stringContaining('s3cret') }),
    );
  });
});

describe.skipIf(!hasRedis)('createRedisChannelSource()', () => {
  it('takes what is published, and records what it could not hear', async () => {
    await using redis = await startRedis();
    const source = createRedisChannelSource({ url: redis.url, channel: 'c', random: () => 0.05 });
    await using reading = follow(source);
    await subscribed(redis.port, 'c');
    await tell(redis.port, 'PUBLISH c one');
    await reading.until(1);
    await redis.kill();
    while ((source.stats().reconnects['broken'] ?? 0) < 1) await turn();
    await redis.start();
    await subscribed(redis.port, 'c');
    await tell(redis.port, 'PUBLISH c two');
    await reading.until(2);
    expect(reading.items).toMatchObject([
      { kind: 'event', resumeId: '', event: { id: '', type: 'message', data: 'one' } },
      { kind: 'gap', gap: { kind: 'downtime', reason: 'broken' } },
      { kind: 'event', event: { data: 'two' } },
    ]);
  });

  it('keeps a bounded number while nobody takes them, and says since when it lost some', async () => {
    await using redis = await startRedis();
    const source = createRedisChannelSource({ url: redis.url, channel: 'c', waitingMax: 3 });
    const stop = new AbortController();
    const batches = source.read({
      lastEventId: '',
      downSince: 0,
      signal: stop.signal,
      logger: createCapturingLogger(),
    });
    const iterator = batches[Symbol.asyncIterator]();
    expect((await iterator.next()).value).toMatchObject([{ kind: 'gap', gap: { reason: 'restart' } }]);
    await subscribed(redis.port, 'c');
    for (const n of [1, 2, 3, 4, 5]) await tell(redis.port, `PUBLISH c ${n}`);
    // The connection answers in order: once this is heard of, the five were.
    for (let turns = 0; turns < 100; turns += 1) await turn();
    const { value } = await iterator.next();
    expect((value as SourceItem[]).map((item) => (item.kind === 'event' ? item.event.data : item.kind))).toEqual([
      '1',
      '2',
      '3',
      'gap',
    ]);
    stop.abort();
    expect((await iterator.next()).done).toBe(true);
  });
});
