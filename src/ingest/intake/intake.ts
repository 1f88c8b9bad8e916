import { Dedupe } from './dedupe.js';
import type { DedupeOptions } from './dedupe.js';
import { EventView } from './event-view.js';
import { createFieldFilter } from './fields.js';
import type { FieldRules } from './fields.js';
import { createMatch } from './match.js';
import type { Match } from './match.js';
import type { ReceivedEvent } from '../sources/source.js';

/** What becomes of events between source and spool, in this order. */
export interface IntakeRules {
  /**
   * Conditions as of {@link createMatch}: events of a canary say that the stream lives, and go no further
   * (default: there are none).
   */
  readonly canary?: readonly string[];
  /** The event types to keep, exactly; `message` keeps the untyped ones (default: every event). */
  readonly types?: readonly string[];
  /** Conditions as of {@link createMatch}; an event is kept where all hold (default: every event). */
  readonly match?: readonly string[];
  /** Fields of the data that no sink gets; whoever filters or tells events apart by them still sees them. */
  readonly fields?: FieldRules;
}

/** What became of events. */
export interface IntakeStats {
  /** Events that the filters left out. */
  readonly filtered: number;
  readonly canaries: number;
  /** Events that came again. */
  readonly repeats: number;
}

/** Decides for each event whether it goes on, and as what. */
export class Intake {
  readonly #isCanary: Match | undefined;
  readonly #types: ReadonlySet<string> | undefined;
  readonly #isWanted: Match | undefined;
  readonly #fields: ((view: EventView) => string) | undefined;
  #filtered = 0;
  #canaries = 0;
  #repeats = 0;
  /** Knows the last events again; undefined where repeats go on. */
  dedupe: Dedupe | undefined;

  /** @throws IngestError `invalid-option`: a rule that cannot be read. */
  constructor({ canary = [], types, match = [], fields }: IntakeRules) {
    this.#isCanary = canary.length === 0 ? undefined : createMatch(canary);
    this.#types = types === undefined ? undefined : new Set(types);
    this.#isWanted = match.length === 0 ? undefined : createMatch(match);
    const hasFields = (fields?.drop?.length ?? 0) + (fields?.mask?.length ?? 0) > 0;
    this.#fields = fields === undefined || !hasFields ? undefined : createFieldFilter(fields);
  }

  get stats(): IntakeStats {
    return { filtered: this.#filtered, canaries: this.#canaries, repeats: this.#repeats };
  }

  /** The event as the sinks get it; undefined where it goes no further. */
  take(event: ReceivedEvent): ReceivedEvent | undefined {
    const view = new EventView(event);
    if (this.#isCanary?.(view) === true) {
      this.#canaries += 1;
      return undefined;
    }
    if (this.#types?.has(event.type) === false || this.#isWanted?.(view) === false) {
      this.#filtered += 1;
      return undefined;
    }
    if (this.dedupe?.isRepeat(view) === true) {
      this.#repeats += 1;
      return undefined;
    }
    return this.#fields === undefined ? event : { ...event, data: this.#fields(view) };
  }
}

/** What rules would make of `events`, in that order. @throws IngestError `invalid-option`: a rule that cannot be read. */
export function previewIntake(
  events: readonly ReceivedEvent[],
  { dedupe, ...rules }: IntakeRules & { readonly dedupe?: DedupeOptions | undefined },
): { readonly kept: readonly ReceivedEvent[]; readonly stats: IntakeStats } {
  const intake = new Intake(rules);
  intake.dedupe = dedupe === undefined ? undefined : new Dedupe(dedupe, 0);
  const kept = events.flatMap((event) => intake.take(event) ?? []);
  return { kept, stats: intake.stats };
}
