import { describe, expect, it } from 'vitest';

import { Channel } from './channel.js';
import type { Feed } from './feed.js';
import type { FlushBytes } from './flush-bytes.js';
import { bareForm } from './form.js';
import { encodeBody, encodeEndBody, frameOf } from './frame.js';
import type { FrameFields } from './frame.js';
import { createSilentChannelFeed, createSilentMergedFeed } from './silent-feed.js';

const formatCursor = (offset: number): string => `~aaaaaaaa-${offset}`;

/** A channel with these events, by their offsets; `end` ends it. */
function channelOf(name: string, events: Readonly<Record<number, FrameFields | 'end'>>): Channel {
  const channel = new Channel(name, { slow: 'gap', pointer: undefined });
  for (const [at, fields] of Object.entries(events)) {
    const offset = Number(at);
    const body = fields === 'end' ? encodeEndBody({ channel: name }) : encodeBody(fields);
    const frame = frameOf(body, formatCursor(offset));
    if (fields === 'end') channel.end(frame, offset, 0);
    else channel.append(frame, offset, 0);
  }
  return channel;
}

const feedOf = (...channels: readonly Channel[]): Feed =>
  createSilentMergedFeed({ channels, form: bareForm, formatCursor });

const textOf = (bytes: FlushBytes | undefined): string => Buffer.from(bytes?.plain ?? []).toString();

describe('createSilentChannelFeed()', () => {
  it('gives the bytes of the history itself where they hold no control event', () => {
    const channel = channelOf('a', {
      1: { data: 'one', event: 'price' },
      2: { data: '2', retry: 5 },
      3: { data: '3' },
    });
    const slice = createSilentChannelFeed(channel, formatCursor).sliceAfter(1);
    const kept = channel.history.sliceAfter(1, 1000);
    expect(slice?.offset).toBe(3);
    const [shown, held] = [slice?.bytes.plain, kept?.bytes.plain];
    expect(shown?.buffer).toBe(held?.buffer);
    expect([shown?.byteOffset, shown?.length]).toEqual([held?.byteOffset, held?.length]);
  });

  it('writes the cursor in place of an own id, and a block of only an id for the end', () => {
    const channel = channelOf('a', { 1: { data: '1' }, 4: { data: '2', id: 'own', event: 'x' }, 5: 'end' });
    const feed = createSilentChannelFeed(channel, formatCursor);
    const slice = feed.sliceAfter(0);
    expect(textOf(slice?.bytes)).toBe(
      'id: ~aaaaaaaa-1\ndata: 1\n\nid: ~aaaaaaaa-4\nevent: x\ndata: 2\n\nid: ~aaaaaaaa-5\n\n',
    );
    expect([slice?.offset, slice?.events]).toEqual([5, 3]);
    expect(feed.sliceAfter(5)).toBeUndefined();
  });

  it('ends a slice where the history ends its own, so that a long backfill comes in flushes', () => {
    const data = 'x'.repeat(100_000);
    const channel = channelOf('a', { 1: { data, id: 'o' }, 2: { data }, 3: { data, id: 'o' }, 4: { data } });
    const feed = createSilentChannelFeed(channel, formatCursor);
    const offsets: number[] = [];
    for (let slice = feed.sliceAfter(0); slice !== undefined; slice = feed.sliceAfter(slice.offset))
      offsets.push(slice.offset);
    expect(offsets).toEqual([2, 4]);
  });

  it('is over where nothing but the end is left', () => {
    const feed = createSilentChannelFeed(
      channelOf('a', { 1: { data: '1' }, 2: { data: '2' }, 3: 'end' }),
      formatCursor,
    );
    expect([0, 1, 2, 3].map((offset) => feed.isOverAt(offset))).toEqual([false, false, true, true]);
    const open = createSilentChannelFeed(channelOf('b', { 1: { data: '1' } }), formatCursor);
    expect(open.isOverAt(1)).toBe(false);
  });
});

describe('createSilentMergedFeed()', () => {
  it('gives the cursor to the last event of the flush, however it ends', () => {
    const feed = feedOf(
      channelOf('a', { 1: { data: 'a1', id: 'own' }, 4: 'end' }),
      channelOf('b', { 2: { data: 'b2' }, 3: { data: 'b3' } }),
    );
    const slice = feed.sliceAfter(0);
    expect(textOf(slice?.bytes)).toBe('data: a1\n\ndata: b2\n\nid: ~aaaaaaaa-4\ndata: b3\n\n');
    expect(slice?.offset).toBe(4);
  });

  it('sends a block of only an id where a flush holds nothing but ends', () => {
    const feed = feedOf(channelOf('a', { 1: { data: '1' }, 3: 'end' }), channelOf('b', { 2: { data: '2' } }));
    expect(textOf(feed.sliceAfter(2)?.bytes)).toBe('id: ~aaaaaaaa-3\n\n');
  });

  it('is over where nothing but ends is left, in all channels', () => {
    const feed = feedOf(channelOf('a', { 1: { data: '1' }, 3: 'end' }), channelOf('b', { 2: { data: '2' }, 4: 'end' }));
    expect([1, 2, 3].map((offset) => feed.isOverAt(offset))).toEqual([false, true, true]);
    expect(feedOf(channelOf('a', { 1: 'end' }), channelOf('b', {})).isOverAt(1)).toBe(false);
  });
});
