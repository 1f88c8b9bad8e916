import { formatCursor, quote } from '../protocol/index.js';
import type { Cursor } from '../protocol/index.js';
import { Channel } from './channel.js';
import { HubError } from './errors.js';
import type { ChannelRules } from './channel-rules.js';
import type { EncodedFrame } from './frame.js';
import { NOTHING_LOST } from './history.js';
import type { Lost } from './history.js';
import type { HistoryLimits } from './limits.js';
import { Rotation } from './rotation.js';

/** Where an event stands in its store, and when it came there. */
export interface Placement {
  readonly offset: number;
  /** Milliseconds since 1970. */
  readonly timeMs: number;
  /** Whether it is the frame that ends its channel. */
  readonly isEnd: boolean;
}

/** Changes an event on its way into a node's history: once for all its subscribers there. */
export type FrameStamp = (frame: EncodedFrame, cursor: Cursor) => EncodedFrame;

/** Memory that can be given up at any time. */
export interface SpareBytes {
  readonly bytes: number;
  shrinkTo(bytesMax: number): void;
}

export interface ChannelStoreOptions {
  readonly history: HistoryLimits;
  /** Then `too-many-channels`. */
  readonly channelsMax: number;
  readonly nowMs: () => number;
  readonly rules: ChannelRules;
  /** One life of the events' order; a new store has one of its own. */
  readonly epoch?: string;
}

/** How many upkeep ticks a full sweep over all channels takes. */
const SWEEP_SHARES = 16;
/** Of `totalBytes`: once over it, space is made down to here, so that it is not made for every event. */
const SPACE_SHARE = 0.95;

/** The channels that one process holds, in bounded memory. Its backplane fills it; one rising sequence of offsets goes over all. */
export class ChannelStore {
  /** Called when a channel has something new, before anything of it is given up. */
  onChanged: ((channel: Channel) => void) | undefined;
  /** Applied to each event that is appended, but for the ends of channels. */
  stamp: FrameStamp | undefined;
  /** What is kept beside the histories and counts as history; it goes before they do. */
  spare: SpareBytes | undefined;
  readonly #options: ChannelStoreOptions;
  #epoch: string;
  /** The epoch before this one, and where it ended. */
  #former: { readonly epoch: string; readonly offset: number } | undefined;
  readonly #channels = new Map<string, Channel>();
  readonly #sweep: Rotation<readonly [string, Channel]>;
  /** Whose turn it is to give up history for others. */
  readonly #space: Rotation<readonly [string, Channel]>;
  #headOffset = 0;
  #timeMs = 0;
  #bytes = 0;
  /** What channels that are forgotten had lost: who resumes one of them cannot be told more exactly. */
  #forgotten: Lost = NOTHING_LOST;

  constructor(options: ChannelStoreOptions) {
    this.#options = options;
    this.#epoch = options.epoch ?? createEpoch();
    this.#sweep = new Rotation(this.#channels);
    this.#space = new Rotation(this.#channels);
  }

  /** One life of the events' order. */
  get epoch(): string {
    return this.#epoch;
  }

  /** The epoch to which a cursor of a subscriber that is there belongs. */
  epochAt(offset: number): string {
    return this.#former !== undefined && offset < this.#former.offset ? this.#former.epoch : this.#epoch;
  }

  /**
   * Another epoch begins behind `offset`, which is at least the head: whatever there was is lost to everybody, and
   * who is connected is told so.
   */
  beginEpoch(epoch: string, offset: number): void {
    this.#former = { epoch: this.#epoch, offset };
    this.#epoch = epoch;
    this.advance(offset);
    for (const channel of this.#channels.values()) {
      this.lose(channel, { offset, timeMs: this.nowMs() });
      this.onChanged?.(channel);
    }
  }

  /** Everything of the channel up to `lost` is gone, which is at least its head. */
  lose(channel: Channel, lost: Lost): void {
    this.#bytes -= channel.lose(lost);
  }

  /** Offset of the newest event of any channel, held here or not. */
  get headOffset(): number {
    return this.#headOffset;
  }

  /** Bytes of all histories. */
  get bytes(): number {
    return this.#bytes;
  }

