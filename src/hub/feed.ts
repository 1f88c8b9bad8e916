import type { Channel } from './channel.js';
import { encodeCursor } from './frame.js';
import { FlushBytes } from './flush-bytes.js';
import type { Slice } from './history.js';
import { FLUSH_BYTES_MAX } from './limits.js';
import type { Frame } from './segment.js';
import { isStableCut } from './stable-cut.js';
import type { Subscriber } from './subscriber.js';

/** Slices kept for subscribers at different places, until the next event. */
const SLICES_KEPT_MAX = 16;

/** How a feed with several channels, or with envelopes, writes one frame. */
export type FrameForm = (channel: Channel, frame: Frame) => Uint8Array;

interface FeedOptions {
  readonly channels: readonly Channel[];
  /** Reads what lies behind an offset; the result is shared by all subscribers at that offset. */
  readonly read: (offset: number) => Slice | undefined;
  /** Whether its subscribers are sent control events (default true). */
  readonly hasControlEvents?: boolean;
}

/** What subscribers to the same channels in the same form share: who they are, and the bytes of a flush. */
export class Feed {
  readonly channels: readonly Channel[];
  readonly subscribers = new Set<Subscriber>();
  /** Whether its subscribers are sent control events (PROTOCOL.md, 4.3) or none (4.10). */
  readonly hasControlEvents: boolean;
  readonly #read: (offset: number) => Slice | undefined;
  readonly #slices = new Map<number, Slice | undefined>();

  constructor({ channels, read, hasControlEvents = true }: FeedOptions) {
    this.channels = channels;
    this.hasControlEvents = hasControlEvents;
    this.#read = read;
  }

  /** Offset of the newest event in any of the channels. */
  get headOffset(): number {
    return headOf(this.channels);
  }

  /** Offset of the newest event that any of the channels has given up. */
  get evictedOffset(): number {
    return this.channels.reduce((evicted, { history }) => Math.max(evicted, history.evictedOffset), 0);
  }

  /** Per channel the offset of the newest event it has given up. */
  get evictedOffsets(): readonly number[] {
    return this.channels.map(({ history }) => history.evictedOffset);
  }

  /** Where who has everything up to `offset` may stand as well: just before what is kept behind it, or at the head. */
  settledOffset(offset: number): number {
    const next = Math.min(
      ...this.channels.map(({ history }) => history.framesAfter(offset).next().value?.offset ?? Infinity),
    );
    return next === Infinity ? Math.max(offset, this.headOffset) : next - 1;
  }

  /** Names of the channels that keep only the newest event of each key. */
  get latestChannels(): readonly string[] {
    return this.channels.filter(({ slow }) => slow === 'latest').map(({ name }) => name);
  }

  get isEnded(): boolean {
    return this.channels.every((channel) => channel.isEnded);
  }

  /** Whether all channels have ended and a subscriber that has everything up to `offset` has nothing left to get. */
  isOverAt(offset: number): boolean {
    if (!this.isEnded) return false;
    return (
      offset >= this.headOffset || (!this.hasControlEvents && !this.channels.some((one) => hasEventAfter(one, offset)))
    );
  }

