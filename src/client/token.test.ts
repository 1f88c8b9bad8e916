import type { IncomingMessage } from 'node:http';
import { afterEach, describe, expect, it } from 'vitest';
import { closeServers, gone, open, serve, stream } from '../../test/support/scripted-server.js';
import type { Script } from '../../test/support/scripted-server.js';
import { JumpingClock, ManualClock } from '../../test/support/clocks.js';
import { formatEvent } from '../protocol/index.js';
import { ClientError, subscribe } from './index.js';
import type { Delivery, SubscribeOptions } from './index.js';

afterEach(closeServers);

const refused: Script = (_request, response) =>
  response
    .writeHead(401, { 'content-type': 'application/problem+json' })
    .end('{"code":"token-invalid","detail":"Cannot read the token"}');
const event = (offset: number): string => formatEvent({ id: `~aaaaaaaa-${offset}`, data: String(offset) });
/** A day of `retry:` is for who has no other token. */
const expired = formatEvent({
  event: 'tidegate.error',
  retry: 86_400_000,
  data: '{"code":"token-expired","message":"The token has expired","retryable":false}',
});
const tokensOf = (requests: readonly IncomingMessage[]): readonly (string | undefined)[] =>
  requests.map(({ headers }) => headers.authorization);

/** A callback that counts: `token-1`, `token-2`, … */
function counting(): () => Promise<string> {
  let count = 0;
  return () => Promise.resolve(`token-${(count += 1)}`);
}

async function collect(options: Partial<SubscribeOptions> & { url: string }): Promise<readonly Delivery[]> {
  const deliveries: Delivery[] = [];
  for await (const delivery of subscribe({ channels: ['a'], random: () => 0.5, ...options })) deliveries.push(delivery);
  return deliveries;
}

