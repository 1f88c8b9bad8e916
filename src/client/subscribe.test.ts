import { once } from 'node:events';
import { afterEach, describe, expect, it } from 'vitest';
import { busy, busyWithout, closeServers, gone, open, serve, stream } from '../../test/support/scripted-server.js';
import type { Clock } from '../base/index.js';
import { formatEvent } from '../protocol/index.js';
import { subscribe } from './index.js';
import type { Delivery, SubscribeOptions } from './index.js';

afterEach(closeServers);

function enveloped(channel: string, offset: number): string {
  const id = `~aaaaaaaa-${offset}`;
  return formatEvent({
    event: 'edit',
    data: JSON.stringify({ channel, id, event: 'edit', data: `${channel}${offset}` }),
  });
}

async function collect(options: Omit<SubscribeOptions, 'channels'> & { channels?: string[] }): Promise<Delivery[]> {
  const deliveries: Delivery[] = [];
  for await (const delivery of subscribe({ channels: ['a'], random: () => 0, ...options })) deliveries.push(delivery);
  return deliveries;
}

/** A clock that tells what it was asked to wait for and fires at once what `fires` accepts. */
function fakeClock(fires: (delayMs: number) => boolean): Clock & { delays: number[] } {
  const delays: number[] = [];
  return {
    delays,
    now: () => 0,
    after(delayMs, task) {
      delays.push(delayMs);
      if (fires(delayMs)) queueMicrotask(task);
      return () => {};
    },
  };
}