  /** What one flush sends to a subscriber that has everything up to `offset`. */
  sliceAfter(offset: number): Slice | undefined {
    // Kept for nobody else, a backfill's slices would only hold memory. What is compressed of them is kept elsewhere.
    if (this.subscribers.size < 2) return this.#read(offset);
    if (this.#slices.has(offset)) return this.#slices.get(offset);
    const slice = this.#read(offset);
    if (this.#slices.size >= SLICES_KEPT_MAX) this.#slices.clear();
    this.#slices.set(offset, slice);
    return slice;
  }

  /** A channel has changed: slices end at its old head. */
  forgetSlices(): void {
    this.#slices.clear();
  }
}

/** One channel as it stands in its history: slices are views of it. */
export function createChannelFeed(channel: Channel): Feed {
  return new Feed({
    channels: [channel],
    read: (offset) => channel.history.sliceAfter(offset, FLUSH_BYTES_MAX),
  });
}

export interface MergedFeedOptions {
  readonly channels: readonly Channel[];
  readonly form: FrameForm;
  readonly formatCursor: (offset: number) => string;
}

/**
 * Several channels in the order of their offsets, without ids; each flush ends with the cursor (PROTOCOL.md, 3.5).
 */
export function createMergedFeed({ channels, form, formatCursor }: MergedFeedOptions): Feed {
  return new Feed({
    channels,
    read(offset) {
      const flush = readMerged(channels, form, offset);
      return flush && sliceOf(flush, [...flush.parts, encodeCursor(formatCursor(flush.offset))]);
    },
  });
}

/** The frames of one flush of several channels, in their form, and where they lead. */
export interface MergedFlush {
  readonly parts: readonly Uint8Array[];
  readonly offset: number;
  readonly conflated: number;
  /** Whether more is kept after it: readers that come later are likely to be sent the same. */
  readonly isBackfill: boolean;
}

/**
 * What one flush sends of several channels behind `offset`. A connection cut inside a flush gets that flush again; so
 * each gap ends with a flush. What is lost here may be kept by the process that the connection comes back to, and
 * would follow on what was published after it.
 */
export function readMerged(channels: readonly Channel[], form: FrameForm, offset: number): MergedFlush | undefined {
  const parts: Uint8Array[] = [];
  let bytes = 0;
  let reached = offset;
  let latest = 0;
  let next: number | undefined;
  let isCut = false;
  for (const { channel, frame } of mergeAfter(channels, offset)) {
    if (isCut || (parts.length > 0 && isGapBetween(channels, reached, frame.offset))) {
      next = frame.offset;
      break;
    }
    const part = form(channel, frame);
    if (parts.length > 0 && bytes + part.length > FLUSH_BYTES_MAX) {
      next = frame.offset;
      break;
    }
    parts.push(part);
    bytes += part.length;
    reached = frame.offset;
    isCut = isStableCut(frame.offset, part.length, bytes);
    if (channel.slow === 'latest') latest += 1;
  }
  if (parts.length === 0) return undefined;
  reached = next === undefined ? headOf(channels) : next - 1;
  const conflated = publishedBetween(channels, offset, reached) - latest;
  return { parts, offset: reached, conflated, isBackfill: next !== undefined };
}

/** The flush as all at the same offset are sent it, in `blocks`. */
export function sliceOf({ parts, offset, conflated, isBackfill }: MergedFlush, blocks: readonly Uint8Array[]): Slice {
  const bytes = new FlushBytes([{ bytes: Buffer.concat(blocks) }], isBackfill);
  const slice = { bytes, offset, events: parts.length };
  return conflated > 0 ? { ...slice, conflated } : slice;
}

/** Whether anything but its end lies behind `offset`. */
function hasEventAfter(channel: Channel, offset: number): boolean {
  for (const frame of channel.history.framesAfter(offset)) if (!channel.isEndFrame(frame.offset)) return true;
  return false;
}

function headOf(channels: readonly Channel[]): number {
  return channels.reduce((head, { history }) => Math.max(head, history.headOffset), 0);
}

/** Whether what a channel has lost ends behind `offset` and before `next`. */
function isGapBetween(channels: readonly Channel[], offset: number, next: number): boolean {
  return channels.some(({ history }) => history.evictedOffset > offset && history.evictedOffset < next);
}

/** How many events channels that keep the newest of each key had between two places. */
function publishedBetween(channels: readonly Channel[], offset: number, reached: number): number {
  return channels.reduce((sum, { history }) => sum + (history.publishedBetween?.(offset, reached) ?? 0), 0);
}

interface Tagged {
  readonly channel: Channel;
  readonly frame: Frame;
}

/** The frames of all channels behind `offset`, by rising offset. */
function* mergeAfter(channels: readonly Channel[], offset: number): Generator<Tagged, void, undefined> {
  const heads: { channel: Channel; frames: Iterator<Frame, void>; frame: Frame }[] = [];
  for (const channel of channels) {
    const frames = channel.history.framesAfter(offset);
    const first = frames.next();
    if (first.done !== true) heads.push({ channel, frames, frame: first.value });
  }
  while (heads.length > 0) {
    const next = heads.reduce((lowest, head) => (head.frame.offset < lowest.frame.offset ? head : lowest));
    yield next;
    const following = next.frames.next();
    if (following.done === true) heads.splice(heads.indexOf(next), 1);
    else next.frame = following.value;
  }
}
