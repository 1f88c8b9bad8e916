import type { GapReason } from '../protocol/index.js';

/** The hub accepted the subscription; `cursor` is where the stream starts. */
export interface OpenDelivery {
  readonly kind: 'open';
  readonly channels: readonly string[];
  readonly cursor: string;
}

export interface EventDelivery {
  readonly kind: 'event';
  /** Which channel it came from; absent where the server is no Tidegate hub and one was asked for. */
  readonly channel?: string;
  /** The event's id; empty where it has none. */
  readonly id: string;
  /** The event type; `message` where the publisher gave none. */
  readonly type: string;
  readonly data: string;
}

/** The place to resume from moved on, and no event says so: publishers' own ids, or several channels. */
export interface CursorDelivery {
  readonly kind: 'cursor';
  readonly cursor: string;
}

/** Events that this subscriber cannot get any more. */
export interface GapDelivery {
  readonly kind: 'gap';
  readonly reason: GapReason;
  readonly channel: string;
  /** What was asked to resume from. */
  readonly requested: string;
  /** The cursor that the next event follows. */
  readonly resumedAt: string;
}

/** Events were passed over for newer ones of their keys: nothing is lost, as those came (PROTOCOL.md, 4.8). */
export interface ConflatedDelivery {
  readonly kind: 'conflated';
  /** The channels of the subscription that keep only the newest event of each key. */
  readonly channels: readonly string[];
  /** How many, since the last of these. */
  readonly skipped: number;
}

/** The backfill is through: what follows happens now. */
export interface LiveDelivery {
  readonly kind: 'live';
}

/** A channel is over; after the last one the stream ends. */
export interface EndDelivery {
  readonly kind: 'end';
  readonly channel: string;
}

/** The connection, for people to see; nothing has to be done about it. */
export interface StatusDelivery {
  readonly kind: 'status';
  readonly state: 'connected' | 'reconnecting';
  /** Why the last connection was lost. */
  readonly cause?: string;
  /** Milliseconds until the next attempt. */
  readonly delayMs?: number;
  /** Ends the wait for the next attempt; only while reconnecting. */
  readonly retryNow?: () => void;
}

/** Everything that a subscription yields. */
export type Delivery =
  | OpenDelivery
  | EventDelivery
  | CursorDelivery
  | GapDelivery
  | ConflatedDelivery
  | LiveDelivery
  | EndDelivery
  | StatusDelivery;
