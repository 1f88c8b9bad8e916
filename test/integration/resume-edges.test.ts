import { expect, test } from 'vitest';

import { ANONYMOUS } from '../../src/hub/auth/access.js';
import { HubCore } from '../../src/hub/hub.js';
import { HubServer } from '../support/hub-server.js';
import type { StreamClient } from '../support/stream-client.js';

const gapsOf = (client: StreamClient): readonly Record<string, unknown>[] =>
  client.events.filter(({ type }) => type === 'tidegate.gap').map(({ data }) => JSON.parse(data));

/** A hub whose time a test moves on by hand. */
async function startTimedHub(history: { readonly ageMs?: number; readonly events?: number }) {
  let now = Date.parse('2026-01-01T00:00:00Z');
  const clock = { now: () => now, after: () => () => undefined };
  const hub = await HubServer.start({ history, clock });
  return { hub, advance: (ms: number) => (now += ms) };
}

async function flushesDuring(hub: HubServer, task: () => Promise<unknown>): Promise<number> {
  const read = async () =>
    Number(/^tidegate_flushes_total (\d+)$/m.exec(String((await hub.get('/metrics')).body['text']))?.[1]);
  const before = await read();
  await task();
  return (await read()) - before;
}

test('several channels, the newest events of which have aged out, are live at once and cost no flush after flush', async () => {
  const { hub: server, advance } = await startTimedHub({ ageMs: 60_000 });
  await using hub = server;
  await hub.publish('a', 'old');
  advance(120_000);
  await using client = await hub.subscribe('?channel=a&channel=b&last=all');
  const flushes = await flushesDuring(hub, async () => {
    await client.event('tidegate.live');
    for (let turn = 0; turn < 50; turn += 1) await new Promise(setImmediate);
  });
  expect(flushes).toBeLessThan(5);
  await hub.publish('b', 'new');
  await client.until(({ data }) => data.includes('new'));
});

test('ended channels of which nothing is kept send a client away for good after its gap', async () => {
  await using hub = await HubServer.start({ history: { bytes: 10 } });
  const first = await (await hub.subscribe('?channel=a&channel=b')).event('tidegate.live');
  await first[Symbol.asyncDispose]();
  for (const channel of ['a', 'b']) await hub.publish(`${channel}?end=true`, 'x');
  await using again = await hub.subscribe('?channel=a&channel=b', { 'Last-Event-ID': first.lastEventId });
  await again.ended();
  expect(gapsOf(again).map(({ channel }) => channel)).toEqual(['a', 'b']);
  const { status } = await hub.get('/subscribe?channel=a&channel=b', { 'Last-Event-ID': again.lastEventId });
  expect(status).toBe(204);
});

test('since= on several channels gives all that is kept of the one where another lost something', async () => {
  const { hub: server, advance } = await startTimedHub({ events: 2 });
  await using hub = server;
  await hub.publish('b', 'b1');
  advance(1000);
  await hub.publish('b', 'b2');
  for (const data of ['a1', 'a2', 'a3', 'a4']) await hub.publish('a', data);
  await using client = await hub.subscribe('?channel=a&channel=b&since=2026-01-01T00:00:01Z');
  await client.event('tidegate.live');
  expect(gapsOf(client).map(({ channel }) => channel)).toEqual(['a']);
  expect(client.data).toEqual(['b2', 'a3', 'a4']);
});

test('a publisher’s own id resumes several channels with a gap for what another of them lost', async () => {
  await using hub = await HubServer.start({ history: { events: 2 } });
  await hub.hub.publish('a', { id: 'own', data: 'a1' });
  for (const data of ['b1', 'b2', 'b3']) await hub.publish('b', data);
  await using client = await hub.subscribe('?channel=a&channel=b', { 'Last-Event-ID': 'own' });
  await client.event('tidegate.live');
  expect(gapsOf(client)).toMatchObject([{ reason: 'evicted', channel: 'b', requested: 'own' }]);
  expect(client.data).toEqual(['b2', 'b3']);
});

test('a subscriber that was told what one channel lost is told of another, lost later but published earlier', async () => {
  const core = new HubCore({ history: { events: 3 } });
  for (const data of ['b1', 'b2', 'b3']) await core.publishOne('b', { data });
  // What it loses ends at offset 4, behind all of b.
  for (const data of ['a4', 'a5', 'a6', 'a7']) await core.publishOne('a', { data });
  const written: Uint8Array[] = [];
  const drains: (() => void)[] = [];
  const outlet = {
    write: (bytes: Uint8Array) => written.push(bytes) < 0,
    flush: ({ plain }: { readonly plain: Uint8Array }) => written.push(plain) < 0,
    pendingBytes: 1,
    socket: undefined,
    onDrain: (resume: () => void) => void drains.push(resume),
    end: () => undefined,
    destroy: () => undefined,
    destroyConnection: () => undefined,
  };
  const opening = await core.open({
    channels: ['a', 'b'],
    isEnvelope: false,
    resume: { last: 'all' },
    address: '',
    access: ANONYMOUS,
    userAgent: undefined,
  });
  core.admit(opening, outlet).write(Buffer.from(': open\n\n'));
  for (const data of ['b8', 'b9']) await core.publishOne('b', { data });
  await expect.poll(() => core.store.channels.get('b')?.eventCount).toBe(3);
  const text = (): string => Buffer.concat(written).toString();
  await expect
    .poll(() => {
      drains.shift()?.();
      return text();
    })
    .toContain('data: b9\n');
  expect(text()).toContain('"reason":"too-slow","channel":"b"');
  expect(text()).not.toContain('"channel":"a"');
  expect([...text().matchAll(/^data: (\w\d)$/gm)].map(([, data]) => data)).toEqual([
    'b3',
    'a5',
    'a6',
    'a7',
    'b8',
    'b9',
  ]);
  core.close();
});

test('an empty Last-Event-ID says nothing, and what is left in the URL counts', async () => {
  await using hub = await HubServer.start();
  const { body } = await hub.publish('a', '1');
  await hub.publish('a', '2');
  await using client = await hub.subscribe(`a?lastEventId=${String(body['cursor'])}`, { 'Last-Event-ID': '' });
  await client.event('tidegate.live');
  expect(client.data).toEqual(['2']);
});