describe('subscribe()', () => {
  it('yields what a hub sends, kind by kind, until the channel ends', async () => {
    const gap = { reason: 'evicted', channel: 'a', requested: '~aaaaaaaa-1', resumedAt: '~aaaaaaaa-3' };
    const { url, requests } = await serve(
      stream([
        open('~aaaaaaaa-3'),
        formatEvent({ event: 'tidegate.gap', data: JSON.stringify(gap) }),
        formatEvent({ id: '~aaaaaaaa-4', data: 'one\ntwo' }),
        formatEvent({ event: 'tidegate.conflated', data: '{"channels":["a"],"skipped":3}' }),
        formatEvent({ event: 'tidegate.live', data: '{}' }),
        formatEvent({ id: '~aaaaaaaa-5', event: 'edit', data: '2' }),
        formatEvent({ event: 'tidegate.end', data: '{"channel":"a"}' }),
      ]),
    );
    expect(await collect({ url: `${url}/prefix/`, lastEventId: '~aaaaaaaa-1', since: '5m', last: 3 })).toEqual([
      { kind: 'status', state: 'connected' },
      { kind: 'open', channels: ['a'], cursor: '~aaaaaaaa-3' },
      { kind: 'gap', ...gap },
      { kind: 'event', channel: 'a', id: '~aaaaaaaa-4', type: 'message', data: 'one\ntwo' },
      { kind: 'conflated', channels: ['a'], skipped: 3 },
      { kind: 'live' },
      { kind: 'event', channel: 'a', id: '~aaaaaaaa-5', type: 'edit', data: '2' },
      { kind: 'end', channel: 'a' },
    ]);
    expect(requests[0]?.url).toBe('/prefix/subscribe/a?since=5m&last=3&refusals=status');
    expect(requests[0]?.headers['last-event-id']).toBe('~aaaaaaaa-1');
  });

  it('resumes after a cut with the last cursor, and ends at 204', async () => {
    const half = 'id: ~aaaaaaaa-2\ndata: ha';
    const { url, requests } = await serve(
      stream([open(), formatEvent({ id: '~aaaaaaaa-1', data: '1' }), half], 'cut'),
      stream([open('~aaaaaaaa-1'), formatEvent({ id: '~aaaaaaaa-2', data: 'half' })]),
      gone,
    );
    const deliveries = await collect({ url });
    expect(deliveries.flatMap((delivery) => (delivery.kind === 'event' ? [delivery.data] : []))).toEqual(['1', 'half']);
    expect(requests.map((request) => request.headers['last-event-id'])).toEqual([
      undefined,
      '~aaaaaaaa-1',
      '~aaaaaaaa-2',
    ]);
  });

  it("resumes from the hub's cursor, not from a publisher's own id", async () => {
    const cursor = formatEvent({ id: '~aaaaaaaa-7', event: 'tidegate.cursor', data: '{}' });
    const { url, requests } = await serve(
      stream([open(), formatEvent({ id: 'own', data: '1' }), cursor, formatEvent({ id: 'own', data: '2' })]),
      gone,
    );
    const deliveries = await collect({ url });
    expect(deliveries).toContainEqual({ kind: 'event', channel: 'a', id: 'own', type: 'message', data: '2' });
    expect(requests[1]?.headers['last-event-id']).toBe('~aaaaaaaa-7');
  });

  it("resumes from any other server's ids as they are, beyond Latin-1 too", async () => {
    const { url, requests } = await serve(stream([formatEvent({ id: 'märz-三', data: '1' })]), gone);
    expect(await collect({ url })).toContainEqual({ kind: 'event', id: 'märz-三', type: 'message', data: '1' });
    expect(Buffer.from(String(requests[1]?.headers['last-event-id']), 'latin1').toString()).toBe('märz-三');
  });

  it('unwraps the envelopes of several channels and drops what a cut made the hub repeat', async () => {
    const { url, requests } = await serve(
      stream([open('~aaaaaaaa-0', 15_000, ['a', 'b']), enveloped('a', 1), enveloped('b', 2)], 'cut'),
      stream([open('~aaaaaaaa-0', 15_000, ['a', 'b']), enveloped('a', 1), enveloped('b', 2), enveloped('a', 3)]),
      gone,
    );
    const deliveries = await collect({ url, channels: ['a', 'b'] });
    const events = deliveries.filter((delivery) => delivery.kind === 'event');
    expect(events.map(({ channel, id, type, data }) => [channel, id, type, data])).toEqual([
      ['a', '~aaaaaaaa-1', 'edit', 'a1'],
      ['b', '~aaaaaaaa-2', 'edit', 'b2'],
      ['a', '~aaaaaaaa-3', 'edit', 'a3'],
    ]);
    expect(requests[0]?.url).toBe('/subscribe?channel=a&channel=b&envelope=json&refusals=status');
  });

  it('takes a new epoch for new events, whatever their offsets', async () => {
    const { url } = await serve(
      stream([open(), formatEvent({ id: '~aaaaaaaa-9', data: 'old' })]),
      stream([open('~bbbbbbbb-0'), formatEvent({ id: '~bbbbbbbb-1', data: 'new' })]),
      gone,
    );
    const deliveries = await collect({ url });
    expect(deliveries.flatMap((delivery) => (delivery.kind === 'event' ? [delivery.data] : []))).toEqual([
      'old',
      'new',
    ]);
  });

  it('waits at least as long as `retry:` and Retry-After ask', async () => {
    const { url } = await serve(stream([open(), 'retry: 4200\n\n']), busy, gone);
    const clock = fakeClock((delayMs) => delayMs === 4200 || delayMs === 7000);
    const delays = (await collect({ url, clock })).flatMap((delivery) =>
      delivery.kind === 'status' && delivery.state === 'reconnecting' ? [delivery.delayMs] : [],
    );
    expect(delays).toEqual([4200, 7000]);
  });

  it('leaves a hub that misses its heartbeats', async () => {
    const { url } = await serve(stream([open('~aaaaaaaa-0', 5)], 'stay'), gone);
    const clock = fakeClock((delayMs) => delayMs === 15 || delayMs === 0);
    expect(await collect({ url, clock })).toContainEqual({
      kind: 'status',
      state: 'reconnecting',
      cause: 'The server is silent',
      delayMs: 0,
      retryNow: expect.any(Function),
    });
  });

  it('yields what came before a tidegate.error, then throws it when coming back is useless', async () => {
    const error = formatEvent({
      event: 'tidegate.error',
      data: JSON.stringify({ code: 'too-many-channels', message: 'No more', retryable: false }),
    });
    const { url } = await serve(stream([open(), formatEvent({ id: '~aaaaaaaa-1', data: '1' }), error], 'stay'));
    const kinds: string[] = [];
    const reading = (async () => {
      for await (const { kind } of subscribe({ url, channels: ['a'] })) kinds.push(kind);
    })();
    await expect(reading).rejects.toMatchObject({ name: 'ClientError', code: 'too-many-channels' });
    expect(kinds).toEqual(['status', 'open', 'event']);
  });

  it.each([
    ['a problem+json', 'application/problem+json', '{"code":"invalid-cursor","detail":"No"}', 'invalid-cursor'],
    ['a bare refusal', 'text/plain', 'no', 'http-400'],
  ])('throws on %s', async (_name, type, body, code) => {
    const { url } = await serve((_request, response) => response.writeHead(400, { 'content-type': type }).end(body));
    await expect(collect({ url })).rejects.toMatchObject({ name: 'ClientError', code, status: 400, retryable: false });
  });

  it('throws where the server is no SSE endpoint', async () => {
    const { url } = await serve((_request, response) => response.writeHead(200, { 'content-type': 'text/html' }).end());
    await expect(collect({ url })).rejects.toMatchObject({ code: 'not-an-event-stream' });
  });

  it('keeps trying while nobody listens, and says why', async () => {
    const { url } = await serve(gone);
    closeServers();
    const abort = new AbortController();
    const causes: (string | undefined)[] = [];
    for await (const delivery of subscribe({ url, channels: ['a'], random: () => 0, signal: abort.signal })) {
      if (delivery.kind === 'status' && causes.push(delivery.cause) === 3) abort.abort();
    }
    expect(causes).toHaveLength(3);
    expect(causes[0]).toMatch(/ECONNREFUSED/);
  });

  it('finishes quietly when aborted and leaves no connection open', async () => {
    const { url, requests } = await serve(stream([open()], 'stay'));
    const abort = new AbortController();
    for await (const delivery of subscribe({ url, channels: ['a'], signal: abort.signal })) {
      if (delivery.kind === 'open') abort.abort();
    }
    const socket = requests[0]?.socket;
    if (socket?.destroyed === false) await once(socket, 'close');
    expect(requests).toHaveLength(1);
  });

  it('closes the connection when the loop is left', async () => {
    const { url, requests } = await serve(stream([open()], 'stay'));
    for await (const delivery of subscribe({ url, channels: ['a'] })) if (delivery.kind === 'open') break;
    const socket = requests[0]?.socket;
    if (socket?.destroyed === false) await once(socket, 'close');
    expect(socket?.destroyed).toBe(true);
  });

  it('takes a healthy connection for a new beginning of the backoff, one that brought nothing not', async () => {
    const nothing = stream([open()]);
    const { url } = await serve(nothing, nothing, stream([open(), formatEvent({ data: '1' })]), nothing, gone);
    const clock = fakeClock((delayMs) => delayMs < 9000);
    const deliveries = await collect({ url, clock, random: () => 0.999 });
    const delays = deliveries.flatMap((delivery) =>
      delivery.kind === 'status' && delivery.state === 'reconnecting' ? [delivery.delayMs] : [],
    );
    expect(delays).toEqual([999, 1998, 999, 1998]);
  });

  it('takes a connection for healthy after 10 s, whatever it brought', async () => {
    const nothing = stream([open()]);
    const { url } = await serve(nothing, nothing, gone);
    const deliveries = await collect({ url, clock: fakeClock((delayMs) => delayMs <= 10_000), random: () => 0.999 });
    const delays = deliveries.map((delivery) => delivery.kind === 'status' && delivery.delayMs);
    expect(delays.filter(Number)).toEqual([999, 999]);
  });

  it('keeps to the last `retry:` while nobody answers, and to no more than an hour', async () => {
    const { url } = await serve(stream(['retry: 4200\n\n']), busyWithout, stream(['retry: 99999999999\n\n']), gone);
    const clock = fakeClock((delayMs) => [4200, 3_600_000].includes(delayMs));
    const delays = (await collect({ url, clock })).flatMap((delivery) =>
      delivery.kind === 'status' && delivery.state === 'reconnecting' ? [delivery.delayMs] : [],
    );
    expect(delays).toEqual([4200, 4200, 3_600_000]);
  });

  it('tries again at once when told to', async () => {
    const { url, requests } = await serve(stream(['retry: 5000\n\n', open()]), gone);
    const clock = fakeClock(() => false);
    for await (const delivery of subscribe({ url, channels: ['a'], clock })) {
      if (delivery.kind === 'status') delivery.retryNow?.();
    }
    expect(requests).toHaveLength(2);
  });

  it('closes the connection of an answer that is no stream', async () => {
    const { url, requests } = await serve((_request, response) => {
      response.writeHead(200, { 'content-type': 'text/html' }).write('<p>');
    });
    await expect(collect({ url })).rejects.toMatchObject({ code: 'not-an-event-stream' });
    const socket = requests[0]?.socket;
    if (socket?.destroyed === false) await once(socket, 'close');
    expect(socket?.destroyed).toBe(true);
  });

  it.each([
    ['credentials in the URL', { url: 'http://me:hunter2@127.0.0.1:9' }, 'invalid-url'],
    [
      'a header that cannot be sent',
      { url: 'http://127.0.0.1:9', headers: { token: 'hunter2\u2603' } },
      'invalid-header',
    ],
    ['a port that fetch never connects to', { url: 'http://127.0.0.1:1/hunter2' }, 'invalid-url'],
  ])('throws at once on %s, and repeats no secret', async (_name, options, code) => {
    const error: unknown = await collect(options).catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ name: 'ClientError', code, retryable: false });
    expect(String(error)).not.toContain('hunter2');
  });

  it('refuses to subscribe to nothing, or to a name that is none', async () => {
    await expect(collect({ url: 'http://127.0.0.1:1', channels: [] })).rejects.toMatchObject({ code: 'no-channels' });
    await expect(collect({ url: 'http://127.0.0.1:1', channels: ['a/b'] })).rejects.toMatchObject({
      code: 'invalid-channel',
    });
  });
});
