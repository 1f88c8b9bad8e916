import { gunzipSync } from 'node:zlib';

import { describe, expect, test } from 'vitest';

import { ANONYMOUS } from '../../src/hub/auth/access.js';
import type { FlushBytes } from '../../src/hub/flush-bytes.js';
import { HubCore } from '../../src/hub/hub.js';
import { mintToken } from '../../src/hub/index.js';
import { startAskingHub, tokenFor } from '../support/asking-hub.js';
import { CERTIFICATE } from '../support/certificate.js';
import { ManualClock } from '../support/clocks.js';
import { Http2Client } from '../support/http2-client.js';
import { HubServer } from '../support/hub-server.js';
import { readByStandard } from '../support/standard-reader.js';
import { StreamClient } from '../support/stream-client.js';
import { EVENT_SOURCE_HEADERS } from '../support/stream-requests.js';

const START = /^id: ~[0-9a-z]{8,16}-\d+\nretry: \d+\n\n/;
const tls = CERTIFICATE ?? { cert: '', key: '' };

const cursor = (client: StreamClient, offset: number): string =>
  `${/~[0-9a-z]+-/.exec(client.raw)?.[0] ?? ''}${offset}`;

describe('control=none', () => {
  test('begins with a block of only an id, and each id is a cursor', async () => {
    await using hub = await HubServer.start();
    await hub.hub.publish('a', { data: 'before' });
    await using client = await hub.subscribe('a?control=none');
    await client.until(({ raw }) => START.test(raw));
    await hub.publishJson('a', { data: 'one', id: 'own', event: 'x', retry: 700 });
    await hub.publishJson('a', { data: 'two\nlines' });
    await client.until(({ data }) => data.length === 2);
    const [, rest] = client.raw.split(/(?<=^id: \S+\nretry: 2000\n\n)/);
    expect(client.raw).toMatch(START);
    expect(rest).toBe(
      `id: ${cursor(client, 2)}\nevent: x\nretry: 700\ndata: one\n\nid: ${cursor(client, 3)}\ndata: two\ndata: lines\n\n`,
    );
    expect(readByStandard(client.raw.slice(0, -(rest ?? '').length)).lastEventId).toBe(cursor(client, 1));
  });

  test('gives the last event of each flush of several channels the cursor, and wraps envelopes as well', async () => {
    await using hub = await HubServer.start();
    for (const channel of ['a', 'b']) await hub.hub.publish(channel, { data: channel, id: 'own' });
    await using bare = await hub.subscribe('?channel=a&channel=b&last=all&control=none');
    await bare.until(({ data }) => data.length === 2);
    expect(bare.raw.replace(START, '')).toBe(`data: a\n\nid: ${cursor(bare, 2)}\ndata: b\n\n`);
    await using wrapped = await hub.subscribe('?channel=a&channel=b&last=all&control=none&envelope=json');
    await wrapped.until(({ data }) => data.length === 2);
    expect(wrapped.data.map((data) => JSON.parse(data))).toEqual([
      { channel: 'a', id: 'own', event: 'message', data: 'a' },
      { channel: 'b', id: 'own', event: 'message', data: 'b' },
    ]);
    expect(wrapped.lastEventId).toBe(cursor(wrapped, 2));
    await using one = await hub.subscribe('a?last=all&control=none&envelope=json');
    await one.until(({ data }) => data.length === 1);
    expect(one.raw.replace(START, '')).toMatch(/^id: ~[0-9a-z]+-\d+\ndata: \{"channel":"a",.*\}\n\n$/);
  });

  test('sends heartbeats, also through gzip, and nothing else to an idle subscriber', async () => {
    await using hub = await HubServer.start({ heartbeatMs: 50 });
    await using plain = await hub.subscribe('a?control=none');
    await plain.until(({ comments }) => comments.length > 1);
    expect(plain.raw.replace(START, '')).toMatch(/^(:\n\n)+$/);
    await using packed = await hub.subscribe('a?control=none', { 'Accept-Encoding': 'gzip' });
    await packed.until(({ raw }) => raw.length > 0);
    await hub.publishJson('a', { data: 'own', id: 'x' });
    await hub.hub.end('a');
    await packed.ended();
    const text = gunzipSync(Buffer.from(packed.raw, 'latin1')).toString();
    expect(text).toMatch(START);
    expect(text).not.toContain('tidegate.');
    expect(readByStandard(text).events.map(({ data }) => data)).toEqual(['own']);
  });

  test('keeps pings of GET /sse, which have a parameter of their own', async () => {
    await using hub = await HubServer.start({ heartbeatMs: 50, pingMs: 50 });
    await using client = await StreamClient.open(`${hub.url}/sse?control=none`);
    await client.event('ping');
    await using without = await StreamClient.open(`${hub.url}/sse?control=none&ping=false`);
    await without.until(({ comments }) => comments.length > 1);
    expect(without.types).toEqual([]);
  });

  test('events is the default; anything else is refused', async () => {
    await using hub = await HubServer.start();
    await using client = await (await hub.subscribe('a?control=events')).event('tidegate.live');
    expect(client.types).toEqual(['tidegate.open', 'tidegate.live']);
    for (const query of ['control=', 'control=None', 'control=false', 'control=none&refusals=stream'])
      expect((await hub.get(`/subscribe/a?${query}`)).body).toMatchObject({ code: 'invalid-query', status: 400 });
  });
});

