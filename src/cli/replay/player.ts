import { sleep } from '../../base/index.js';
import type { Clock } from '../../base/index.js';
import { encodeComment } from '../../protocol/index.js';
import type { Block } from './block.js';
import type { ConnectionFaults } from './faults.js';

export interface PlayOptions {
  /** Events a second, as fast as the reader takes them, or at the recording's own times. */
  readonly rate: number | 'max' | 'recorded';
  /** Begin again after the last block. */
  readonly isLooping: boolean;
  readonly stallMs: number;
  /** A comment goes out after so long without a byte; 0: never. */
  readonly heartbeatMs: number;
}

/** Where blocks go: one connection. */
export interface Outlet {
  /** Resolves when the reader has taken it or is gone. */
  write(bytes: Uint8Array): Promise<void>;
  /** Ends the connection abruptly. */
  cut(): void;
  /** Aborts when the reader is gone. */
  readonly signal: AbortSignal;
}

export interface PlayCounters {
  events: number;
  cuts: number;
  stalls: number;
  duplicates: number;
}

export interface PlayShared {
  readonly faults: ConnectionFaults;
  readonly counters: PlayCounters;
  readonly clock: Clock;
}

/** Between the last block and the first one of the next round, at the recording's own pace. */
const LOOP_PAUSE_MS = 1000;
const HEARTBEAT = encodeComment();

/** Plays `blocks` to one reader, who has everything before `from`. */
export class Player {
  readonly #options: PlayOptions;
  readonly #outlet: Outlet;
  readonly #faults: ConnectionFaults;
  readonly #counters: PlayCounters;
  readonly #clock: Clock;
  #dueAt: number;
  #lastWriteAt: number;

  constructor(options: PlayOptions, outlet: Outlet, shared: PlayShared) {
    this.#options = options;
    this.#outlet = outlet;
    this.#faults = shared.faults;
    this.#counters = shared.counters;
    this.#clock = shared.clock;
    this.#dueAt = shared.clock.now();
    this.#lastWriteAt = this.#dueAt;
  }

  /** Resolves with whether the last block was reached; not so where the connection was lost or cut. */
  async play(blocks: readonly Block[], from: number): Promise<boolean> {
    let previous: Block | undefined = blocks[from - 1];
    let start = from;
    do {
      for (const block of blocks.slice(start)) {
        await this.#wait(this.#delayBefore(block, previous));
        if (this.#outlet.signal.aborted) return false;
        if (!(await this.#send(block))) return false;
        previous = block;
      }
      start = 0;
    } while (this.#options.isLooping && !this.#outlet.signal.aborted);
    return !this.#outlet.signal.aborted;
  }

  /** Keeps the connection open until the reader goes. */
  async idle(): Promise<void> {
    await this.#waitUntil(Number.POSITIVE_INFINITY);
  }

  #delayBefore(block: Block, previous: Block | undefined): number {
    const { rate } = this.#options;
    if (rate === 'max') return 0;
    if (rate !== 'recorded') return block.isEvent ? 1000 / rate : 0;
    const delayMs = (block.atMs ?? 0) - (previous?.atMs ?? block.atMs ?? 0);
    return delayMs < 0 ? LOOP_PAUSE_MS : delayMs;
  }

  /** Against a schedule, not one block after another: a timer's lateness must not add up. */
  async #wait(delayMs: number): Promise<void> {
    if (this.#options.rate === 'max') return;
    this.#dueAt += delayMs;
    await this.#waitUntil(this.#dueAt);
  }

  async #waitUntil(dueAt: number): Promise<void> {
    const { heartbeatMs } = this.#options;
    for (;;) {
      const now = this.#clock.now();
      if (now >= dueAt || this.#outlet.signal.aborted) return;
      const heartbeatAt = heartbeatMs === 0 ? Number.POSITIVE_INFINITY : this.#lastWriteAt + heartbeatMs;
      if (now >= heartbeatAt) await this.#write(HEARTBEAT);
      else await sleep(Math.min(dueAt, heartbeatAt) - now, this.#outlet.signal, this.#clock);
    }
  }

  /** Resolves with whether there is still a connection. */
  async #send(block: Block): Promise<boolean> {
    const fault = block.isEvent ? this.#faults.onEvent(block.bytes.length) : undefined;
    if (fault?.kind === 'cut') {
      this.#counters.cuts += 1;
      await this.#write(block.bytes.subarray(0, fault.afterBytes));
      this.#outlet.cut();
      return false;
    }
    if (fault?.kind === 'stall') await this.#stall();
    await this.#write(block.bytes);
    if (block.isEvent) this.#counters.events += 1;
    if (fault?.kind === 'duplicate') {
      this.#counters.duplicates += 1;
      await this.#write(block.bytes);
    }
    return true;
  }

  /** Silence, heartbeats too; what comes after is late by as much. */
  async #stall(): Promise<void> {
    this.#counters.stalls += 1;
    await sleep(this.#options.stallMs, this.#outlet.signal, this.#clock);
    this.#dueAt += this.#options.stallMs;
  }

  async #write(bytes: Uint8Array): Promise<void> {
    await this.#outlet.write(bytes);
    this.#lastWriteAt = this.#clock.now();
  }
}
