import type { ServerResponse } from 'node:http';
import { setImmediate as turn } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { ManualClock } from '../../../test/support/clocks.js';
import { dataOf, readSource, readSse, resumeIdsOf } from '../../../test/support/reading.js';
import { cut, hold, serve, startUpstream, status } from '../../../test/support/upstream.js';
import type { Step } from '../../../test/support/upstream.js';
import type { SourceItem } from './source.js';
import { createSseSource } from './sse.js';

/** Notes what was asked for. */
function note(urls: (string | undefined)[], answer: Step): Step {
  return (response, request) => {
    urls.push(request.url);
    answer(response, request);
  };
}

describe('createSseSource(): token', () => {
  it('asks for the token before every request, and again where one was refused', async () => {
    const tokens = ['one', 'two', 'three'];
    const token = (): Promise<string> => Promise.resolve(tokens.shift() ?? 'none');
    await using upstream = await startUpstream(serve('data: a\n\n'), status(401), serve('data: b\n\n'));
    const { items, error, logger } = await readSse({ url: upstream.url, token });
    expect(error).toBeUndefined();
    expect(dataOf(items)).toEqual(['a', 'b']);
    const sent = upstream.requests.map(({ authorization }) => authorization);
    expect(sent).toEqual(['Bearer one', 'Bearer two', 'Bearer three', 'Bearer none']);
    expect(JSON.stringify(logger.lines)).not.toMatch(/one|two|three/);
  });

  it('goes on where a hub says in the stream that the token has expired', async () => {
    const refusal = JSON.stringify({ code: 'token-expired', message: 'The token has expired', retryable: false });
    const expired = hold(`event: tidegate.error\ndata: ${refusal}\n\n`);
    await using upstream = await startUpstream(expired, serve('data: b\n\n'));
    const { items, error } = await readSse({ url: upstream.url, token: () => Promise.resolve('t') });
    expect(error).toBeUndefined();
    expect(dataOf(items)).toEqual(['b']);
  });

  it('waits for a token that cannot be had, and does not show one that cannot be sent', async () => {
    let times = 0;
    const token = (): Promise<string> => {
      times += 1;
      if (times === 1) return Promise.reject(new Error('the file is not there'));
      return Promise.resolve(times === 2 ? 'se\ncret' : 'good');
    };
    await using upstream = await startUpstream(serve('data: a\n\n'));
    const { items, logger } = await readSse({ url: upstream.url, token });
    expect(dataOf(items)).toEqual(['a']);
    const details = logger.lines.map(({ fields }) => fields['detail']);
    expect(details.slice(0, 2)).toEqual(['the file is not there', expect.stringContaining('authorization')]);
    expect(JSON.stringify(logger.lines)).not.toContain('cret');
  });

  it('sends the token to the origin of the URL only', async () => {
    await using other = await startUpstream(serve('data: a\n\n'));
    await using upstream = await startUpstream(status(302, { location: other.url }));
    await readSse({ url: upstream.url, token: () => Promise.resolve('t') });
    expect(other.requests[0]).not.toHaveProperty('authorization');
  });
});

