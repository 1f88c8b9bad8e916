import type { HubErrorCode } from '../../errors.js';
import type { PublishEvent } from '../../event.js';
import type { Mark } from './heard.js';

/** What a bridge asks of Redis. Promises reject with a HubError where Redis is not there. */
export interface BridgePort {
  /** Publishes a marker: all who hear it count from there. */
  begin(): Promise<void>;
  /** Takes the lease, or keeps it, where it is wanted and nobody else has it; else gives it back. */
  lease(isWanted: boolean): Promise<LeaseAnswer>;
  /** Publishes what was heard at one place, or passes it over, if nobody has yet: all in one step. */
  place(move: BridgeMove): Promise<BridgeOutcome>;
}

export interface LeaseAnswer {
  readonly holder: 'this' | 'other' | 'none';
  /** Up to where everything is published; undefined where nobody ever published anything. */
  readonly mark: Mark | undefined;
}

/** One step along the places: it is made only where the mark stands at `from`, and moves it to `to`. */
export interface BridgeMove {
  readonly from: Mark | undefined;
  readonly to: Mark;
  /** Undefined: nothing is published at this place. */
  readonly event: BridgedEvent | undefined;
}

export interface BridgedEvent {
  readonly channel: string;
  readonly event: PublishEvent;
}

/**
 * `known`: somebody made the step before. `moved`: the mark stands where it was not expected. `refused`: the step is made, but
 * the event is not published.
 */
export type BridgeOutcome = 'placed' | 'known' | 'moved' | { readonly refused: HubErrorCode };
