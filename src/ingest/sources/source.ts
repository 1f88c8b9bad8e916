import type { Logger } from '../../runtime/index.js';

/** One event as it came from a source. */
export interface ReceivedEvent {
  /** The stream's id in force at this event; empty where it set none. */
  readonly id: string;
  readonly type: string;
  readonly data: string;
  /** Milliseconds since 1970. */
  readonly receivedAt: number;
}

/**
 * Events that a source cannot give any more. `downtime`: `from` and `to` are RFC 3339 times between which
 * nobody listened to a stream that cannot be resumed. `upstream`: the source announced it itself, and
 * `from` and `to` are its ids.
 */
export interface GapRecord {
  readonly kind: 'downtime' | 'upstream';
  readonly from: string;
  readonly to: string;
  readonly reason: string;
}

/** What a source yields. `resumeId` is the id to resume from once this item is dealt with. */
export type SourceItem =
  | { readonly kind: 'event'; readonly event: ReceivedEvent; readonly resumeId: string }
  /** No event, but the resume id moved: an id-only block or a control event. */
  | { readonly kind: 'position'; readonly resumeId: string }
  | { readonly kind: 'gap'; readonly gap: GapRecord };

export interface SourceReadOptions {
  /** Resume after this id; empty to begin anywhere. */
  readonly lastEventId: string;
  /**
   * Milliseconds since 1970: nothing received after this is safe. A source that cannot resume from
   * `lastEventId` yields the time from here on as a gap. Undefined on a pipeline's first start.
   */
  readonly downSince?: number;
  readonly signal: AbortSignal;
  readonly logger: Logger;
}

export interface SourceStats {
  readonly isConnected: boolean;
  readonly events: number;
  /** Bytes of stream bodies, as they arrived. */
  readonly bytes: number;
  /** Reconnects by cause. */
  readonly reconnects: Readonly<Record<string, number>>;
}

/**
 * Where events come from. It never gives up on what may heal.
 *
 * The iterable ends where the source ended for good or `signal` aborted, and throws an IngestError where
 * going on is useless. It reads no further while nobody asks for the next batch: so back-pressure
 * reaches the socket.
 */
export interface Source {
  read(options: SourceReadOptions): AsyncIterable<readonly SourceItem[]>;
  stats(): SourceStats;
}