  get channels(): ReadonlyMap<string, Channel> {
    return this.#channels;
  }

  formatCursor(offset: number): Cursor {
    return formatCursor(this.epoch, offset);
  }

  /** The time, never running backwards: offsets and times rise together. */
  nowMs(): number {
    this.#timeMs = Math.max(this.#timeMs, this.#options.nowMs());
    return this.#timeMs;
  }

  /** The channel, made where it is not there, with what is too old given up. */
  open(name: string): Channel {
    const found = this.#channels.get(name);
    if (found !== undefined) {
      this.trim(found);
      return found;
    }
    if (this.#channels.size >= this.#options.channelsMax) {
      throw new HubError(
        'too-many-channels',
        `Cannot open channel ${quote(name)}: the hub holds ${this.#channels.size}`,
      );
    }
    return this.#add(new Channel(name, this.#options.rules.of(name), this.#forgotten));
  }

  /** A channel as another store has it, empty but for what it `lost`, in place of any that is here. */
  replace(name: string, lost: Lost): Channel {
    this.drop(name);
    return this.#add(new Channel(name, this.#options.rules.of(name), lost));
  }

  /** The next event in the order of all channels goes to one of them. */
  append(channel: Channel, frame: EncodedFrame, { offset, timeMs, isEnd }: Placement): void {
    this.advance(offset);
    const before = channel.history.bytes;
    if (isEnd) channel.end(frame, offset, timeMs);
    else channel.append(this.stamp?.(frame, this.formatCursor(offset)) ?? frame, offset, timeMs);
    this.#bytes += channel.history.bytes - before;
  }

  /** Events up to `offset` are out, whether their channels are held here or not. */
  advance(offset: number): void {
    this.#headOffset = Math.max(this.#headOffset, offset);
  }

  /** What was appended to the channel is whole: its followers may have it, and the limits hold again. */
  changed(channel: Channel): void {
    // Who follows it gets everything first: a burst longer than the history is no reader's fault.
    this.onChanged?.(channel);
    this.trim(channel);
    if (this.#bytes + (this.spare?.bytes ?? 0) > this.#options.history.totalBytes) this.#makeSpace();
  }

  /** Gives up what is over the channel's limits, unless the channel was let go of. */
  trim(channel: Channel): void {
    if (this.#channels.get(channel.name) !== channel) return;
    this.#bytes -= channel.trim(this.#options.history, this.nowMs());
  }

  /** The channel's last subscriber may have gone: without history it goes too. */
  release(channel: Channel): void {
    if (!channel.isForgettable(this.nowMs(), this.#options.history.ageMs)) return;
    const { evictedOffset, evictedTimeMs } = channel.history;
    if (evictedOffset > this.#forgotten.offset) this.#forgotten = { offset: evictedOffset, timeMs: evictedTimeMs };
    this.drop(channel.name);
  }

  /** Lets go of a channel that is kept elsewhere. */
  drop(name: string): void {
    const channel = this.#channels.get(name);
    if (channel === undefined) return;
    this.#channels.delete(name);
    this.#bytes -= channel.history.bytes;
  }

  /** Visits a share of the channels: after a few calls every one had its turn. */
  sweep(visit: (channel: Channel) => void): void {
    // An iterator that stands still keeps alive whatever its map has let go of since.
    this.#space.skip();
    this.#sweep.visitShare(SWEEP_SHARES, ([, channel]) => visit(channel));
  }

  #add(channel: Channel): Channel {
    this.#channels.set(channel.name, channel);
    return channel;
  }

  #makeSpace(): void {
    const target = this.#options.history.totalBytes * SPACE_SHARE;
    this.spare?.shrinkTo(Math.max(0, target - this.#bytes));
    if (this.#bytes <= this.#options.history.totalBytes) return;
    while (this.#bytes > target) {
      this.#space.visitNext(([, channel]) => {
        this.#bytes -= channel.halve();
      });
    }
  }
}

/** `~` and ten random characters: two lives of a store never share one. */
export function createEpoch(): string {
  const characters = Array.from(crypto.getRandomValues(new Uint8Array(10)), (byte) => (byte % 36).toString(36));
  return `~${characters.join('')}`;
}