describe('without control events, a loss', () => {
  const lossy = { history: { events: 2 } } as const;

  test('behind the cursor is 410 history-lost with the place to go on, as a plain status for everybody', async () => {
    await using hub = await HubServer.start(lossy);
    await using first = await hub.subscribe('a?control=none');
    await first.until(({ raw }) => START.test(raw));
    await first[Symbol.asyncDispose]();
    for (const data of ['1', '2', '3', '4']) await hub.publish('a', data);
    const id = readByStandard(first.raw).lastEventId;
    for (const headers of [{}, EVENT_SOURCE_HEADERS]) {
      const {
        status,
        body,
        headers: answered,
      } = await hub.get('/subscribe/a?control=none&last=1', {
        ...headers,
        'Last-Event-ID': id,
      });
      expect(status).toBe(410);
      expect(answered.get('content-type')).toContain('application/problem+json');
      expect(body).toMatchObject({ code: 'history-lost', status: 410, resumedAt: cursor(first, 2) });
    }
    const { body } = await hub.get('/metrics');
    expect(body['text']).toContain('tidegate_refusals_total{code="history-lost"} 2');
    await using again = await hub.subscribe('a?control=none', { 'Last-Event-ID': cursor(first, 2) });
    await again.until(({ data }) => data.length === 2);
    expect(again.data).toEqual(['3', '4']);
    await using all = await hub.subscribe('a?control=none&last=all');
    await all.until(({ data }) => data.length === 2);
    expect(all.data).toEqual(['3', '4']);
  });

  test.each(['nobody-knows', '~aaaaaaaaaa-1'])('behind %j, which is from no life of this store, too', async (id) => {
    await using hub = await HubServer.start();
    await hub.publish('a', '1');
    const { status, body } = await hub.get('/subscribe/a?control=none', { 'Last-Event-ID': id });
    expect([status, body['code']]).toEqual([410, 'history-lost']);
    await using again = await hub.subscribe('a?control=none', { 'Last-Event-ID': String(body['resumedAt']) });
    await again.until(({ data }) => data.length === 1);
  });

  test('on several channels names a cursor that resumes, whichever of them lost most', async () => {
    await using hub = await HubServer.start(lossy);
    await using first = await hub.subscribe('?channel=a&channel=b&channel=c&control=none');
    await first.until(({ raw }) => START.test(raw));
    await hub.publish('b', '1');
    for (const data of ['2', '3', '4', '5']) await hub.publish('a', data);
    await hub.publish('b', '6');
    const path = '/subscribe?channel=a&channel=b&channel=c&control=none';
    const { status, body } = await hub.get(path, { 'Last-Event-ID': cursor(first, 0) });
    expect([status, body['resumedAt']]).toEqual([410, cursor(first, 3)]);
    await using again = await hub.subscribe('?channel=a&channel=b&channel=c&control=none', {
      'Last-Event-ID': String(body['resumedAt']),
    });
    await again.until(({ data }) => data.length === 3);
    expect(again.data).toEqual(['4', '5', '6']);
  });

  test.each(['gap', 'disconnect'] as const)(
    'while connected cuts the stream, whatever the channel does with slow readers (%s)',
    async (slow) => {
      const core = new HubCore({ history: { events: 2 }, channels: [{ match: 'a', slow }] });
      const calls: string[] = [];
      let resume: (() => void) | undefined;
      const outlet = {
        write: (bytes: Uint8Array): boolean => {
          calls.push(Buffer.from(bytes).toString());
          return false;
        },
        flush: ({ plain }: FlushBytes): boolean => outlet.write(plain),
        pendingBytes: 1,
        onDrain: (task: () => void) => (resume = task),
        end: () => calls.push('end'),
        destroy: () => calls.push('destroy'),
        destroyConnection: () => calls.push('destroy'),
        socket: undefined,
      };
      const opening = await core.open({
        channels: ['a'],
        isEnvelope: false,
        hasControlEvents: false,
        resume: {},
        address: '',
        access: ANONYMOUS,
        userAgent: undefined,
      });
      core.admit(opening, outlet);
      await core.publishOne('a', { data: '1' });
      await expect.poll(() => calls.length).toBe(1);
      for (const data of ['2', '3', '4', '5']) await core.publishOne('a', { data });
      await expect.poll(() => core.store.channels.get('a')?.history.events).toBe(2);
      resume?.();
      await expect.poll(() => calls.length).toBe(2);
      expect(calls[0]).toMatch(/^id: \S+-1\ndata: 1\n\n$/);
      expect(calls[1]).toBe('destroy');
      expect(core.counters.gaps.get('too-slow')).toBe(1);
      expect(core.counters.tooSlow).toBe(slow === 'disconnect' ? 1 : 0);
      core.close();
    },
  );

  test.skipIf(CERTIFICATE === undefined)('while connected is a reset on HTTP/2 (needs openssl)', async () => {
    await using hub = await HubServer.start({ history: { events: 20 }, tls });
    await using client = new Http2Client(hub.url, tls.cert);
    const stream = client.session.request({ ':path': '/subscribe/a?control=none' });
    const reset = new Promise<number>((resolve) => {
      stream.on('error', () => undefined).on('close', () => resolve(stream.rstCode));
    });
    await new Promise((resolve) => stream.once('response', resolve));
    // Not read: the hub has a window's worth on its way, and a history of far less.
    const data = 'x'.repeat(10_000);
    for (let at = 0; at < 1000; at += 1) await hub.hub.publish('a', { data });
    stream.resume();
    expect(await reset).toBe(8);
  });

  test('of what newer events replaced is none: nothing is told, and nothing is cut', async () => {
    await using hub = await HubServer.start({ channels: [{ match: 'p', slow: 'latest', key: '/k' }] });
    await using client = await hub.subscribe('p?control=none');
    await client.until(({ raw }) => START.test(raw));
    await Promise.all([1, 2, 3].map((at) => hub.hub.publish('p', { data: `{"k":1,"at":${at}}` })));
    await client.until(({ data }) => data.at(-1)?.includes('"at":3') === true);
    expect(client.types.every((type) => type === 'message')).toBe(true);
    const { body } = await hub.get('/metrics');
    expect(body['text']).toMatch(/tidegate_events_conflated_total [1-9]/);
  });
});

