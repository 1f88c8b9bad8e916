import type { ErrorData, GapData, GapReason } from '../protocol/index.js';
import type { Access } from './auth/access.js';
import { SILENT_TICKS_MAX } from './beats.js';
import type { Beaten } from './beats.js';
import type { Channel } from './channel.js';
import type { Pings } from './compat/pings.js';
import type { Connection } from './connection.js';
import type { Feed } from './feed.js';
import type { FlushBytes } from './flush-bytes.js';
import {
  encodeConflated,
  encodeCursor,
  encodeEnded,
  encodeError,
  encodeGaps,
  encodeIdBlock,
  encodeLive,
  encodeRetry,
  HEARTBEAT,
} from './frame.js';
import type { PeerSocket } from './sockets/peer-socket.js';

/** Where a subscriber's bytes go: a socket, an HTTP/2 stream, or a response. */
export interface Outlet {
  /** Takes the subscriber's own bytes. False where its buffer is full; `onDrain` is called when it has room again. */
  write(bytes: Uint8Array): boolean;
  /** Takes bytes that others are sent too, in the form that this outlet needs; says what `write` says. */
  flush(flush: FlushBytes): boolean;
  /** Bytes taken but not yet handed to the system. */
  readonly pendingBytes: number;
  /** The connection below, which other outlets may share; undefined once it has gone. */
  readonly socket: PeerSocket | undefined;
  onDrain(resume: () => void): void;
  /** Ends the response after what is written, so that its client can tell that from a cut. */
  end(): void;
  /** Cuts the connection now. */
  destroy(): void;
  /** Cuts the connection below, with everything else that it carries. */
  destroyConnection(): void;
}

/** What subscribers need from their hub. */
export interface SubscriberContext {
  nowMs(): number;
  /** The gaps of channels that lost something behind `offset` while the subscriber was there. */
  gapsBehind(offset: number, lost: readonly Channel[]): readonly GapData[];
  formatCursor(offset: number): string;
  /** The subscriber wants to be pulled in the next round. */
  scheduleTurn(subscriber: Subscriber): void;
  /** Milliseconds to tell a client to wait before it comes back. */
  jitteredRetryMs(): number;
  readonly counters: DeliveryCounters;
  /** Time as subscribers are looked at: in ticks, a few of them in each heartbeat interval. */
  readonly beats: { readonly tick: number; readonly tickMs: number };
  /** How long a subscriber may take none of its bytes. */
  readonly stallTimeoutMs: number;
}

/** Counted where it happens; read by the metrics. */
export interface DeliveryCounters {
  deliveries: number;
  deliveredBytes: number;
  writes: number;
  flushes: number;
  readonly gaps: Map<GapReason, number>;
  stalled: number;
  /** Sent away because history had moved past them. */
  tooSlow: number;
  /** Events passed over for newer ones of their keys, summed over subscribers. */
  conflated: number;
}

interface SubscriberOptions {
  readonly access: Access;
  readonly connection: Connection;
  readonly feed: Feed;
  readonly outlet: Outlet;
  readonly context: SubscriberContext;
  readonly offset: number;
  /** Events that say that the stream is alive; most have none. */
  readonly pings?: Pings | undefined;
}

/** One live SSE response: a cursor into its feed and an outlet, and no queue between them. */
export class Subscriber implements Beaten {
  readonly access: Access;
  readonly connection: Connection;
  readonly feed: Feed;
  readonly #outlet: Outlet;
  readonly #context: SubscriberContext;
  readonly #pings: Pings | undefined;
  #offset: number;
  /** Per channel what was lost when it was last looked at: a merged feed's cursor can lie before it. */
  #announced: readonly number[] = [];
  #isLive = false;
  /** When it was ended or blocked; 0 where it is not. */
  #closedAtMs = 0;
  #blockedSinceMs = 0;
  /** The tick of the last write: all that a write costs for heartbeats. */
  #writtenTick: number;
  /** Events passed over that the client has yet to be told of, and when it was told last. */
  #conflated = 0;
  #conflatedAtMs = 0;
  /** Belongs to the wheel that it is on. */
  dueTick = 0;

  /** What `feed` has lost until now is known to the subscriber, or was not asked for. */
  constructor({ access, connection, feed, outlet, context, offset, pings }: SubscriberOptions) {
    this.access = access;
    this.connection = connection;
    this.feed = feed;
    this.#outlet = outlet;
    this.#context = context;
    this.#pings = pings;
    this.#offset = offset;
    this.#writtenTick = context.beats.tick;
    if (feed.evictedOffset > offset) this.#announced = feed.evictedOffsets;
  }

