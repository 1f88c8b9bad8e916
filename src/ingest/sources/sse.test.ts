import type { ServerResponse } from 'node:http';
import { setImmediate as turn } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { createCapturingLogger } from '../../../test/support/capturing-logger.js';
import { ManualClock } from '../../../test/support/clocks.js';
import { dataOf, readSse as readAll } from '../../../test/support/reading.js';
import { cut, hold, serve, startUpstream, status } from '../../../test/support/upstream.js';
import { systemClock } from '../../base/index.js';
import type { SourceItem } from './source.js';
import { createSseSource } from './sse.js';

// By the clock that the tests below read with.
const utc = (minute: number): string => new Date(Date.UTC(2026, 10, 20, 0, minute)).toUTCString();

describe('createSseSource()', () => {
  it('asks for an event stream, says who asks, and resumes with the id as UTF-8', async () => {
    await using upstream = await startUpstream(serve('id: Zürich–1\ndata: a\n\n'));
    await readAll({ url: upstream.url, headers: { 'X-Key': 'k' } }, { lastEventId: '' });
    const [first, second] = upstream.requests;
    expect(first).toMatchObject({ accept: 'text/event-stream', 'cache-control': 'no-store', 'x-key': 'k' });
    expect(first?.['user-agent']).toMatch(/^tidegate\/\d+\.\d+\.\d+ \(\+https:\/\/github.com\/tidegate\/tidegate\)$/);
    expect(first).not.toHaveProperty('last-event-id');
    expect(Buffer.from(second?.['last-event-id'] as string, 'latin1').toString()).toBe('Zürich–1');
  });

  it('resumes after the id of an id-only block, and reports it', async () => {
    await using upstream = await startUpstream(serve('id: 1\ndata: a\n\nid: 2\n\n'));
    const { items } = await readAll({ url: upstream.url });
    expect(items.map((item) => item.kind)).toEqual(['event', 'position']);
    expect(items[1]).toEqual({ kind: 'position', resumeId: '2' });
    expect(upstream.requests[1]).toMatchObject({ 'last-event-id': '2' });
  });

  it.each([
    ['a clean end', serve('id: 1\ndata: a\n\n'), { closed: 2 }, [1000]],
    ['a break', cut('id: 1\ndata: a\n\n'), { broken: 1 }, [1000]],
    ['503', status(503), { status: 1 }, [1000]],
    ['429 with Retry-After', status(429, { 'retry-after': '9' }), { status: 1 }, [9000]],
    ['503 with Retry-After as a date', status(503, { 'retry-after': utc(1) }), { status: 1 }, [60_000]],
    ['503 with Retry-After in the past', status(503, { 'retry-after': utc(0) }), { status: 1 }, [1000]],
    ['503 with a Retry-After that says nothing', status(503, { 'retry-after': 'soon' }), { status: 1 }, [1000]],
    ['408', status(408), { status: 1 }, [1000]],
    ['another 2xx', status(202), { status: 1 }, [1000]],
    ['a redirect to nowhere', status(302), { status: 1 }, [1000]],
    ['a redirect to another scheme', status(302, { location: 'file:///etc/passwd' }), { broken: 1 }, [1000]],
    ['retry:', cut('retry: 5000\ndata: a\n\n'), { broken: 1 }, [5000]],
    [
      'tidegate.error',
      hold('event: tidegate.error\ndata: {"code":"drain","retryable":true}\n\n'),
      { refused: 1 },
      [1000],
    ],
  ])('reconnects after %s', async (_, step, reconnects, delays) => {
    await using upstream = await startUpstream(step, serve('data: b\n\n'), status(204));
    const { items, source, clock, error } = await readAll({ url: upstream.url });
    expect(error).toBeUndefined();
    expect(dataOf(items)).toContain('b');
    expect(source.stats().reconnects).toMatchObject(reconnects);
    expect(clock.delays.slice(0, delays.length)).toEqual(delays);
    expect(upstream.requests).toHaveLength(3);
  });

  it('backs off while the server is away, and begins anew after health', async () => {
    const away = [status(500), status(500), status(500), status(500), status(500), status(500), status(500)];
    await using upstream = await startUpstream(...away, cut('data: a\n\n'), status(500));
    const { clock } = await readAll({ url: upstream.url });
    expect(clock.delays).toEqual([1000, 2000, 4000, 8000, 16_000, 30_000, 30_000, 1000, 2000]);
  });

  it('starts no more than one connection a second, however often a server closes after one event', async () => {
    const steps = Array.from({ length: 20 }, (_, index) => serve(`id: ${index}\ndata: x\n\n`));
    await using upstream = await startUpstream(...steps);
    const { clock, items } = await readAll({ url: upstream.url });
    expect(dataOf(items)).toHaveLength(20);
    expect(clock.delays).toEqual(Array.from({ length: 20 }, () => 1000));
  });

  it.each([401, 403, 404, 410])('fails for good on %i', async (code) => {
    await using upstream = await startUpstream(status(code));
    const { error } = await readAll({ url: upstream.url });
    expect(error).toMatchObject({ code: 'source-refused', message: expect.stringContaining(`answered ${code}`) });
    expect(upstream.requests).toHaveLength(1);
  });

  it('fails for good on a tidegate.error that says so', async () => {
    const data = JSON.stringify({ code: 'forbidden', message: 'No grant', retryable: false });
    await using upstream = await startUpstream(hold(`retry: 1\nevent: tidegate.error\ndata: ${data}\n\n`));
    const { error } = await readAll({ url: upstream.url });
    expect(error).toMatchObject({ code: 'source-refused', message: expect.stringContaining('No grant (forbidden)') });
  });

  it('reconnects when the server cannot be reached', async () => {
    const gone = await startUpstream();
    await gone[Symbol.asyncDispose]();
    const stop = new AbortController();
    const logger = createCapturingLogger();
    const warn = logger.warn.bind(logger);
    const counting = {
      ...logger,
      warn: (fields: object, text: string) => (warn(fields, text), logger.lines.length >= 3 && stop.abort()),
    };
    const { source } = await readAll({ url: gone.url }, { signal: stop.signal, logger: counting });
    expect(source.stats().reconnects).toEqual({ broken: 3 });
    expect(logger.lines[0]?.fields).toMatchObject({ cause: 'broken', detail: expect.stringContaining('ECONNREFUSED') });
  });

  it('treats tidegate.* as control, never as data', async () => {
    const gap = '{"reason":"evicted","channel":"c","requested":"~aaaaaaaa-1","resumedAt":"~aaaaaaaa-5"}';
    await using upstream = await startUpstream(
      cut(
        'id: ~aaaaaaaa-1\nevent: tidegate.open\ndata: {"channels":["c","d"]}\n\n' +
          `id: ~aaaaaaaa-5\nevent: tidegate.gap\ndata: ${gap}\n\n` +
          'data: one\n\nid: ~aaaaaaaa-6\nevent: tidegate.cursor\ndata: {}\n\n' +
          'event: tidegate.end\ndata: {"channel":"c"}\n\ndata: two\n\n',
      ),
      hold(
        'event: tidegate.open\ndata: {"channels":["d"]}\n\nevent: tidegate.end\ndata: {"channel":"d"}\n\ndata: after\n\n',
      ),
    );
    const { items, error } = await readAll({ url: upstream.url });
    expect(error).toBeUndefined();
    expect(dataOf(items)).toEqual(['one', 'two']);
    expect(items.find((item) => item.kind === 'gap')).toEqual({
      kind: 'gap',
      gap: { kind: 'upstream', from: '~aaaaaaaa-1', to: '~aaaaaaaa-5', reason: 'evicted' },
    });
    expect(upstream.requests[1]).toMatchObject({ 'last-event-id': '~aaaaaaaa-6' });
    expect(upstream.requests).toHaveLength(2);
  });

  it('records the downtime of a stream without ids as a gap', async () => {
    await using upstream = await startUpstream(serve('data: a\n\n'), status(503), serve('data: b\n\n'));
    const downSince = Date.UTC(2026, 10, 19, 23);
    const { items } = await readAll({ url: upstream.url }, { downSince });
    const gaps = items.flatMap((item) => (item.kind === 'gap' ? [item.gap] : []));
    expect(gaps).toMatchObject([
      { kind: 'downtime', from: '2026-11-19T23:00:00.000Z', to: '2026-11-20T00:00:00.000Z', reason: 'restart' },
      { kind: 'downtime', from: '2026-11-20T00:00:00.000Z', to: '2026-11-20T00:00:02.000Z', reason: 'closed' },
    ]);
  });

  it('records no gap where it can resume', async () => {
    await using upstream = await startUpstream(serve('id: 7\ndata: a\n\n'), serve('data: b\n\n'));
    const { items } = await readAll({ url: upstream.url }, { downSince: 1, lastEventId: '6' });
    expect(items.filter((item) => item.kind === 'gap')).toEqual([]);
    expect(upstream.requests.map((headers) => headers['last-event-id'])).toEqual(['6', '7', '7']);
  });

  it.each([
    ['a control character', 'a\u0001b'],
    ['a long id', 'x'.repeat(5000)],
  ])('goes on without an id that no header can carry, and records the gap: %s', async (_, id) => {
    await using upstream = await startUpstream(serve(`id: ${id}\ndata: a\n\n`), serve('id: 2\ndata: b\n\n'));
    const { items, error } = await readAll({ url: upstream.url });
    expect(error).toBeUndefined();
    expect(upstream.requests[1]).not.toHaveProperty('last-event-id');
    expect(items.map((item) => item.kind)).toEqual(['event', 'gap', 'event']);
  });

  it('reconnects after a silence that no comment broke, and counts the silence as downtime', async () => {
    let live: ServerResponse | undefined;
    await using upstream = await startUpstream((response, request) => {
      hold(': hello\n\n')(response, request);
      live = response;
    }, serve('data: b\n\n'));
    const clock = new ManualClock(0);
    const source = createSseSource({ url: upstream.url, clock, idleTimeoutMs: 60_000, random: () => 0 });
    const logger = createCapturingLogger();
    const items: SourceItem[] = [];
    const over = new AbortController();
    const reading = collect(source.read({ lastEventId: '', signal: new AbortController().signal, logger }), items);
    const ended = reading.then(() => over.abort());
    const hear = async (bytes: number): Promise<void> => {
      while (source.stats().bytes < bytes) await turn();
      await clock.waitForTimers();
    };
    await hear(9);
    clock.advance(59_000);
    live?.write(':\n');
    await hear(11);
    clock.advance(59_000);
    expect(source.stats().reconnects).toEqual({});
    clock.advance(1000);
    while (source.stats().reconnects['closed'] === undefined) {
      clock.advance(0);
      await turn();
    }
    while (!over.signal.aborted) {
      clock.advance(100);
      await turn();
    }
    await ended;
    expect(source.stats().reconnects).toEqual({ 'idle-timeout': 1, closed: 1 });
    const [from, to] = ['1970-01-01T00:00:59.000Z', '1970-01-01T00:01:59.000Z'];
    expect(items[0]).toEqual({ kind: 'gap', gap: { kind: 'downtime', from, to, reason: 'idle-timeout' } });
    expect(upstream.requests).toHaveLength(3);
  });

  it('reconnects when a server accepts and says nothing at all', async () => {
    await using upstream = await startUpstream(() => {});
    const { source } = await readAll({ url: upstream.url, idleTimeoutMs: 50, clock: systemClock });
    expect(source.stats().reconnects).toEqual({ 'idle-timeout': 1 });
  });

  it('follows redirects, but sends its own headers to the first origin only', async () => {
    await using other = await startUpstream(serve('data: there\n\n'));
    await using upstream = await startUpstream(
      (response, request) => status(307, { location: '/moved' })(response, request),
      status(302, { location: other.url }),
    );
    const { items, error } = await readAll({
      url: upstream.url.replace('http://', 'http://user:pa%20ss@'),
      headers: { 'X-Secret': 's3cret' },
    });
    expect(error).toBeUndefined();
    expect(dataOf(items)).toEqual(['there']);
    const basic = `Basic ${Buffer.from('user:pa ss').toString('base64')}`;
    expect(upstream.requests[1]).toMatchObject({ 'x-secret': 's3cret', authorization: basic });
    expect(other.requests[0]).not.toHaveProperty('x-secret');
    expect(other.requests[0]).not.toHaveProperty('authorization');
  });

  it('does not follow a circle of redirects for ever', async () => {
    const circle = Array.from({ length: 6 }, () => status(302, { location: '/stream' }));
    await using upstream = await startUpstream(...circle);
    const { source } = await readAll({ url: upstream.url });
    expect(source.stats().reconnects).toEqual({ broken: 1 });
  });

  it('never logs a secret', async () => {
    await using upstream = await startUpstream(status(503), cut('data: a\n\n'), status(403));
    const url = `${upstream.url.replace('http://', 'http://user:s3cret@')}?token=s3cret`;
    const { logger, error } = await readAll({ url, headers: { authorization: 's3cret' } });
    expect(logger.lines.length).toBeGreaterThan(2);
    expect(JSON.stringify(logger.lines) + String(error)).not.toContain('s3cret');
    expect(() => createSseSource({ url, headers: { 'x-key': 's3cret\n' } })).toThrow(/^Cannot send header "x-key"/);
    expect(() => createSseSource({ url: 'ftp://u:s3cret@h/' })).toThrow(/^Cannot use the URL of the source: it is no/);
  });

  it('stops at once when its signal aborts', async () => {
    await using upstream = await startUpstream(hold('data: a\n\n'));
    const stop = new AbortController();
    const { items, error } = await readAll({ url: upstream.url }, { signal: stop.signal }, () => stop.abort());
    expect(error).toBeUndefined();
    expect(dataOf(items)).toEqual(['a']);
    expect(upstream.requests).toHaveLength(1);
  });
});

