import { formatCursor, quote } from '../protocol/index.js';
import type { Cursor } from '../protocol/index.js';
import { Accounts } from './accounts.js';
import { Channel } from './channel.js';
import { HubError } from './errors.js';
import type { ChannelRules } from './channel-rules.js';
import type { EncodedFrame } from './frame.js';
import { ForgottenLosses } from './forgotten-losses.js';
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
  /** One life of the events' order, and when it began; a new store has one of its own, which begins now. */
  readonly life?: Life;
}

/** One life of a store: what was published before it, nobody knows. */
export interface Life {
  readonly epoch: string;
  /** Milliseconds since 1970. */
  readonly beganAtMs: number;
}

/** Where a channel stands that is kept elsewhere. */
export interface ChannelOrigin {
  readonly lost: Lost;
  /** The publisher to whom it is charged there. */
  readonly publisher: string;
}

/** Whoever publishes without being a caller: the program that the hub is embedded in, and the hub itself. */
export const OWN_PUBLISHER = '';
/** Of the channels there may be, those that only subscribers have opened: publishers find room beside them. */
export const OPENED_SHARE = 0.75;

/** How many upkeep ticks a full sweep over all channels takes. */
const SWEEP_SHARES = 16;
/** Of `totalBytes`: once over it, space is made down to here, so that it is not made for every event. */
const SPACE_SHARE = 0.99;

/** The channels that one process holds, in bounded memory. Its backplane fills it; one rising sequence of offsets goes over all. */
export class ChannelStore {
  /** Called when a channel has something new, before anything of it is given up. */
  onChanged: ((channel: Channel) => void) | undefined;
  /** Applied to each event that is appended, but for the ends of channels. */
  stamp: FrameStamp | undefined;
  /** What is kept beside the histories and counts as history; it goes before they do. */
  spare: SpareBytes | undefined;
  readonly #options: ChannelStoreOptions;
  #life: Life;
  /** The epoch before this one, and where it ended. */
  #former: { readonly epoch: string; readonly offset: number } | undefined;
  readonly #channels = new Map<string, Channel>();
  readonly #sweep: Rotation<readonly [string, Channel]>;
  #headOffset = 0;
  #timeMs = 0;
  #bytes = 0;
  /** Who has how much of it. */
  readonly #accounts = new Accounts<Channel>();
  readonly #forgotten = new ForgottenLosses();
  /** The channel whose newest events are not charged yet, and its bytes before: a run of them is charged in one step. */
  #growing: Channel | undefined;
  #grownFrom = 0;

  constructor(options: ChannelStoreOptions) {
    this.#options = options;
    this.#life = options.life ?? { epoch: createEpoch(), beganAtMs: this.nowMs() };
    this.#sweep = new Rotation(this.#channels);
  }

  /** One life of the events' order. */
  get epoch(): string {
    return this.#life.epoch;
  }

  get life(): Life {
    return this.#life;
  }