describe('subscribe() with a token', () => {
  it('sends it as a bearer, in place of what the headers say', async () => {
    const { url, requests } = await serve(gone);
    await collect({ url, token: 's3cret', headers: { authorization: 'Basic x', 'X-Tenant': '7' } });
    expect(requests[0]?.headers).toMatchObject({ authorization: 'Bearer s3cret', 'x-tenant': '7' });
  });

  it('gets another at once when one expires on an open stream, and resumes after the last event', async () => {
    const clock = new ManualClock();
    const { url, requests } = await serve(
      (request, response) => {
        stream([open(), event(1)], 'stay')(request, response);
        setImmediate(() => {
          clock.advance(10_000);
          response.end(expired);
        });
      },
      stream([open('~aaaaaaaa-1'), event(2)], 'stay'),
    );
    const heard: string[] = [];
    const waits: (number | undefined)[] = [];
    for await (const delivery of subscribe({ url, channels: ['a'], token: counting(), clock })) {
      if (delivery.kind === 'event' && heard.push(delivery.data) === 2) break;
      if (delivery.kind !== 'status' || delivery.state !== 'reconnecting') continue;
      waits.push(delivery.delayMs);
      // The iteration sets its timer after this turn.
      void clock.waitForTimers().then(() => clock.advance(0));
    }
    expect(heard).toEqual(['1', '2']);
    expect(waits).toEqual([0]);
    expect(tokensOf(requests)).toEqual(['Bearer token-1', 'Bearer token-2']);
    expect(requests[1]?.headers['last-event-id']).toBe('~aaaaaaaa-1');
  });

  it('goes on for ever with tokens that are good for a second', async () => {
    const clock = new ManualClock();
    const expire: (() => void)[] = [];
    const lives = Array.from({ length: 8 }, (_, at): Script => (request, response) => {
      stream([open(), event(at)], 'stay')(request, response);
      expire.push(() => response.end(expired));
    });
    const { url, requests } = await serve(...lives, gone);
    const waits: (number | undefined)[] = [];
    for await (const delivery of subscribe({ url, channels: ['a'], token: counting(), clock })) {
      if (delivery.kind === 'event') {
        clock.advance(1000);
        expire.pop()?.();
      }
      if (delivery.kind !== 'status' || delivery.state !== 'reconnecting') continue;
      waits.push(delivery.delayMs);
      delivery.retryNow?.();
    }
    expect(waits).toEqual(lives.map(() => 0));
    expect(tokensOf(requests).at(-1)).toBe('Bearer token-9');
  });

  it('asks a hub that takes each token and refuses it at once no more than five times', async () => {
    const { url, requests } = await serve(stream([open(), expired]));
    const reading = (async () => {
      for await (const delivery of subscribe({ url, channels: ['a'], token: counting(), clock: new ManualClock() }))
        if (delivery.kind === 'status') delivery.retryNow?.();
    })();
    await expect(reading).rejects.toMatchObject({ code: 'token-expired' });
    expect(requests).toHaveLength(5);
  });

  it('keeps a token for as long as it is taken', async () => {
    const { url, requests } = await serve(stream([open(), event(1)], 'cut'), stream([open(), event(2)], 'cut'), gone);
    await collect({ url, token: counting(), clock: new JumpingClock() });
    expect(tokensOf(requests)).toEqual(['Bearer token-1', 'Bearer token-1', 'Bearer token-1']);
  });

  it('asks for five tokens, with more and more time between, when each is refused', async () => {
    const { url, requests } = await serve(refused);
    const deliveries: Delivery[] = [];
    const clock = new ManualClock();
    const reading = (async () => {
      for await (const delivery of subscribe({ url, channels: ['a'], token: counting(), clock, random: () => 0.5 })) {
        deliveries.push(delivery);
        if (delivery.kind === 'status') delivery.retryNow?.();
      }
    })();
    await expect(reading).rejects.toMatchObject({ code: 'token-invalid', status: 401 });
    expect(tokensOf(requests)).toEqual([1, 2, 3, 4, 5].map((count) => `Bearer token-${count}`));
    expect(deliveries.map((delivery) => delivery.kind === 'status' && delivery.delayMs)).toEqual([
      500, 1000, 2000, 4000,
    ]);
  });

  it('does not come back with a fixed token that is refused, or with any where the user may not', async () => {
    const { url, requests } = await serve(refused, (_request, response) => response.writeHead(403).end());
    await expect(collect({ url, token: 'x' })).rejects.toMatchObject({ code: 'token-invalid' });
    await expect(collect({ url, token: counting() })).rejects.toMatchObject({ code: 'http-403' });
    expect(requests).toHaveLength(2);
  });

  it('comes back to a callback that fails, and repeats nothing of what it threw', async () => {
    const { url, requests } = await serve(gone);
    let calls = 0;
    const token = (): string => {
      calls += 1;
      if (calls === 1) throw new Error('POST /login?password=hunter2 failed');
      return 'token';
    };
    const deliveries = await collect({ url, token, clock: new JumpingClock() });
    expect(deliveries).toMatchObject([{ kind: 'status', cause: 'Cannot get a token' }]);
    expect(tokensOf(requests)).toEqual(['Bearer token']);
  });

  it('gives up a callback that does not answer within 30 s', async () => {
    const clock = new ManualClock();
    const answers = subscribe({
      url: 'http://127.0.0.1:9',
      channels: ['a'],
      token: () => new Promise(() => {}),
      clock,
    });
    const first = answers.next();
    await clock.waitForTimers();
    clock.advance(30_000);
    expect((await first).value).toMatchObject({ state: 'reconnecting', cause: 'Cannot get a token' });
    await answers.return();
  });

  it('stops waiting for a callback when it is aborted', async () => {
    const stop = new AbortController();
    const token = (): Promise<string> => {
      queueMicrotask(() => stop.abort());
      return new Promise(() => {});
    };
    expect(await collect({ url: 'http://127.0.0.1:9', token, signal: stop.signal })).toEqual([]);
  });

  it.each([
    ['an empty token, rather than be anonymous', '', 'no-token'],
    ['one that no header can hold', 'hunter2\n!', 'invalid-header'],
  ])('refuses %s', async (_what, token, code) => {
    const error: unknown = await collect({ url: 'http://127.0.0.1:9', token }).catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ name: 'ClientError', code, retryable: false });
    expect(String(error)).not.toContain('hunter2');
  });

  it('ends when the callback says with a ClientError that there will be none', async () => {
    const signedOut = new ClientError({ code: 'signed-out', message: 'Signed out', retryable: false });
    const token = (): Promise<never> => Promise.reject(signedOut);
    await expect(collect({ url: 'http://127.0.0.1:9', token })).rejects.toMatchObject({ code: 'signed-out' });
  });
});

describe("subscribe() to the caller's own stream", () => {
  it('asks for GET /sse, takes the channel from the hub, resumes and ends with it', async () => {
    const { url, requests } = await serve(
      stream([open('~aaaaaaaa-0', 15_000, ['me']), event(1)], 'cut'),
      stream([
        open('~aaaaaaaa-1', 15_000, ['me']),
        event(1),
        event(2),
        formatEvent({ event: 'tidegate.end', data: '{"channel":"me"}' }),
      ]),
    );
    const deliveries = await collect({ url: `${url}/base`, channels: 'own', token: 't', last: 3, random: () => 0 });
    expect(deliveries.filter(({ kind }) => kind === 'event')).toEqual([
      { kind: 'event', channel: 'me', id: '~aaaaaaaa-1', type: 'message', data: '1' },
      { kind: 'event', channel: 'me', id: '~aaaaaaaa-2', type: 'message', data: '2' },
    ]);
    expect(requests.map((request) => request.url)).toEqual([
      '/base/sse?ping=false&last=3&refusals=status',
      '/base/sse?ping=false&last=3&refusals=status',
    ]);
    expect(requests[1]?.headers['last-event-id']).toBe('~aaaaaaaa-1');
  });
});