  /** The subscriber has been sent everything up to here. */
  get offset(): number {
    return this.#offset;
  }

  /** Events that it has yet to be sent. */
  get eventsBehind(): number {
    return this.feed.channels.reduce((sum, { history }) => sum + history.countAfter(this.#offset), 0);
  }

  get isBlocked(): boolean {
    return this.#blockedSinceMs > 0;
  }

  get socket(): PeerSocket | undefined {
    return this.#outlet.socket;
  }

  /**
   * Sends what lies behind the cursor, in one write, unless the outlet is full. More than one flush's worth
   * waits for the next round, so that a long backfill holds nobody up.
   */
  pull(): void {
    if (this.#isClosed || this.isBlocked) return;
    if (this.feed.evictedOffset > this.#offset && !this.#announceLosses()) return;
    const slice = this.feed.sliceAfter(this.#offset);
    // Nothing behind the cursor is kept, though something may have been published there.
    if (slice === undefined) this.#offset = Math.max(this.#offset, this.feed.headOffset);
    else {
      this.#offset = slice.offset;
      this.#context.counters.deliveries += slice.events;
      this.#wrote(slice.bytes.byteCount, this.#outlet.flush(slice.bytes));
      if (slice.conflated !== undefined) this.#countConflated(slice.conflated);
    }
    if (this.isBlocked) return;
    if (this.#offset < this.feed.headOffset) this.#context.scheduleTurn(this);
    else this.#reachHead();
  }

  /** Sends bytes that are no part of the history. */
  write(bytes: Uint8Array): void {
    this.#wrote(bytes.length, this.#outlet.write(bytes));
  }

  /** The tick by which it must be looked at: for a heartbeat, a ping, or because it takes nothing. */
  get wantedTick(): number {
    const { beats, stallTimeoutMs } = this.#context;
    if (this.#stuckSinceMs === 0)
      return Math.min(this.#writtenTick + SILENT_TICKS_MAX, this.#pings?.dueTick ?? Number.POSITIVE_INFINITY);
    const leftMs = stallTimeoutMs - (this.#context.nowMs() - this.#stuckSinceMs);
    return beats.tick + Math.ceil(leftMs / beats.tickMs);
  }

  /** Keeps an idle connection open, cuts one that is stuck. */
  beat(tick: number): void {
    if (this.#stuckSinceMs > 0) return this.#beatStuck();
    this.#tellConflated();
    const ping = this.#pings?.next(tick);
    if (ping !== undefined) this.write(ping);
    else if (tick - this.#writtenTick >= SILENT_TICKS_MAX) this.write(HEARTBEAT);
  }

  /** The peer took some bytes, though not all that the system was given. */
  noteProgress(): void {
    if (this.isBlocked) this.#blockedSinceMs = this.#context.nowMs();
  }

  /** Cuts the connection of a peer that takes nothing, or is not there any more. */
  cutStalled(): void {
    this.#context.counters.stalled += 1;
    this.#closedAtMs ||= this.#context.nowMs();
    this.#outlet.destroyConnection();
  }

  /** As {@link sendAway}, and says up to where the client has everything, so that it lacks nothing when it comes back. */
  sendAwayWithCursor(farewell: ErrorData, retryMs: number): void {
    if (!this.#isClosed && !this.isBlocked) {
      const cursor = this.#context.formatCursor(this.#offset);
      this.write(this.feed.hasControlEvents ? encodeCursor(cursor) : encodeIdBlock(cursor));
    }
    this.sendAway(farewell, retryMs);
  }

  /** Says why, says when to come back, and ends; a subscriber that cannot hear it is cut off. */
  sendAway(farewell: ErrorData, retryMs: number): void {
    if (this.#isClosed) return;
    if (this.isBlocked) return this.destroy();
    this.write(this.feed.hasControlEvents ? encodeError(farewell, retryMs) : encodeRetry(retryMs));
    this.close();
  }

  close(): void {
    if (this.#isClosed) return;
    this.#closedAtMs = this.#context.nowMs();
    this.#outlet.end();
  }

  destroy(): void {
    this.#closedAtMs ||= this.#context.nowMs();
    this.#outlet.destroy();
  }

  /** Since when it was ended, or takes nothing; 0 where neither is so. */
  get #stuckSinceMs(): number {
    return this.#closedAtMs || this.#blockedSinceMs;
  }

  get #isClosed(): boolean {
    return this.#closedAtMs > 0;
  }

  #beatStuck(): void {
    if (this.isBlocked && this.#isToBeSentAway()) return this.#sendAwayTooSlow();
    if (this.#context.nowMs() - this.#stuckSinceMs < this.#context.stallTimeoutMs) return;
    this.#context.counters.stalled += 1;
    this.destroy();
  }

  #wrote(byteCount: number, hasRoom: boolean): void {
    const { counters, beats } = this.#context;
    counters.writes += 1;
    counters.deliveredBytes += byteCount;
    this.#writtenTick = beats.tick;
    // A write may be larger than the outlet's buffer and yet be with the system already.
    if (hasRoom || this.#outlet.pendingBytes === 0 || this.isBlocked) return;
    this.#blockedSinceMs = this.#context.nowMs();
    this.#outlet.onDrain(() => {
      this.#blockedSinceMs = 0;
      this.#context.scheduleTurn(this);
    });
  }

  #reachHead(): void {
    if (this.feed.isEnded) return this.close();
    if (this.#isLive) return;
    this.#isLive = true;
    if (this.feed.hasControlEvents) this.write(encodeLive());
  }

  /** False where the subscriber is sent away for them instead. */
  #announceLosses(): boolean {
    const lost = this.#lost();
    if (lost.length === 0) return true;
    if (!this.feed.hasControlEvents) {
      this.#cutForLosses(lost);
      return false;
    }
    if (lost.some(({ slow }) => slow === 'disconnect')) {
      this.#sendAwayTooSlow();
      return false;
    }
    const gaps = this.#context.gapsBehind(this.#offset, lost);
    this.#announced = this.feed.evictedOffsets;
    this.#offset = this.feed.settledOffset(this.#offset);
    countGaps(this.#context.counters, gaps);
    this.write(encodeGaps(gaps, this.#context.formatCursor(this.#offset)));
    const ended = lost.filter((channel) => channel.hasEndedBefore(this.#offset));
    if (ended.length > 0) this.write(encodeEnded(ended.map(({ name }) => name)));
    return true;
  }

  /** The channels that have given up something behind the cursor, and have not been told of. */
  #lost(): readonly Channel[] {
    return this.feed.channels.filter(
      ({ history }, at) => history.evictedOffset > Math.max(this.#offset, this.#announced[at] ?? 0),
    );
  }

  /** A cut is all that it can be told: it comes back with its cursor, and is refused with `history-lost`. */
  #cutForLosses(lost: readonly Channel[]): void {
    if (lost.some(({ slow }) => slow === 'disconnect')) this.#context.counters.tooSlow += 1;
    countGaps(this.#context.counters, this.#context.gapsBehind(this.#offset, lost));
    this.destroy();
  }

  #isToBeSentAway(): boolean {
    return this.feed.evictedOffset > this.#offset && this.#lost().some(({ slow }) => slow === 'disconnect');
  }

  /** It keeps its cursor: when it comes back, what it lost is told as to anybody else. */
  #sendAwayTooSlow(): void {
    this.#context.counters.tooSlow += 1;
    this.sendAway(TOO_SLOW, this.#context.jitteredRetryMs());
  }

  #countConflated(events: number): void {
    this.#context.counters.conflated += events;
    if (!this.feed.hasControlEvents) return;
    this.#conflated += events;
    this.#tellConflated();
  }

  #tellConflated(): void {
    if (this.#conflated === 0 || this.isBlocked) return;
    const nowMs = this.#context.nowMs();
    if (nowMs - this.#conflatedAtMs < CONFLATED_REST_MS) return;
    this.write(encodeConflated({ channels: this.feed.latestChannels, skipped: this.#conflated }));
    this.#conflated = 0;
    this.#conflatedAtMs = nowMs;
  }
}

const TOO_SLOW = {
  code: 'too-slow',
  message: 'The channel went on faster than this was read: come back',
  retryable: true,
};
/** Milliseconds between two words on what was passed over. */
const CONFLATED_REST_MS = 1000;

/** Counts losses, whoever announces them. */
export function countGaps(counters: DeliveryCounters, gaps: readonly GapData[]): void {
  for (const { reason } of gaps) counters.gaps.set(reason, (counters.gaps.get(reason) ?? 0) + 1);
}