describe('createSseSource() with an upstream that lies', () => {
  it.each([
    ['HTML with 200', { 'content-type': 'text/html' }],
    ['no content type', {}],
    ['a near miss', { 'content-type': 'text/event-streams' }],
    ['a coding nobody asked for', { 'content-type': 'text/event-stream', 'content-encoding': 'compress' }],
  ])('reads no event from %s', async (_, headers) => {
    await using upstream = await startUpstream((response) => {
      response.writeHead(200, headers as Record<string, string>);
      response.end('data: lie\n\n');
    }, serve('data: truth\n\n'));
    const { items, source } = await readAll({ url: upstream.url });
    expect(dataOf(items)).toEqual(['truth']);
    expect(source.stats().reconnects).toMatchObject({ 'not-an-event-stream': 1 });
  });

  it('lives with NULs and invalid UTF-8', async () => {
    const bytes = Buffer.concat([
      Buffer.from('id: a\0b\ndata: x\0y\n\ndata: '),
      Buffer.of(0xff, 0xfe, 0xc3, 0x28, 0x0a, 0x0a),
      Buffer.from('data: fine\n\n'),
    ]);
    await using upstream = await startUpstream(serve(bytes));
    const { items } = await readAll({ url: upstream.url });
    expect(dataOf(items)).toEqual(['x\0y', '\ufffd\ufffd\ufffd(', 'fine']);
  });

  it.each([
    ['an endless line', 'data: ', 'x'],
    ['an endless event', 'data: a\n', 'data: a\n'],
    ['endless nonsense without a line end', '', '\0'],
  ])('gives up on %s in bounded memory', async (_, head, unit) => {
    const chunk = Buffer.from(unit.repeat(Math.ceil(65_536 / unit.length)));
    let sent = 0;
    await using upstream = await startUpstream((response) => {
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      response.write(`id: 1\ndata: first\n\n${head}`);
      const more = (): void => {
        while (!response.destroyed && response.write(chunk)) sent += chunk.length;
        sent += chunk.length;
      };
      response.on('drain', more);
      more();
    }, serve('data: next\n\n'));
    const before = process.memoryUsage.rss();
    const { items, source } = await readAll({ url: upstream.url, maxEventBytes: 1024 * 1024 });
    expect(dataOf(items)).toEqual(['first', 'next']);
    expect(source.stats().reconnects).toMatchObject({ 'event-too-large': 1 });
    expect(source.stats().bytes).toBeLessThan(2 * 1024 * 1024);
    expect(sent).toBeLessThan(64 * 1024 * 1024);
    expect(process.memoryUsage.rss() - before).toBeLessThan(200 * 1024 * 1024);
  });
});

async function collect(batches: AsyncIterable<readonly SourceItem[]>, items: SourceItem[]): Promise<void> {
  for await (const batch of batches) items.push(...batch);
}
