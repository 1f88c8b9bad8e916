import { createServer } from 'node:http';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, it, vi } from 'vitest';
import type { Clock } from '../base/index.js';
import { CONTROL, formatEvent } from '../protocol/index.js';
import { openLiveChannel } from './live-channel.js';
import type { LiveChannel, LiveState } from './live-channel.js';

type Answer = (request: IncomingMessage, response: ServerResponse) => void;

/** Waits for what a socket brings; bounded generously, because a busy machine is slow. */
const until = (check: () => void): Promise<void> => vi.waitFor(check, { timeout: 10_000, interval: 5 });

const cleanups: (() => void)[] = [];
afterEach(() => {
  for (const cleanup of cleanups.splice(0)) cleanup();
});

/** A server that gives each connection the next answer, and the last one for ever. */
async function serve(...answers: readonly Answer[]): Promise<string> {
  let next = 0;
  const server = createServer((request, response) => {
    const answer = answers[Math.min(next, answers.length - 1)];
    next += 1;
    answer?.(request, response);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  cleanups.push(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
}

interface Watched {
  readonly channel: LiveChannel;
  readonly states: readonly LiveState[];
  /** Every event as `type data`, `*` before what came from history; every gap as `gap reason`. */
  readonly seen: readonly string[];
}

function watch(url: string, clock?: Clock): Watched {
  const states: LiveState[] = [];
  const seen: string[] = [];
  const channel = openLiveChannel({
    url,
    channel: 'demo',
    last: 50,
    random: () => 0,
    ...(clock === undefined ? {} : { clock }),
    onState: (state) => states.push(state),
    onEvent: ({ type, data }, isBackfill) => seen.push(`${isBackfill ? '*' : ''}${type} ${data}`),
    onGap: ({ reason }) => seen.push(`gap ${reason}`),
  });
  cleanups.push(() => channel.close());
  return { channel, states, seen };
}

const open = (id: string, heartbeatMs = 15_000): string =>
  formatEvent({ id, event: CONTROL.open, data: JSON.stringify({ channels: ['demo'], heartbeatMs }) });
const isLive = (id: string): string => formatEvent({ id, event: CONTROL.live, data: '{}' });

const error = (retryable: boolean): string =>
  formatEvent({ event: CONTROL.error, data: JSON.stringify({ code: 'overloaded', message: 'Too many', retryable }) });

const stream =
  (...parts: readonly string[]): Answer =>
  (_, response) => {
    response.writeHead(200, { 'Content-Type': 'text/event-stream' });
    response.write(parts.join(''));
  };
const streamAndEnd =
  (...parts: readonly string[]): Answer =>
  (_, response) => {
    response.writeHead(200, { 'Content-Type': 'text/event-stream' });
    response.end(parts.join(''));
  };
const phasesOf = ({ states }: Watched): readonly string[] => states.map(({ phase }) => phase);

describe('openLiveChannel()', () => {
  it('goes from connecting through backfill to live, and hears every event type', async () => {
    const url = await serve(
      stream(
        open('~abcdefgh-1'),
        formatEvent({ id: '~abcdefgh-2', event: 'order.paid', data: 'a' }),
        isLive('~abcdefgh-2'),
        formatEvent({ id: '~abcdefgh-3', data: 'b' }),
      ),
    );
    const watched = watch(url);
    await until(() => expect(watched.seen).toEqual(['*order.paid a', 'message b']));
    expect(phasesOf(watched)).toEqual(['connecting', 'backfill', 'live']);
    expect(watched.channel.cursor).toBe('~abcdefgh-3');
  });

  it('resumes from the cursor, never from an id of the publisher', async () => {
    const asked: (string | undefined)[] = [];
    const noted =
      (answer: Answer): Answer =>
      (request, response) => {
        asked.push(request.headers['last-event-id']?.toString());
        answer(request, response);
      };
    const url = await serve(
      noted(
        streamAndEnd(
          open('~abcdefgh-1'),
          isLive('~abcdefgh-1'),
          formatEvent({ id: 'theirs-é', data: 'a' }),
          formatEvent({ id: '~abcdefgh-2', event: CONTROL.cursor, data: '{}' }),
          formatEvent({ id: 'theirs-é', data: 'b' }),
        ),
      ),
      noted(stream(open('~abcdefgh-2'), formatEvent({ id: 'theirs-é', data: 'b' }))),
    );
    const watched = watch(url);
    await until(() => expect(watched.seen).toEqual(['message a', 'message b', '*message b']));
    expect(asked).toEqual([undefined, '~abcdefgh-2']);
    await until(() =>
      expect(phasesOf(watched)).toEqual(['connecting', 'backfill', 'live', 'reconnecting', 'backfill']),
    );
    expect(watched.channel.cursor).toBe('~abcdefgh-2');
  });

  it('tells of a gap', async () => {
    const gap = { reason: 'epoch', channel: 'demo', requested: '~aaaaaaaa-9', resumedAt: '~abcdefgh-0' };
    const url = await serve(
      stream(
        open('~abcdefgh-0'),
        formatEvent({ event: CONTROL.gap, data: JSON.stringify(gap) }),
        isLive('~abcdefgh-0'),
      ),
    );
    const watched = watch(url);
    await until(() => expect(watched.seen).toEqual(['gap epoch']));
  });

  it('stops for good at tidegate.end, at 204 and at a 4xx', async () => {
    const ended = watch(
      await serve(streamAndEnd(open('~abcdefgh-1'), formatEvent({ event: CONTROL.end, data: '{"channel":"demo"}' }))),
    );
    const gone = watch(await serve((_, response) => response.writeHead(204).end()));
    const refused = watch(
      await serve((_, response) => {
        response.writeHead(403, { 'Content-Type': 'application/problem+json' });
        response.end('{"code": "forbidden", "detail": "not yours"}');
      }),
    );
    await until(() => expect(phasesOf(ended).at(-1)).toBe('ended'));
    await until(() => expect(phasesOf(gone)).toEqual(['connecting', 'ended']));
    await until(() =>
      expect(refused.states.at(-1)).toEqual({ phase: 'refused', reason: 'Cannot subscribe: not yours (forbidden)' }),
    );
  });

  it('comes back after an error only where that is of use', async () => {
    const url = await serve(streamAndEnd(error(true)), streamAndEnd(error(false)));
    const watched = watch(url);
    await until(() => expect(phasesOf(watched)).toEqual(['connecting', 'reconnecting', 'refused']));
    expect(watched.states.at(-1)?.reason).toBe('Too many (overloaded)');
  });

  it('comes back after 503 and after a cut in mid-event', async () => {
    const url = await serve(
      (_, response) => response.writeHead(503).end(),
      (_, response) => {
        response.writeHead(200, { 'Content-Type': 'text/event-stream' });
        response.write(`${open('~abcdefgh-1')}data: half`, () => response.destroy());
      },
      stream(open('~abcdefgh-1'), formatEvent({ data: 'whole' })),
    );
    const watched = watch(url);
    await until(() => expect(watched.seen).toEqual(['*message whole']));
  });

  it('refuses an answer that is no event stream', async () => {
    const watched = watch(await serve((_, response) => response.setHeader('Content-Type', 'text/html').end('<p>')));
    await until(() => expect(phasesOf(watched)).toEqual(['connecting', 'refused']));
  });

  it('gives up a connection that is silent for three heartbeats', async () => {
    const time = createTestClock();
    const url = await serve(stream(open('~abcdefgh-1', 5000)), stream(open('~abcdefgh-1'), isLive('~abcdefgh-1')));
    const watched = watch(url, time.clock);
    await until(() => expect(phasesOf(watched)).toEqual(['connecting', 'backfill']));
    time.advance(10_000);
    time.advance(5000);
    expect(phasesOf(watched)).toEqual(['connecting', 'backfill']);
    time.advance(5000);
    await until(() => expect(watched.states.at(-1)?.reason).toBe('The server is silent'));
    time.advance(0);
    await until(() => expect(phasesOf(watched).at(-1)).toBe('live'));
  });

  it('reconnectNow() ends a wait that retry: made long', async () => {
    const { clock } = createTestClock();
    const url = await serve(
      streamAndEnd(`retry: 5000\n${open('~abcdefgh-1')}`),
      stream(open('~abcdefgh-1'), isLive('~abcdefgh-1')),
    );
    const watched = watch(url, clock);
    await until(() => expect(watched.states.at(-1)).toMatchObject({ phase: 'reconnecting', retryAtMs: 5000 }));
    watched.channel.reconnectNow();
    await until(() => expect(phasesOf(watched).at(-1)).toBe('live'));
  });

  it('close() silences it and ends the connection', async () => {
    let isClosed = false;
    const url = await serve((_, response) => {
      response.on('close', () => (isClosed = true));
      response.writeHead(200, { 'Content-Type': 'text/event-stream' });
      response.write(open('~abcdefgh-1'));
    });
    const watched = watch(url);
    await until(() => expect(phasesOf(watched)).toEqual(['connecting', 'backfill']));
    watched.channel.close();
    await until(() => expect(isClosed).toBe(true));
    expect(phasesOf(watched)).toEqual(['connecting', 'backfill']);
  });
});

interface TestClock {
  readonly clock: Clock;
  advance(byMs: number): void;
}

/** Time that runs only when told to. */
function createTestClock(): TestClock {
  const tasks = new Map<object, { readonly dueMs: number; readonly task: () => void }>();
  let nowMs = 0;
  return {
    clock: {
      now: () => nowMs,
      after(delayMs, task) {
        const key = {};
        tasks.set(key, { dueMs: nowMs + delayMs, task });
        return () => void tasks.delete(key);
      },
    },
    advance(byMs) {
      nowMs += byMs;
      for (const [key, { dueMs, task }] of tasks)
        if (dueMs <= nowMs) {
          tasks.delete(key);
          task();
        }
    },
  };
}