describe('without control events, an end', () => {
  test('of the channel closes the stream, and is 204 from then on, also for a client that reads no block of only an id', async () => {
    await using hub = await HubServer.start();
    await using client = await hub.subscribe('a?control=none');
    await hub.publish('a', 'last');
    await client.until(({ data }) => data.length === 1);
    await hub.hub.end('a');
    await client.ended();
    expect(client.raw.replace(START, '')).toBe(`id: ${cursor(client, 1)}\ndata: last\n\nid: ${cursor(client, 2)}\n\n`);
    for (const offset of [1, 2]) {
      const answer = await hub.get('/subscribe/a?control=none', { 'Last-Event-ID': cursor(client, offset) });
      expect(answer.status).toBe(204);
    }
    await using rest = await hub.subscribe('a?control=none', { 'Last-Event-ID': cursor(client, 0) });
    await rest.ended();
    expect(rest.data).toEqual(['last']);
    expect((await hub.get('/subscribe/a?control=none')).status).toBe(204);
  });

  test('of the hub, of the token or of its grants closes it after a block of only a retry', async () => {
    const clock = new ManualClock(Date.now());
    const token = { keys: { algorithm: 'HS256', secret: 's'.repeat(40) }, toleranceMs: 0 } as const;
    await using expiring = await HubServer.start({ auth: { mode: 'jwt', token }, clock, heartbeatMs: 160 });
    const text = await mintToken({
      secret: 's'.repeat(40),
      application: 'shop',
      user: 'ann',
      lifetimeMs: 10_000,
      grants: { subscribe: ['a'] },
      nowMs: clock.now(),
    });
    await using client = await StreamClient.open(`${expiring.url}/subscribe/a?control=none&token=${text}`);
    await client.until(({ raw }) => START.test(raw));
    clock.advance(12_000);
    await client.ended();
    expect(client.raw.replace(START, '')).toMatch(/^(:\n\n)*retry: \d+\n\n$/);
    await using draining = await HubServer.start({ drainMs: 0 });
    await using leaving = await draining.subscribe('a?control=none');
    await leaving.until(({ raw }) => START.test(raw));
    await draining.hub.drain();
    await leaving.ended();
    expect(leaving.raw.replace(START, '')).toMatch(/^retry: \d+\n\n$/);
  });
});

test('every refusal of a request without control events is a plain status, also for a native EventSource', async () => {
  await using hub = await startAskingHub(50);
  const good = await tokenFor({ grants: { subscribe: ['a'] } });
  const asked: readonly (readonly [query: string, status: number])[] = [
    ['', 401],
    [`&token=${await tokenFor({ lifetimeMs: -5000 })}`, 401],
    [`&token=${await tokenFor()}`, 403],
    [`&token=${good}&since=never`, 400],
    [`&token=${good}&envelope=x`, 400],
    [`&token=${good}&refusals=x`, 400],
  ];
  for (const [query, status] of asked) {
    const answer = await hub.get(`/subscribe/a?control=none${query}`, EVENT_SOURCE_HEADERS);
    expect([query, answer.status]).toEqual([query, status]);
  }
});
