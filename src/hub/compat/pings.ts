import { encodeEvent } from '../../protocol/index.js';

/** Without an id: one would take the place of the client's Last-Event-ID. */
const PING = encodeEvent({ event: 'ping', data: '{}' });

/**
 * The `ping` events by which clients of the notification service see that a user's own stream is alive
 * (PROTOCOL.md, 11.12): one every few ticks of the hub's upkeep, whatever else is sent.
 */
export class Pings {
  readonly #everyTicks: number;
  #dueTick: number;

  /** @param everyTicks Ticks from one ping to the next, 1 at least. */
  constructor(nowTick: number, everyTicks: number) {
    this.#everyTicks = everyTicks;
    this.#dueTick = nowTick + everyTicks;
  }

  /** The tick of the next ping. */
  get dueTick(): number {
    return this.#dueTick;
  }

  /** The bytes to send where it is time; pings that were missed are not made up for. */
  next(tick: number): Uint8Array | undefined {
    if (tick < this.#dueTick) return undefined;
    const missed = Math.floor((tick - this.#dueTick) / this.#everyTicks);
    this.#dueTick += (missed + 1) * this.#everyTicks;
    return PING;
  }
}
