import type { Delivery } from '../delivery.js';

/** The `at`th delivery that a leader handed on; each leadership is a term of its own. */
export interface Place {
  readonly term: string;
  readonly at: number;
}

/** A place of the shared flow, and what a tab has to know to go on from there. */
export interface FlowState {
  readonly place: Place;
  /** What a connection resumes from there. */
  readonly resumeId: string;
  /** Whether all up to `resumeId`, and nothing after it, has been delivered there. */
  readonly isWhole: boolean;
  readonly isLive: boolean;
  /** Empty before the hub has accepted the subscription. */
  readonly channels: readonly string[];
}

/** A delivery of the shared flow, and where the flow is after it. */
export interface Handed {
  readonly delivery: Delivery;
  readonly state: FlowState;
}

/** What tabs tell each other. Tokens are no part of it. */
export type TabMessage =
  /** A tab asks where the flow is. */
  | { readonly type: 'hello' }
  /** A tab's user does not want to wait for the next attempt. */
  | { readonly type: 'retry' }
  /** The leader answers `hello`, or says that it leads now; then `after` is where its predecessor left it. */
  | { readonly type: 'state'; readonly state: FlowState; readonly after?: Place | undefined }
  | { readonly type: 'deliveries'; readonly handed: readonly Handed[] };

export function isSamePlace(one: Place | undefined, other: Place | undefined): boolean {
  return one !== undefined && one.term === other?.term && one.at === other.at;
}

/**
 * Whether something is delivered that the cursor does not tell yet. Where nothing is, two tabs with the same cursor
 * have had the same.
 * @param before whether it was so before `delivery`.
 */
export function isTornAfter(delivery: Delivery, resumeId: string, before: boolean): boolean {
  switch (delivery.kind) {
    case 'cursor':
      return false;
    case 'event':
      return delivery.id !== resumeId;
    case 'gap':
    case 'end':
      // The cursor of several blocks comes with the last.
      return true;
    case 'open':
    case 'conflated':
    case 'live':
    case 'status':
      return before;
  }
}
