import type { ErrorData } from '../protocol/index.js';
import { Expiries } from './expiries.js';
import type { Subscriber } from './subscriber.js';

const TOKEN_EXPIRED: ErrorData = {
  code: 'token-expired',
  message: 'The token has expired: come back with a fresh one',
  retryable: true,
};
const STREAM_EXPIRED: ErrorData = {
  code: 'stream-expired',
  message: 'The stream has reached its maximum lifetime: come back to go on',
  retryable: true,
};

/** A stream may end this part of `maxStreamMs` before it has passed, so that streams that began together do not end together. */
const JITTER = 0.25;

/** Ends streams whose token has expired, and those that have lived for long enough; none has a timer. */
export class Lifetimes {
  readonly #maxStreamMs: number;
  readonly #tokens = new Expiries<Subscriber>();
  readonly #streams = new Expiries<Subscriber>();

  /** @param maxStreamMs 0: streams may live for ever. */
  constructor(maxStreamMs: number) {
    this.#maxStreamMs = maxStreamMs;
  }

  add(subscriber: Subscriber): void {
    const { expiresAtMs } = subscriber.access;
    if (expiresAtMs !== undefined) this.#tokens.add(subscriber, expiresAtMs);
    if (this.#maxStreamMs > 0) this.#streams.add(subscriber, this.#streamEndMs(subscriber));
  }

  delete(subscriber: Subscriber): void {
    const { expiresAtMs } = subscriber.access;
    if (expiresAtMs !== undefined) this.#tokens.delete(subscriber, expiresAtMs);
    if (this.#maxStreamMs > 0) this.#streams.delete(subscriber, this.#streamEndMs(subscriber));
  }

  /** @param storeNowMs The time by which connections are dated: with Redis, that of Redis. */
  endDue(nowMs: number, storeNowMs: number, retryMs: () => number): void {
    for (const subscriber of this.#tokens.takeDue(nowMs)) subscriber.sendAway(TOKEN_EXPIRED, retryMs());
    for (const subscriber of this.#streams.takeDue(storeNowMs))
      subscriber.sendAwayWithCursor(STREAM_EXPIRED, retryMs());
  }

  /** Its id, which is random, says how much earlier than the others it ends: nothing need be kept for that. */
  #streamEndMs({ connection: { id, openedAtMs } }: Subscriber): number {
    const share = Number.parseInt(id.slice(0, 8), 16) / 2 ** 32;
    return openedAtMs + this.#maxStreamMs * (1 - JITTER * share);
  }
}
