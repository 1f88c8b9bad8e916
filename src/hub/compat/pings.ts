import { encodeEvent } from '../../protocol/index.js';

/** Without an id: one would take the place of the client's Last-Event-ID. */
const PING = encodeEvent({ event: 'ping', data: '{}' });

/**
 * The `ping` events by which clients of the notification service see that a user's own stream is alive
 * (PROTOCOL.md, 11.12): one every few heartbeat intervals, whatever else is sent.
 */
export class Pings {
  readonly #everyBeats: number;
  #beats = 0;

  /** @param everyBeats Heartbeat intervals from one ping to the next, 1 at least. */
  constructor(everyBeats: number) {
    this.#everyBeats = everyBeats;
  }

  /** Called once per heartbeat interval; the bytes to send where it is time. */
  next(): Uint8Array | undefined {
    this.#beats = (this.#beats + 1) % this.#everyBeats;
    return this.#beats === 0 ? PING : undefined;
  }
}
