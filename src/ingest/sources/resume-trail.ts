export interface ResumeTrailOptions {
  /** The id that the connection resumed from; empty where it began anywhere. */
  readonly from: string;
  /** Milliseconds since 1970. */
  readonly at: number;
  /** How long ago an id must have come before a resume goes back to it, in milliseconds; 0 for the last one. */
  readonly overlapMs: number;
  /** A resume goes back over so many events, and a sixteenth more, at most; then the overlap is shorter. */
  readonly overlapEvents: number;
}

interface Step {
  readonly id: string;
  readonly at: number;
  /** Events before it. */
  readonly events: number;
}

/** Steps that an overlap is cut into: what is remembered, and how exact the overlap is. */
const STEPS = 16;

/**
 * Where a connection came by, so that the next one can begin a little earlier than where it ended: ids that are
 * times say nothing of other events of the same instant. No I/O and no clock.
 */
export class ResumeTrail {
  readonly #options: ResumeTrailOptions;
  #steps: Step[];
  #events = 0;

  constructor(options: ResumeTrailOptions) {
    this.#options = options;
    this.#steps = [{ id: options.from, at: options.at, events: 0 }];
  }

  /** The id to resume from: everything up to it was received by this connection or one before. */
  get resumeId(): string {
    return this.#steps[0]?.id ?? '';
  }

  /** An event came, or an id alone; `id` is the one in force after it. */
  note(id: string, at: number, isEvent: boolean): void {
    if (isEvent) this.#events += 1;
    const { overlapMs, overlapEvents } = this.#options;
    const step = { id, at, events: this.#events };
    // Before the first id there is nothing to go back to.
    if (overlapMs === 0 || this.resumeId === '') {
      this.#steps = [step];
      return;
    }
    const last = this.#steps.at(-1);
    const isFar =
      last === undefined || at - last.at >= overlapMs / STEPS || step.events - last.events >= overlapEvents / STEPS;
    if (isFar && last?.id !== id) this.#steps.push(step);
    while (this.#isOldEnough(this.#steps[1], at)) this.#steps.shift();
  }

  #isOldEnough(step: Step | undefined, nowMs: number): boolean {
    if (step === undefined) return false;
    const { overlapMs, overlapEvents } = this.#options;
    return nowMs - step.at >= overlapMs || this.#events - step.events >= overlapEvents;
  }
}
