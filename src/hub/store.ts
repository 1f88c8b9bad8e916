import { checkChannelName, formatCursor, quote } from '../protocol/index.js';
import type { Cursor } from '../protocol/index.js';
import { Channel } from './channel.js';
import { HubError } from './errors.js';
import { asHubError, checkEvent } from './event.js';
import type { PublishEvent } from './event.js';
import { encodeEnd, encodeFrame } from './frame.js';
import type { EncodedFrame } from './frame.js';
import { NOTHING_LOST } from './history.js';
import type { Lost } from './history.js';
import type { HistoryLimits, HubLimits } from './limits.js';
import { readFrame } from './form.js';
import { Rotation } from './rotation.js';

/** The answer to a publish. */
export interface Published {
  readonly channel: string;
  /** The id that subscribers see: the publisher's own, else the cursor. */
  readonly id: string;
  readonly cursor: Cursor;
  /** An event with the same idempotency key was there already; this is its id. */
  readonly isDuplicate: boolean;
}

interface StoreOptions {
  readonly history: HistoryLimits;
  readonly limits: Omit<HubLimits, 'bodiesBytes'>;
  readonly nowMs: () => number;
  readonly onChanged: (channel: Channel) => void;
}

/** How many upkeep ticks a full sweep over all channels takes. */
const SWEEP_SHARES = 16;
/** Of `totalBytes`: once over it, space is made down to here, so that it is not made for every event. */
const SPACE_SHARE = 0.95;

/** All channels of this hub, in memory: one shard, with one rising sequence of offsets over all of them. */
export class MemoryStore {
  readonly epoch = createEpoch();
  readonly #options: StoreOptions;
  readonly #channels = new Map<string, Channel>();
  readonly #sweep: Rotation<readonly [string, Channel]>;
  /** Whose turn it is to give up history for others. */
  readonly #space: Rotation<readonly [string, Channel]>;
  #headOffset = 0;
  #timeMs = 0;
  #bytes = 0;
  /** What channels that are forgotten had lost: who resumes one of them cannot be told more exactly. */
  #forgotten: Lost = NOTHING_LOST;

  constructor(options: StoreOptions) {
    this.#options = options;
    this.#sweep = new Rotation(this.#channels);
    this.#space = new Rotation(this.#channels);
  }

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
    if (this.#channels.size >= this.#options.limits.channels) {
      throw new HubError(
        'too-many-channels',
        `Cannot open channel ${quote(name)}: the hub holds ${this.#channels.size}`,
      );
    }
    const channel = new Channel(checked(name), this.#forgotten);
    this.#channels.set(name, channel);
    return channel;
  }

  /**
   * Publishes all events, or none where one is refused.
   * @throws HubError as {@link checkEvent} does, and `channel-ended`.
   */
  publish(name: string, events: readonly PublishEvent[]): readonly Published[] {
    for (const event of events) checkEvent(event, this.#options.limits.eventBytes);
    const channel = this.open(name);
    this.checkNotEnded(channel, events);
    const published = events.map((event) => this.#publishOne(channel, event));
    this.#changed(channel);
    return published;
  }

  /** Ends the channel: its subscribers get `tidegate.end` after its last event. False where it had ended. */
  end(name: string): boolean {
    const channel = this.open(name);
    if (channel.isEnded) return false;
    const { offset, timeMs } = this.#next();
    const frame = encodeEnd({ channel: channel.name }, this.formatCursor(offset));
    channel.end(frame, offset, timeMs);
    this.#bytes += frame.bytes.length;
    this.#changed(channel);
    return true;
  }

  /** @throws HubError `channel-ended`, unless all the events were published before it ended. */
  checkNotEnded(channel: Channel, events: readonly PublishEvent[]): void {
    if (!channel.isEnded || events.every((event) => this.#findDuplicate(channel, event) !== undefined)) return;
    throw new HubError('channel-ended', `Cannot publish to channel ${quote(channel.name)}: it has ended`);
  }

  /** Gives up what is over the channel's limits, and the channel where nothing is left of it. */
  trim(channel: Channel): void {
    this.#bytes -= channel.trim(this.#options.history, this.nowMs());
  }

  /** The channel's last feed may have gone: without history it goes too. */
  release(channel: Channel): void {
    if (channel.isForgettable(this.nowMs(), this.#options.history.ageMs)) this.#forget(channel);
  }

  /** Gives up a share of what is too old, and ends channels whose time to live is over. */
  sweep(channelTtlMs: number): void {
    const nowMs = this.nowMs();
    // An iterator that stands still keeps alive whatever its map has let go of since.
    this.#space.skip();
    this.#sweep.visitShare(SWEEP_SHARES, ([, channel]) => {
      const isOver = channelTtlMs > 0 && nowMs - (channel.lastEventMs ?? nowMs) >= channelTtlMs;
      if (isOver && !channel.isEnded) this.end(channel.name);
      this.trim(channel);
      this.release(channel);
    });
  }

  #publishOne(channel: Channel, event: PublishEvent): Published {
    const duplicate = this.#findDuplicate(channel, event);
    if (duplicate !== undefined) return duplicate;
    const { offset, timeMs } = this.#next();
    const cursor = this.formatCursor(offset);
    const frame = encoded(event, cursor);
    channel.append(frame, offset, timeMs);
    if (event.idempotencyKey !== undefined) channel.rememberKey(event.idempotencyKey, offset);
    this.#bytes += frame.bytes.length;
    return { channel: channel.name, id: event.id ?? cursor, cursor, isDuplicate: false };
  }

  #findDuplicate(channel: Channel, { idempotencyKey }: PublishEvent): Published | undefined {
    const offset = idempotencyKey === undefined ? undefined : channel.offsetOfKey(idempotencyKey);
    if (offset === undefined) return undefined;
    const frame = channel.history.framesAfter(offset - 1).next().value;
    const cursor = this.formatCursor(offset);
    return { channel: channel.name, id: frame ? readFrame(frame).id : cursor, cursor, isDuplicate: true };
  }

  #next(): { readonly offset: number; readonly timeMs: number } {
    this.#headOffset += 1;
    return { offset: this.#headOffset, timeMs: this.nowMs() };
  }

  #changed(channel: Channel): void {
    // Who follows it gets everything first: a burst longer than the history is no reader's fault.
    this.#options.onChanged(channel);
    this.trim(channel);
    if (this.#bytes > this.#options.history.totalBytes) this.#makeSpace();
  }

  #makeSpace(): void {
    const target = this.#options.history.totalBytes * SPACE_SHARE;
    while (this.#bytes > target) {
      this.#space.visitNext(([, channel]) => {
        this.#bytes -= channel.halve();
      });
    }
  }

  #forget(channel: Channel): void {
    this.#channels.delete(channel.name);
    const { evictedOffset, evictedTimeMs } = channel.history;
    if (evictedOffset > this.#forgotten.offset) this.#forgotten = { offset: evictedOffset, timeMs: evictedTimeMs };
  }
}

/** `~` and ten random characters: two lives of a store never share one. */
function createEpoch(): string {
  const characters = Array.from(crypto.getRandomValues(new Uint8Array(10)), (byte) => (byte % 36).toString(36));
  return `~${characters.join('')}`;
}

function checked(name: string): string {
  try {
    return checkChannelName(name);
  } catch (error) {
    throw asHubError(error);
  }
}

function encoded(event: PublishEvent, cursor: string): EncodedFrame {
  try {
    return encodeFrame(event, cursor);
  } catch (error) {
    throw asHubError(error);
  }
}
