import type { Channel } from './channel.js';
import { Feed, readMerged, sliceOf } from './feed.js';
import type { MergedFeedOptions } from './feed.js';
import { FlushBytes } from './flush-bytes.js';
import { withoutEnd } from './form.js';
import { encodeIdBlock, encodeIdLine } from './frame.js';
import type { Slice } from './history.js';
import { FLUSH_BYTES_MAX } from './limits.js';
import type { Frame } from './segment.js';

/*
 * Feeds without control events (`?control=none`; PROTOCOL.md, 4.10): each id is a cursor. Where a control event
 * carried one, a block of only that id takes its place; it dispatches nothing.
 */

/** One channel. Slices are views of its history, as long as no event has an id of its own and the channel goes on. */
export function createSilentChannelFeed(channel: Channel, formatCursor: (offset: number) => string): Feed {
  return new Feed({
    channels: [channel],
    hasControlEvents: false,
    read(offset) {
      const slice = channel.history.sliceAfter(offset, FLUSH_BYTES_MAX);
      return slice && withoutControlBlocks(channel, { slice, from: offset, formatCursor });
    },
  });
}

/** Several channels, or envelopes: the last event of each flush has the cursor as its id. */
export function createSilentMergedFeed({ channels, form, formatCursor }: MergedFeedOptions): Feed {
  const silentForm = withoutEnd(form);
  return new Feed({
    channels,
    hasControlEvents: false,
    read(offset) {
      const flush = readMerged(channels, silentForm, offset);
      if (flush === undefined) return undefined;
      const parts = flush.parts.filter(({ length }) => length > 0);
      const last = parts.pop();
      const cursor = formatCursor(flush.offset);
      return sliceOf(flush, last === undefined ? [encodeIdBlock(cursor)] : [...parts, encodeIdLine(cursor), last]);
    },
  });
}

interface SliceAfter {
  readonly slice: Slice;
  /** The offset behind which it begins. */
  readonly from: number;
  readonly formatCursor: (offset: number) => string;
}

/** The same events; the slice itself where it holds no control blocks. */
function withoutControlBlocks(channel: Channel, { slice, from, formatCursor }: SliceAfter): Slice {
  const frames: Frame[] = [];
  let isClean = true;
  for (const frame of channel.history.framesAfter(from)) {
    if (frame.offset > slice.offset) break;
    frames.push(frame);
    isClean &&= !hasOwnId(frame) && !channel.isEndFrame(frame.offset);
  }
  if (isClean) return slice;
  const blocks = frames.flatMap((frame) => {
    const cursor = formatCursor(frame.offset);
    if (channel.isEndFrame(frame.offset)) return [encodeIdBlock(cursor)];
    if (!hasOwnId(frame)) return [frame.bytes];
    return [encodeIdLine(cursor), frame.bytes.subarray(frame.bodyStart, frame.bodyEnd)];
  });
  return { ...slice, bytes: FlushBytes.of(Buffer.concat(blocks)) };
}

/** A publisher's own id is followed by the cursor in a block of its own. */
function hasOwnId({ bytes, bodyEnd }: Frame): boolean {
  return bodyEnd < bytes.length;
}
