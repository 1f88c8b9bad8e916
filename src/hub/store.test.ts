import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';

import { NO_RULES } from './channel-rules.js';
import type { Channel } from './channel.js';
import { encodeFrame } from './frame.js';
import { DEFAULT_HISTORY } from './limits.js';
import type { HistoryLimits } from './limits.js';
import { ChannelStore } from './store.js';

const MIB = 1024 * 1024;

function createStore(history: Partial<HistoryLimits>, channelsMax = 1_000_000): ChannelStore {
  const limits = { ...DEFAULT_HISTORY, ageMs: 1e9, ...history };
  return new ChannelStore({ history: limits, channelsMax, rules: NO_RULES, nowMs: () => 1000 });
}

function publish(store: ChannelStore, publisher: string, name: string, bytes: number): Channel {
  const channel = store.open(name, publisher);
  const offset = store.headOffset + 1;
  const frame = encodeFrame({ data: 'x'.repeat(bytes) }, store.formatCursor(offset));
  store.append(channel, frame, { offset, timeMs: store.nowMs(), isEnd: false });
  store.changed(channel);
  return channel;
}

function bytesOf(store: ChannelStore, prefix: string): number {
  let bytes = 0;
  for (const [name, channel] of store.channels) if (name.startsWith(prefix)) bytes += channel.bytes;
  return bytes;
}

describe('history.totalBytes', () => {
  test('one large publisher takes nothing from many small ones', () => {
    const store = createStore({ totalBytes: 64 * MIB, bytes: 256 * MIB, events: 1e6 });
    for (let at = 0; at < 1000; at += 1) publish(store, `small-${at}`, `s.${at}`, 1000);
    const before = bytesOf(store, 's.');
    for (let at = 0; at < 3000; at += 1) publish(store, 'large', `l.${at % 30}`, 100_000);
    expect(bytesOf(store, 's.')).toBe(before);
    expect(store.bytes).toBeLessThanOrEqual(64 * MIB);
    expect(bytesOf(store, 'l.')).toBeGreaterThan(50 * MIB);
    expect(bytesOf(store, '')).toBe(store.bytes);
  });

  test('100,000 small channels of one publisher take nothing from one large channel of another', () => {
    const store = createStore({ totalBytes: 64 * MIB });
    for (let at = 0; at < 10; at += 1) publish(store, 'large', 'l', MIB);
    const before = bytesOf(store, 'l');
    for (let round = 0; round < 2; round += 1)
      for (let at = 0; at < 100_000; at += 1) publish(store, 'many', `m.${at}`, 400);
    expect(bytesOf(store, 'l')).toBe(before);
    expect(store.bytes).toBeLessThanOrEqual(64 * MIB);
    expect(bytesOf(store, 'm.')).toBeGreaterThan(48 * MIB);
  });

  test('the publisher with the most loses from its largest channel, and a gap says so', () => {
    const store = createStore({ totalBytes: 10 * MIB });
    for (let at = 0; at < 100; at += 1) publish(store, 'p', `p.${at}`, 1000);
    const large = store.open('p.large', 'p');
    for (let at = 0; at < 12; at += 1) publish(store, 'p', 'p.large', MIB);
    expect(large.history.evictedOffset).toBeGreaterThan(0);
    for (let at = 0; at < 100; at += 1) expect(store.channels.get(`p.${at}`)?.eventCount).toBe(1);
  });

  test('of publishers with about as much each loses some', () => {
    const store = createStore({ totalBytes: 8 * MIB });
    for (let at = 0; at < 400; at += 1) publish(store, `p${at % 4}`, `p${at % 4}.a`, 50_000);
    for (const prefix of ['p0', 'p1', 'p2', 'p3']) {
      expect(bytesOf(store, prefix)).toBeGreaterThan(MIB);
      expect(bytesOf(store, prefix)).toBeLessThan(3 * MIB);
    }
  });

  test('a channel is charged to the first to publish there since it was empty', () => {
    const store = createStore({});
    const channel = store.openFor('reader', 'a');
    expect(channel.account).toMatchObject({ key: 'reader', isOpener: true });
    publish(store, 'p', 'a', 10);
    expect(channel.account).toMatchObject({ key: 'p', isOpener: false, channels: 1 });
    publish(store, 'q', 'a', 10);
    expect(channel.account?.key).toBe('p');
    store.lose(channel, { offset: store.headOffset, timeMs: 1000 });
    publish(store, 'q', 'a', 10);
    expect(channel.account).toMatchObject({ key: 'q', bytes: channel.bytes });
  });
});

test('accounts have what their channels have, whatever is appended, given up and let go of', () => {
  const step = fc.record({
    do: fc.constantFrom('append', 'append', 'append', 'changed', 'lose', 'drop', 'trim'),
    name: fc.constantFrom('a', 'b', 'c'),
    publisher: fc.constantFrom('p', 'q'),
    bytes: fc.nat({ max: 9000 }),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const store = createStore({ events: 5, totalBytes: 30_000 });
      for (const { do: what, name, publisher, bytes } of steps) {
        const channel = store.open(name, publisher);
        const offset = store.headOffset + 1;
        const frame = encodeFrame({ data: 'x'.repeat(bytes) }, store.formatCursor(offset));
        if (what === 'append') store.append(channel, frame, { offset, timeMs: 1000, isEnd: false });
        else if (what === 'changed') store.changed(channel);
        else if (what === 'lose') store.lose(channel, { offset: store.headOffset, timeMs: 1000 });
        else if (what === 'drop') store.drop(name);
        else store.trim(channel);
      }
      for (const channel of store.channels.values()) store.changed(channel);
      for (const { account } of store.channels.values()) {
        const own = [...store.channels.values()].filter((channel) => channel.account === account);
        expect(account?.bytes).toBe(own.reduce((sum, channel) => sum + channel.bytes, 0));
      }
      expect(store.bytes).toBe(bytesOf(store, ''));
    }),
    { numRuns: 1000 },
  );
});

describe('limits.channels', () => {
  test('100,000 channels of one publisher leave room for another, and none of its channels goes', () => {
    const store = createStore({}, 100_000);
    publish(store, 'other', 'o.0', 10);
    for (let at = 0; at < 99_999; at += 1) publish(store, 'many', `m.${at}`, 10);
    expect(() => publish(store, 'many', 'm.more', 10)).toThrow(
      expect.objectContaining({ code: 'too-many-channels' }) as Error,
    );
    const lost = store.channels.get('m.0')?.history.headOffset;
    for (let at = 1; at < 1000; at += 1) publish(store, 'other', `o.${at}`, 10);
    expect(store.channels.size).toBe(100_000);
    expect(store.channels.has('o.0')).toBe(true);
    expect(store.channels.has('m.0')).toBe(false);
    // Who resumes it is told of a gap.
    expect(store.open('m.0', 'third').history.evictedOffset).toBe(lost);
  });

  test('nobody takes a channel from who has no more', () => {
    const store = createStore({}, 2);
    publish(store, 'p', 'p', 10);
    publish(store, 'q', 'q', 10);
    expect(() => publish(store, 'q', 'q.2', 10)).toThrow(/holds 2/);
    publish(store, 'r', 'r', 10);
    expect(store.channels.size).toBe(2);
  });
});
