/** What a turn came to: it is taken and must be given back, or there is none. */
export type Turn = 'taken' | 'overloaded' | 'timeout';

interface Waiting {
  readonly begin: () => void;
}

/** Lets so many do something at one time, and so many wait for it, first come first served. */
export class Turns {
  readonly #atOnceMax: number;
  readonly #waitingMax: number;
  readonly #waiting = new Set<Waiting>();
  #taken = 0;

  constructor(atOnceMax: number, waitingMax: number) {
    this.#atOnceMax = atOnceMax;
    this.#waitingMax = waitingMax;
  }

  /** How many wait. */
  get waiting(): number {
    return this.#waiting.size;
  }

  /** Waits until `onTimeout` calls back; who has `taken` a turn must `release` it. */
  take(onTimeout: (task: () => void) => () => void): Promise<Turn> {
    if (this.#taken < this.#atOnceMax) {
      this.#taken += 1;
      return Promise.resolve('taken');
    }
    if (this.#waiting.size >= this.#waitingMax) return Promise.resolve('overloaded');
    return new Promise((resolve) => {
      const cancel = onTimeout(() => {
        this.#waiting.delete(waiting);
        resolve('timeout');
      });
      const waiting: Waiting = {
        begin: () => {
          cancel();
          resolve('taken');
        },
      };
      this.#waiting.add(waiting);
    });
  }

  /** Gives a turn back; who waits longest gets it. */
  release(): void {
    for (const next of this.#waiting) {
      this.#waiting.delete(next);
      return next.begin();
    }
    this.#taken -= 1;
  }
}