  /** Where the store stands, for a client that resumes. */
  get state(): Life & { readonly headOffset: number; readonly nowMs: number } {
    return { ...this.#life, headOffset: this.#headOffset, nowMs: this.nowMs() };
  }

  /** The epoch to which a cursor of a subscriber that is there belongs. */
  epochAt(offset: number): string {
    return this.#former !== undefined && offset < this.#former.offset ? this.#former.epoch : this.epoch;
  }

  /**
   * Another life begins behind `offset`, which is at least the head: whatever there was is lost to everybody, and
   * who is connected is told so.
   */
  beginLife(life: Life, offset: number): void {
    this.#former = { epoch: this.epoch, offset };
    this.#life = life;
    this.advance(offset);
    for (const channel of this.#channels.values()) {
      this.lose(channel, { offset, timeMs: this.nowMs() });
      this.onChanged?.(channel);
    }
  }

  /** Everything of the channel up to `lost` is gone, which is at least its head. */
  lose(channel: Channel, lost: Lost): void {
    this.#gaveUp(channel, channel.lose(lost));
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

  /**
   * The channel for `publisher`, made where it is not there, with what is too old given up. It is charged to the first to
   * publish there since it was last empty.
   * @throws HubError `too-many-channels`: there are, and nobody has more of them than `publisher`.
   */
  open(name: string, publisher: string): Channel {
    const found = this.#channels.get(name);
    if (found === undefined) {
      this.#makeRoom(name, this.#accounts.channelsOf(publisher));
      return this.#add(this.#create(name, this.#forgotten.of(name)), publisher, false);
    }
    this.trim(found);
    const isFree = found.account?.isOpener === true || found.history.events === 0;
    if (isFree && found.account?.key !== publisher) this.#recharge(found, publisher);
    return found;
  }

  /**
   * The channel for a subscriber, made where it is not there. No subscriber opens more channels than are left for all.
   * @throws HubError `too-many-channels`.
   */
  openFor(subscriber: string, name: string): Channel {
    const found = this.#channels.get(name);
    if (found !== undefined) {
      this.trim(found);
      return found;
    }
    const held = this.#accounts.openedBy(subscriber);
    const left = Math.ceil(this.#options.channelsMax * OPENED_SHARE) - this.#accounts.opened;
    if (left < 1 || held > left) this.#refuse(name);
    this.#makeRoom(name, held);
    return this.#add(this.#create(name, this.#forgotten.of(name)), subscriber, true);
  }

  /** A channel as another store has it, empty but for what it lost, in place of any that is here. */
  replace(name: string, { lost, publisher }: ChannelOrigin): Channel {
    this.drop(name);
    return this.#add(this.#create(name, lost), publisher, false);
  }

  /** The frame as it is kept here. */
  stamped(frame: EncodedFrame, cursor: Cursor): EncodedFrame {
    return this.stamp?.(frame, cursor) ?? frame;
  }

  /** The next event in the order of all channels goes to one of them. */
  append(channel: Channel, frame: EncodedFrame, { offset, timeMs, isEnd }: Placement): void {
    this.advance(offset);
    const before = channel.bytes;
    if (channel !== this.#growing) {
      this.#settle();
      this.#growing = channel;
      this.#grownFrom = before;
    }
    if (isEnd) channel.end(frame, offset, timeMs);
    else channel.append(this.stamped(frame, this.formatCursor(offset)), offset, timeMs);
    this.#bytes += channel.bytes - before;
  }

  /** Events up to `offset` are out, whether their channels are held here or not. */
  advance(offset: number): void {
    this.#headOffset = Math.max(this.#headOffset, offset);
  }

  /** What was appended to the channel is whole: its followers may have it, and the limits hold again. */
  changed(channel: Channel): void {
    this.#settle();
    // Who follows it gets everything first: a burst longer than the history is no reader's fault.
    this.onChanged?.(channel);
    this.trim(channel);
    if (this.#bytes + (this.spare?.bytes ?? 0) > this.#options.history.totalBytes) this.#makeSpace();
  }

  /** Gives up what is over the channel's limits, unless the channel was let go of. */
  trim(channel: Channel): void {
    if (this.#channels.get(channel.name) !== channel) return;
    this.#gaveUp(channel, channel.trim(this.#options.history, this.nowMs()));
  }

  /** The channel's last subscriber may have gone: without history it goes too. */
  release(channel: Channel): void {
    if (this.#channels.get(channel.name) !== channel) return;
    if (!channel.isForgettable(this.nowMs(), this.#options.history.ageMs)) return;
    this.#forget(channel);
  }

  /** Lets go of a channel that is kept elsewhere. */
  drop(name: string): void {
    const channel = this.#channels.get(name);
    if (channel === undefined) return;
    this.#channels.delete(name);
    this.#settle();
    this.#accounts.discharge(channel);
    this.#bytes -= channel.bytes;
  }

  /** Visits a share of the channels: after a few calls every one had its turn. */
  sweep(visit: (channel: Channel) => void): void {
    this.#sweep.visitShare(SWEEP_SHARES, ([, channel]) => visit(channel));
  }

  #create(name: string, lost: Lost): Channel {
    return new Channel(name, this.#options.rules.of(name), lost);
  }

  #add(channel: Channel, key: string, isOpener: boolean): Channel {
    this.#channels.set(channel.name, channel);
    this.#accounts.charge(channel, key, isOpener);
    return channel;
  }

  #recharge(channel: Channel, publisher: string): void {
    this.#settle();
    this.#accounts.discharge(channel);
    this.#accounts.charge(channel, publisher, false);
  }

  #settle(): void {
    const channel = this.#growing;
    this.#growing = undefined;
    if (channel !== undefined) this.#accounts.resize(channel, this.#grownFrom);
  }

  #gaveUp(channel: Channel, bytes: number): void {
    if (bytes === 0) return;
    this.#bytes -= bytes;
    // What was given up was charged, or was to be: either way it is less by so much.
    if (channel === this.#growing) this.#settle();
    else this.#accounts.resize(channel, channel.bytes + bytes);
  }

  /** Everything of the channel is lost. */
  #forget(channel: Channel): void {
    const { headOffset, headTimeMs } = channel.history;
    this.#forgotten.remember(channel.name, { offset: headOffset, timeMs: headTimeMs });
    this.drop(channel.name);
  }

  /** For one channel more of who has `held`. */
  #makeRoom(name: string, held: number): void {
    if (this.#channels.size < this.#options.channelsMax) return;
    const idle = this.#accounts.idlest(held);
    if (idle === undefined) this.#refuse(name);
    this.#forget(idle);
  }

  #refuse(name: string): never {
    const { size } = this.#channels;
    throw new HubError('too-many-channels', `Cannot open channel ${quote(name)}: the hub holds ${size}`);
  }

  /** Who has the most bytes gives up the older half of its largest channel, until there is room again. */
  #makeSpace(): void {
    const target = this.#options.history.totalBytes * SPACE_SHARE;
    this.spare?.shrinkTo(Math.max(0, target - this.#bytes));
    if (this.#bytes <= this.#options.history.totalBytes) return;
    while (this.#bytes > target) {
      const channel = this.#accounts.largest();
      if (channel === undefined) return;
      this.#gaveUp(channel, channel.halve());
    }
  }
}

/** `~` and ten random characters: two lives of a store never share one. */
export function createEpoch(): string {
  const characters = Array.from(crypto.getRandomValues(new Uint8Array(10)), (byte) => (byte % 36).toString(36));
  return `~${characters.join('')}`;
}
