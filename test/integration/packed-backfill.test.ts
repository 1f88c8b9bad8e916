import { gunzipSync } from 'node:zlib';

import { expect, test } from 'vitest';

import { ANONYMOUS } from '../../src/hub/auth/access.js';
import type { FlushBytes } from '../../src/hub/flush-bytes.js';
import { HubCore } from '../../src/hub/hub.js';
import { createGzipOutlet } from '../../src/hub/http/gzip-outlet.js';
import type { HubOptions } from '../../src/hub/settings.js';
import { ManualClock } from '../support/clocks.js';

const MiB = 1024 * 1024;
const EVENT_BYTES = 1000;
const EVENTS = 4000;

/** Reads everything from `since` on, as a client that accepts gzip, and hangs up. */
async function read(core: HubCore, channels: readonly string[], from: Partial<Request> = {}): Promise<Buffer> {
  const { resume = { last: 'all' }, isEnvelope = false } = from;
  const opening = await core.open({
    channels,
    isEnvelope,
    resume,
    address: '',
    access: ANONYMOUS,
    userAgent: undefined,
  });
  const written: Uint8Array[] = [];
  const way = {
    write: (bytes: Uint8Array) => written.push(bytes) > 0,
    flush: (flush: FlushBytes) => written.push(flush.plain) > 0,
    pendingBytes: 0,
    onDrain: () => undefined,
    end: () => undefined,
    destroy: () => undefined,
    destroyConnection: () => undefined,
    socket: undefined,
  };
  const outlet = createGzipOutlet(way, core.packer);
  const subscriber = core.admit(opening, outlet);
  subscriber.pull();
  while (subscriber.offset < opening.feed.headOffset) await new Promise(setImmediate);
  subscriber.close();
  core.release(subscriber);
  return Buffer.concat(written);
}

interface Request {
  readonly resume: { readonly last?: string; readonly since?: string };
  readonly isEnvelope: boolean;
}

/** Text that compresses to about a half. */
const dataOf = (at: number): string =>
  Array.from({ length: EVENT_BYTES / 10 }, (_, word) =>
    ((at * 7919 + word * 104_729) % 1e9).toString().padEnd(10),
  ).join('');

async function filled(options: HubOptions = {}, channels: readonly string[] = ['a']): Promise<HubCore> {
  const core = new HubCore(options);
  for (let at = 0; at < EVENTS; at += 1) {
    const channel = channels[at % channels.length] ?? '';
    await core.publishOne(channel, { data: JSON.stringify({ key: `k${at}`, text: dataOf(at) }) });
  }
  return core;
}

const keysOf = (gzipped: Buffer): readonly string[] =>
  Array.from(
    gunzipSync(gzipped)
      .toString()
      .matchAll(/"?k(\d+)\\?"/g),
    ([, key = '']) => key,
  );
const ALL_KEYS = Array.from({ length: EVENTS }, (_, at) => String(at));

const LATEST: HubOptions = { channels: [{ match: '*', slow: 'latest', key: '/key' }] };

test.each<[number, string, HubOptions, readonly string[], Partial<Request>]>([
  [50, 'one channel', {}, ['a'], {}],
  [6, 'one channel in envelopes', {}, ['a'], { isEnvelope: true }],
  [6, 'several channels', {}, ['a', 'b', 'c'], {}],
  [6, 'the newest of each key', LATEST, ['a'], {}],
])(
  '%i requests of the same backfill of %s cost about one compression',
  async (count, _, options, channels, request) => {
    const core = await filled(options, channels);
    const first = await read(core, channels, request);
    expect(keysOf(first)).toEqual(ALL_KEYS);
    const once = core.counters.compressionInputBytes;
    expect(once).toBeGreaterThan(3.5 * MiB);
    for (let at = 1; at < count; at += 1) await read(core, channels, request);
    // The part that still grows is compressed for each: less than a segment, or than a flush.
    expect(core.counters.compressionInputBytes - once).toBeLessThan((count - 1) * 256 * 1024);
    const again = await read(core, channels, request);
    expect(keysOf(again)).toEqual(ALL_KEYS);
    core.close();
  },
);

test.each<[string, readonly string[]]>([
  ['one channel', ['a']],
  ['several channels', ['a', 'b', 'c']],
])('readers of %s that resume from different places share what is compressed', async (_, channels) => {
  const core = await filled({}, channels);
  await read(core, channels);
  const once = core.counters.compressionInputBytes;
  for (let last = EVENTS - 500; last < EVENTS; last += 100) {
    const backfill = await read(core, channels, { resume: { last: String(last) } });
    expect(keysOf(backfill)).toEqual(ALL_KEYS.slice(-last));
  }
  // Each its own part until it is where the first one cut, and the part that still grows.
  expect((core.counters.compressionInputBytes - once) / 5).toBeLessThan(once / 4);
  core.close();
});

test('compressed history counts as history: it takes the room that is left, and goes first', async () => {
  const totalBytes = 6 * MiB;
  const core = await filled({ history: { totalBytes } });
  const { store, packer } = core;
  await read(core, ['a']);
  const keptBytes = packer.kept.bytes;
  expect(keptBytes).toBeGreaterThan(MiB);
  expect(store.bytes + keptBytes).toBeLessThanOrEqual(totalBytes);
  const channel = store.channels.get('a');
  const { events: eventsBefore = 0 } = channel?.history ?? {};
  // Less than what is compressed, so that it alone makes room for it.
  for (let at = 0; at < 1000; at += 1) {
    await core.publishOne('b', { data: dataOf(at) });
    expect(store.bytes + packer.kept.bytes).toBeLessThanOrEqual(totalBytes);
  }
  expect(packer.kept.bytes).toBeLessThan(keptBytes);
  expect(channel?.history.events).toBe(eventsBefore);
  expect(keysOf(await read(core, ['a']))).toEqual(ALL_KEYS);
  core.close();
});

test('compressed history that nobody reads is let go of after a minute', async () => {
  const clock = new ManualClock();
  const core = await filled({ clock, heartbeatMs: 16, history: { ageMs: 3_600_000 } });
  await read(core, ['a']);
  expect(core.packer.kept.bytes).toBeGreaterThan(MiB);
  clock.advance(61_000);
  await expect.poll(() => core.packer.kept.bytes).toBe(0);
  expect(keysOf(await read(core, ['a']))).toEqual(ALL_KEYS);
  core.close();
});
