import { HubError } from '../../errors.js';
import type { HubErrorCode } from '../../errors.js';
import type { BridgedEvent, BridgePort } from './bridge-port.js';
import type { Heard, HeardLog, HeardMessage, Mark } from './heard.js';
import { RUN_MAX } from './limits.js';
import type { Refusals } from './refusals.js';

export interface PlacingOptions {
  readonly log: HeardLog;
  readonly port: BridgePort;
  readonly refusals: Refusals;
  /** What a message becomes. @throws HubError where it cannot be published. */
  readonly read: (message: HeardMessage) => BridgedEvent;
}

/** What a run of places came to: where the mark is now, and whether it can be gone on with. */
export interface Run {
  readonly mark: Mark | undefined;
  readonly isWhole: boolean;
}

type Outcome = 'placed' | 'known' | 'moved' | 'away' | 'failed';

/** Refusals that pass: the same message is tried again. */
const PASSING: ReadonlySet<HubErrorCode> = new Set(['backplane-unavailable', 'backplane-busy']);

/** Publishes what was heard, one place after the other, many on their way at once. */
export class Placing {
  readonly #options: PlacingOptions;
  /** One of so many places made Redis fail: they go one by one, so that it is the only one passed over. */
  #suspects = 0;
  published = 0;

  constructor(options: PlacingOptions) {
    this.#options = options;
  }

  /** Publishes what comes after `mark`. */
  async placeNext(mark: Mark | undefined): Promise<Run> {
    const run = this.#options.log.next(this.#suspects > 0 ? 1 : RUN_MAX);
    const outcomes = await Promise.all(run.map((heard, at) => this.#place(heard, run[at - 1]?.mark ?? mark)));
    const stop = outcomes.findIndex((outcome) => outcome !== 'placed' && outcome !== 'known');
    const count = stop === -1 ? run.length : stop;
    if (outcomes[stop] === 'failed') this.#suspects = RUN_MAX;
    else this.#suspects = Math.max(0, this.#suspects - count);
    return { mark: run[count - 1]?.mark ?? mark, isWhole: stop === -1 };
  }

  async #place(heard: Heard, from: Mark | undefined): Promise<Outcome> {
    const { message, mark: to } = heard;
    if (message === undefined) return this.#move(from, to, undefined);
    let event: BridgedEvent;
    try {
      event = this.#options.read(message);
    } catch (error) {
      return this.#passOver(heard, from, codeOf(error));
    }
    return this.#move(from, to, { event, message });
  }

  async #move(
    from: Mark | undefined,
    to: Mark,
    given: { readonly event: BridgedEvent; readonly message: HeardMessage } | undefined,
  ): Promise<Outcome> {
    const { port, refusals } = this.#options;
    try {
      const outcome = await port.place({ from, to, event: given?.event });
      if (given === undefined) return typeof outcome === 'string' ? outcome : 'placed';
      if (outcome === 'placed') this.published += 1;
      if (typeof outcome === 'string') return outcome;
      refusals.add(outcome.refused, given.message);
      return 'placed';
    } catch (error) {
      if (error instanceof HubError && PASSING.has(error.code)) return 'away';
      if (given === undefined || (!(error instanceof HubError) && this.#suspects === 0)) return 'failed';
      return this.#passOver({ mark: to, message: given.message, previous: from }, from, codeOf(error));
    }
  }

  /** Goes on without what cannot be published. */
  async #passOver({ mark, message }: Heard, from: Mark | undefined, code: HubErrorCode): Promise<Outcome> {
    const outcome = await this.#move(from, mark, undefined);
    if (outcome === 'placed' && message !== undefined) this.#options.refusals.add(code, message);
    if (code === 'internal') this.#suspects = 0;
    return outcome;
  }
}

function codeOf(error: unknown): HubErrorCode {
  return error instanceof HubError ? error.code : 'internal';
}
