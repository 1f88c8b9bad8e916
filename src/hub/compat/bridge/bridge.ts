import type { Clock } from '../../../base/index.js';
import type { Logger } from '../../../runtime/index.js';
import { Bell } from './bell.js';
import type { BridgePort } from './bridge-port.js';
import type { HeardLimits, HeardMessage, Mark } from './heard.js';
import { HeardLog } from './heard.js';
import { CLOSE_MS, LEAP_MS, LOOK_MS } from './limits.js';
import { Placing } from './placing.js';
import type { PlacingOptions } from './placing.js';
import { Refusals } from './refusals.js';

export interface BridgeOptions extends Pick<PlacingOptions, 'read'> {
  readonly port: BridgePort;
  readonly limits: HeardLimits;
  readonly clock: Clock;
  readonly logger: Logger | undefined;
}

/**
 * Publishes what is told on Redis channels, once however many nodes listen. All of them hear the same in the same order, and
 * count it from the same markers (`heard.ts`). Redis keeps a mark: up to where everything is published. The step that
 * publishes moves it, and is made only where it stands at the place before. So whoever goes on from the mark, after whomever,
 * leaves nothing out and repeats nothing; the lease does no more than save the others the work.
 */
export class Bridge {
  readonly refusals: Refusals;
  readonly #options: BridgeOptions;
  readonly #log: HeardLog;
  readonly #placing: Placing;
  readonly #bell: Bell;
  readonly #done: Promise<void>;
  #mark: Mark | undefined;
  #isHeld = false;
  /** As the last look had it. */
  #wasHeld = false;
  #isMarkerDue = false;
  #isLookDue = false;
  #closeAtMs: number | undefined;
  /** Since when nobody who could fill the hole here has wanted the lease. */
  #freeSinceMs: number | undefined;
  #holes = 0;

  constructor(options: BridgeOptions) {
    const { port, read, limits, clock } = options;
    this.#options = options;
    this.#log = new HeardLog(limits);
    this.refusals = new Refusals(options);
    this.#placing = new Placing({ log: this.#log, port, read, refusals: this.refusals });
    this.#bell = new Bell(clock);
    this.#done = this.#run();
  }

  /** Whether this node publishes for all. */
  get isHeld(): boolean {
    return this.#isHeld;
  }

  /** Messages that are heard and not yet known to be published. */
  get waiting(): number {
    return this.#log.length;
  }

  /** Messages that this node has published. */
  get published(): number {
    return this.#placing.published;
  }

  /** How often this node went on without knowing whether it left something out. */
  get holes(): number {
    return this.#holes;
  }

  /** Messages are heard from here on. */
  up(): void {
    this.#isMarkerDue = true;
    this.#bell.ring();
  }

  /** Messages are missed from here on. */
  down(): void {
    this.#isMarkerDue = false;
    this.#log.cut();
  }

  /** A marker came. */
  begin(term: number): void {
    this.#log.begin(term);
    this.#isLookDue = !this.#isHeld;
    this.#bell.ring();
  }

  hear(message: HeardMessage): void {
    this.#log.hear(message);
    if (this.#isHeld) this.#bell.ring();
  }

  /** Publishes what it has heard, for two seconds at most, and gives the lease back. Call {@link down} first. */
  async close(): Promise<void> {
    this.#closeAtMs = this.#options.clock.now() + CLOSE_MS;
    this.#bell.ring();
    await this.#done;
    // Where Redis is away the lease ends by itself.
    await this.#options.port.lease(false).catch(() => undefined);
  }

  async #run(): Promise<void> {
    const { clock } = this.#options;
    let lookAtMs = clock.now();
    while (!this.#isOver()) {
      const isLookDue = this.#isMarkerDue || this.#isLookDue || clock.now() >= lookAtMs;
      if (isLookDue) lookAtMs = clock.now() + LOOK_MS;
      try {
        if (isLookDue) await this.#look();
        if (this.#isHeld) await this.#publish();
      } catch {
        // Redis is away; the mark will say where to go on.
        this.#isHeld = false;
      }
      await this.#bell.wait(lookAtMs - clock.now());
    }
  }

  #isOver(): boolean {
    if (this.#closeAtMs === undefined) return false;
    return !this.#isHeld || this.#log.length === 0 || this.#options.clock.now() >= this.#closeAtMs;
  }

  /** Tells of itself where that is due, and finds out who has the lease and where the mark stands. */
  async #look(): Promise<void> {
    const { port, clock } = this.#options;
    this.#isLookDue = false;
    if (this.#isMarkerDue) {
      await port.begin();
      this.#isMarkerDue = false;
    }
    const isLeaping = this.#isLeapDue();
    const hasSomething = this.#log.isCounting || this.#log.length > 0;
    const { holder, mark } = await port.lease(this.#log.hasHole(this.#mark) ? isLeaping : hasSomething);
    this.#mark = mark;
    if (mark !== undefined) this.#log.trim(mark);
    const hasHole = this.#log.hasHole(mark);
    this.#hold(holder === 'this' && (!hasHole || isLeaping));
    if (!hasHole || holder === 'other') this.#freeSinceMs = undefined;
    else this.#freeSinceMs ??= clock.now();
  }

  #hold(isHeld: boolean): void {
    if (isHeld && !this.#wasHeld) this.#options.logger?.info({}, 'This hub bridges Redis channels for all');
    this.#wasHeld = isHeld;
    this.#isHeld = isHeld;
  }

  #isLeapDue(): boolean {
    return this.#freeSinceMs !== undefined && this.#options.clock.now() - this.#freeSinceMs >= LEAP_MS;
  }

  async #publish(): Promise<void> {
    const hasHole = this.#log.hasHole(this.#mark);
    // The lease goes back with the next look: somebody may know what was between.
    if (hasHole && !this.#isLeapDue()) {
      this.#isHeld = false;
      return;
    }
    const { mark, isWhole } = await this.#placing.placeNext(this.#mark);
    if (hasHole && isWhole) this.#leapt();
    this.#mark = mark;
    if (mark !== undefined) this.#log.trim(mark);
    if (!isWhole) this.#isHeld = false;
    else if (this.#log.length > 0) this.#bell.ring();
  }

  #leapt(): void {
    this.#freeSinceMs = undefined;
    this.#holes += 1;
    this.#options.logger?.info({}, 'The bridge goes on: what Redis told while no hub listened is lost');
  }
}
