import type { Clock } from '../../../base/index.js';
import { quote } from '../../../protocol/index.js';
import type { Logger } from '../../../runtime/index.js';
import type { HubErrorCode } from '../../errors.js';
import type { HeardMessage } from './heard.js';

/** Between two lines of the log. */
const LINE_EVERY_MS = 1000;
/** Characters of a Redis channel's name in a line. */
const NAME_LENGTH_MAX = 100;

export interface RefusalsOptions {
  readonly clock: Clock;
  readonly logger: Logger | undefined;
}

/** Counts by code what could not be published; the log gets a line a second at most, and never what a message says. */
export class Refusals {
  readonly counts = new Map<HubErrorCode, number>();
  readonly #options: RefusalsOptions;
  #saidAtMs = -Infinity;
  #unsaid = 0;

  constructor(options: RefusalsOptions) {
    this.#options = options;
  }

  add(code: HubErrorCode, { channel, bytes }: HeardMessage): void {
    const { clock, logger } = this.#options;
    this.counts.set(code, (this.counts.get(code) ?? 0) + 1);
    this.#unsaid += 1;
    if (clock.now() - this.#saidAtMs < LINE_EVERY_MS) return;
    const fields = { code, redisChannel: quote(channel.toString(), NAME_LENGTH_MAX), bytes, refused: this.#unsaid };
    logger?.warn(fields, 'Cannot publish what came on a Redis channel');
    this.#saidAtMs = clock.now();
    this.#unsaid = 0;
  }
}
