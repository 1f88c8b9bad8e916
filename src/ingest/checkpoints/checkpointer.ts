import type { Clock } from '../../base/index.js';
import type { Logger } from '../../runtime/index.js';
import type { CheckpointStore } from './checkpoint.js';
import type { Position } from '../spool/checkpoint-tracker.js';
import { IngestError, messageOf } from '../errors.js';
import type { Fence } from '../fence.js';
import type { GapRecord } from '../sources/source.js';

export interface CheckpointerOptions {
  readonly store: CheckpointStore;
  /** Milliseconds between two saves, at least. */
  readonly intervalMs: number;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Once it is lost nothing is saved. */
  readonly fence?: Fence | undefined;
  /** The gaps that the loaded checkpoint holds. */
  readonly gaps: readonly GapRecord[];
  /** The position to save, asked for at each save. */
  readonly position: () => Position;
  /** Told once somebody else has saved this checkpoint: from then on nothing is saved. */
  readonly onTaken: (error: IngestError) => void;
  /** What the id is an id of (default: not said). */
  readonly source?: string | undefined;
  /** The keys to save with it (default none). */
  readonly keysAt?: ((position: Position) => string) | undefined;
}

const GAPS_MAX = 100;

/** Saves the checkpoint now and then: one save at a time, and none where nothing changed. */
export class Checkpointer {
  readonly #options: CheckpointerOptions;
  #gaps: readonly GapRecord[];
  #isDirty = false;
  #isTaken = false;
  #cancelTimer: (() => void) | undefined;
  #saving: Promise<boolean> = Promise.resolve(true);
  #saves = 0;
  #failures = 0;

  constructor(options: CheckpointerOptions) {
    this.#options = options;
    this.#gaps = options.gaps.slice(-GAPS_MAX);
  }

  get saves(): number {
    return this.#saves;
  }

  get failures(): number {
    return this.#failures;
  }

  recordGap(gap: GapRecord): void {
    this.#gaps = [...this.#gaps, gap].slice(-GAPS_MAX);
    this.markDirty();
  }

  /** There is something new to save: it is, within the interval. */
  markDirty(): void {
    this.#isDirty = true;
    this.#cancelTimer ??= this.#options.clock.after(this.#options.intervalMs, () => {
      this.#cancelTimer = undefined;
      // save() reports its failures itself and never rejects.
      void this.save();
    });
  }

  /** Saves now what is not saved yet; false where that failed, which is logged and tried again later. */
  save(): Promise<boolean> {
    this.#saving = this.#saving.then(() => this.#save());
    return this.#saving;
  }

  /** Saves for the last time; nothing happens after it. */
  async close(): Promise<boolean> {
    const isSaved = await this.save();
    this.#cancelTimer?.();
    return isSaved;
  }

  async #save(): Promise<boolean> {
    if (this.#isTaken) return false;
    if (!this.#isDirty) return true;
    if (this.#options.fence?.isHeld === false) return false;
    this.#isDirty = false;
    const { store, clock, logger, keysAt, source } = this.#options;
    const position = this.#options.position();
    const { lastEventId } = position;
    const updatedAt = toTime(clock.now());
    try {
      const receivedAt = toTime(position.receivedAt);
      const keys = keysAt === undefined ? {} : { keys: keysAt(position) };
      await store.save({
        lastEventId,
        receivedAt,
        gaps: this.#gaps,
        updatedAt,
        ...keys,
        ...(source === undefined ? {} : { source }),
      });
      this.#saves += 1;
      return true;
    } catch (error) {
      this.#failures += 1;
      if (error instanceof IngestError && error.code === 'checkpoint-taken') {
        this.#isTaken = true;
        this.#options.onTaken(error);
        return false;
      }
      logger.error({ error: messageOf(error) }, 'Cannot save the checkpoint; it is tried again');
      this.markDirty();
      return false;
    }
  }
}

function toTime(ms: number): string {
  return new Date(ms).toISOString();
}
