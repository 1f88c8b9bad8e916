import type { Logger } from '../runtime/index.js';
import { HubError } from './errors.js';

/** Below this part of its places a process that was full is not full any more: the next time is said again. */
const EASED = 0.9;

/** The streams that this process has room for, those that are being opened included. */
export class ConnectionPlaces {
  readonly #max: number;
  readonly #logger: Logger | undefined;
  #taken = 0;
  #isTold = false;

  constructor(max: number, logger: Logger | undefined) {
    this.#max = max;
    this.#logger = logger;
  }

  /** @throws HubError `too-many-connections`; nothing is taken then. */
  take(): void {
    if (this.#taken < this.#max) {
      this.#taken += 1;
      return;
    }
    if (!this.#isTold) this.#logger?.warn({ connections: this.#max }, 'This process is full: new streams are refused');
    this.#isTold = true;
    throw new HubError('too-many-connections', `Cannot subscribe: this process holds ${this.#max} connections`);
  }

  giveBack(): void {
    this.#taken -= 1;
    if (this.#taken < this.#max * EASED) this.#isTold = false;
  }
}