describe('createSseSource(): query', () => {
  it('starts with its start parameters until there is an id or an event', async () => {
    const urls: (string | undefined)[] = [];
    await using upstream = await startUpstream(
      note(urls, status(503)),
      note(urls, serve('id: 1\ndata: a\n\n')),
      note(urls, status(204)),
    );
    await readSse({ url: `${upstream.url}?x=1`, startQuery: { since: '2026-11-20T00:00:00Z' } });
    expect(urls).toEqual([
      '/stream?x=1&since=2026-11-20T00%3A00%3A00Z',
      '/stream?x=1&since=2026-11-20T00%3A00%3A00Z',
      '/stream?x=1',
    ]);
  });

  it('does not start over where a stream without ids breaks', async () => {
    const urls: (string | undefined)[] = [];
    await using upstream = await startUpstream(note(urls, serve('data: a\n\n')), note(urls, status(204)));
    await readSse({ url: upstream.url, startQuery: { since: '0' } });
    expect(urls).toEqual(['/stream?since=0', '/stream']);
  });

  it('goes on by time where a stream has no ids, and then records no gap', async () => {
    const urls: (string | undefined)[] = [];
    await using upstream = await startUpstream(note(urls, serve('data: a\n\n')), note(urls, serve('data: b\n\n')));
    const options = { url: upstream.url, resumeQuery: { since: '{since}', ms: '{sinceMs}' }, overlapMs: 1000 };
    const { items } = await readSse(options, { downSince: Date.UTC(2026, 10, 19) });
    expect(items.map(({ kind }) => kind)).toEqual(['event', 'event']);
    expect(urls[0]).toBe(`/stream?since=2026-11-18T23%3A59%3A59.000Z&ms=${Date.UTC(2026, 10, 19) - 1000}`);
    expect(urls[1]).toContain('since=2026-11-19T23%3A59%3A59.000Z');
  });

  it('goes on by an id in the query, whatever is in it', async () => {
    const urls: (string | undefined)[] = [];
    await using upstream = await startUpstream(note(urls, serve('id: a&b=c #1\ndata: a\n\n')), note(urls, status(204)));
    await readSse({ url: upstream.url, resumeQuery: { after: '{id}' } });
    expect(urls).toEqual(['/stream', '/stream?after=a%26b%3Dc+%231']);
  });

  it.each([
    [{ resumeQuery: { a: '{time}' } }],
    [{ startQuery: { a: '{since}' } }],
    [{ method: 'GET', body: 'x' } as const],
    [{ renewAfterMs: 1 }],
    [{ key: 'meta/id' }],
  ])('refuses %j', (options) => {
    const create = (): unknown => createSseSource({ url: 'http://a.example/', ...options });
    expect(create).toThrow(expect.objectContaining({ code: 'invalid-option' }));
  });
});

describe('createSseSource(): ends and silence', () => {
  it('ends with the first clean end where the stream is finite, and not with a break', async () => {
    await using upstream = await startUpstream(cut('data: a\n\n'), serve('data: b\n\n'), serve('data: c\n\n'));
    const { items, error } = await readSse({ url: upstream.url, isFinite: true });
    expect([dataOf(items), error]).toEqual([['a', 'b'], undefined]);
    expect(upstream.requests).toHaveLength(2);
  });
});

describe('createSseSource(): eventTimeoutMs', () => {
  it('counts from the last event, and only while it waits', async () => {
    const live: ServerResponse[] = [];
    const join: Step = (response, request) => {
      hold('data: 0\n\n')(response, request);
      live.push(response);
    };
    await using upstream = await startUpstream(join, serve('data: end\n\n'));
    const clock = new ManualClock(0);
    const source = createSseSource({
      url: upstream.url,
      clock,
      idleTimeoutMs: 0,
      eventTimeoutMs: 100,
      random: () => 0,
    });
    const items: SourceItem[] = [];
    const reading = readSource(source, {}, (item) => items.push(item));
    const hear = async (events: number): Promise<void> => {
      while (items.length < events) await turn();
      await clock.waitForTimers();
    };
    for (const events of [1, 2, 3]) {
      await hear(events);
      clock.advance(90);
      live[0]?.write(`data: ${events}\n\n`);
    }
    await hear(4);
    expect(source.stats().reconnects).toEqual({});
    clock.advance(90);
    live[0]?.write(':\n');
    const { bytes } = source.stats();
    while (source.stats().bytes === bytes) await turn();
    await clock.waitForTimers();
    clock.advance(10);
    while (source.stats().reconnects['event-timeout'] !== 1) await turn();
    await clock.waitForTimers();
    clock.advance(1000);
    while (source.stats().reconnects['closed'] !== 1) await turn();
    await clock.waitForTimers();
    clock.advance(1000);
    await reading;
    expect(dataOf(items)).toEqual(['0', '1', '2', '3', 'end']);
  });
});

describe('createSseSource(): overlap', () => {
  it('resumes before the last event, and says so with each item', async () => {
    const blocks = Array.from({ length: 10 }, (_, index) => `id: ${index}\ndata: ${index}\n\n`).join('');
    await using upstream = await startUpstream(serve(blocks));
    const { items } = await readSse({ url: upstream.url, overlapMs: 60_000, overlapEvents: 4 });
    expect(resumeIdsOf(items)).toEqual(['0', '0', '0', '0', '0', '1', '2', '3', '4', '5']);
    expect(upstream.requests[1]).toMatchObject({ 'last-event-id': '5' });
  });
});
