import { createBackoff } from '../../base/index.js';
import type { Clock } from '../../base/index.js';
import type { EventKeyReader } from '../intake/event-key.js';
import { EventView } from '../intake/event-view.js';
import type { SourceItem } from './source.js';
import type { Connection } from './connection.js';
import type { ConnectionOutcome } from './reconnect.js';

export interface HandoverOptions {
  /** How old a connection becomes, in milliseconds, before the next one is opened beside it. */
  readonly renewAfterMs: number;
  /** Opens the next connection, which resumes from `resumeId`. */
  readonly open: (resumeId: string) => Connection;
  /** By it an event of one connection is known again on the other. */
  readonly keyOf: EventKeyReader;
  readonly clock: Clock;
  /** Told of each connection that is closed while another goes on; whether that one took its place. */
  readonly onClosed: (connection: Connection, isRenewed: boolean) => void;
}

/** The last of the connections that followed each other, and how it ended. */
export interface Ended {
  readonly connection: Connection;
  readonly outcome: ConnectionOutcome;
}

/** Keys of a connection's last events: what the other one may be behind or ahead. */
const KEYS_MAX = 10_000;
/** Both are read on for so long after they met: a stream of several parts may order them otherwise each time. */
const LINGER_MS = 2000;

type Result = IteratorResult<readonly SourceItem[], ConnectionOutcome>;

/** One of the two connections. */
class Lane {
  readonly connection: Connection;
  readonly #batches: AsyncGenerator<readonly SourceItem[], ConnectionOutcome>;
  readonly keys = new Set<string>();
  /** Kept: a new iterator would pass over all that was deleted, each time. */
  readonly #oldest = this.keys.keys();
  #pending: Promise<{ readonly lane: Lane; readonly result: Result }> | undefined;

  constructor(connection: Connection) {
    this.connection = connection;
    this.#batches = connection.read();
  }

  /** The same promise until {@link taken}. */
  next(): Promise<{ readonly lane: Lane; readonly result: Result }> {
    this.#pending ??= this.#batches.next().then((result) => ({ lane: this, result }));
    return this.#pending;
  }

  taken(): void {
    this.#pending = undefined;
  }

  note(key: string): void {
    this.keys.add(key);
    if (this.keys.size <= KEYS_MAX) return;
    const { value } = this.#oldest.next();
    if (value !== undefined) this.keys.delete(value);
  }

  async close(): Promise<void> {
    this.connection.close();
    await this.#pending;
    await this.#batches.return({ kind: 'closed' });
  }
}

/**
 * Reads a stream whose server ends each connection after a while, and opens the next connection before it does.
 * Both are read until one brings an event that the other brought too: what was before it came by the first, what is
 * behind it comes by the second. Events of the overlap come twice; the pipeline drops them by the same key.
 */
export async function* readWithHandover(
  first: Connection,
  options: HandoverOptions,
): AsyncGenerator<readonly SourceItem[], Ended> {
  const handover = new Handover(first, options);
  try {
    return yield* handover.read();
  } finally {
    await handover.close();
  }
}

class Handover {
  readonly #options: HandoverOptions;
  readonly #backoff = createBackoff();
  #current: Lane;
  #next: Lane | undefined;
  #haveMet = false;
  /** What is to be done once {@link #alarm} rang. */
  #isDue = false;
  #ring = (): void => {};
  #cancelAlarm = (): void => {};

  constructor(first: Connection, options: HandoverOptions) {
    this.#options = options;
    this.#current = new Lane(first);
    this.#setAlarm(options.renewAfterMs);
  }

  async *read(): AsyncGenerator<readonly SourceItem[], Ended> {
    for (;;) {
      if (this.#isDue) await this.#act();
      const turn = await this.#wait();
      if (turn === undefined) continue;
      const { lane, result } = turn;
      lane.taken();
      if (result.done !== true) {
        yield this.#read(lane, result.value);
        continue;
      }
      const ended = await this.#end(lane, result.value);
      if (ended !== undefined) return ended;
    }
  }

  async close(): Promise<void> {
    this.#cancelAlarm();
    await Promise.all([this.#current.close(), this.#next?.close()]);
  }

  /** What comes first of either connection; undefined where the alarm rang. */
  #wait(): Promise<{ readonly lane: Lane; readonly result: Result } | undefined> {
    const alarm = new Promise<undefined>((resolve) => (this.#ring = () => resolve(undefined)));
    const lanes = this.#next === undefined ? [this.#current] : [this.#next, this.#current];
    return Promise.race([...lanes.map((lane) => lane.next()), alarm]);
  }

  #setAlarm(delayMs: number): void {
    this.#cancelAlarm();
    this.#cancelAlarm = this.#options.clock.after(delayMs, () => {
      this.#isDue = true;
      this.#ring();
    });
  }

  async #act(): Promise<void> {
    this.#isDue = false;
    if (this.#next === undefined) this.#next = new Lane(this.#options.open(this.#current.connection.resumeId));
    else if (this.#haveMet) await this.#handOver(this.#next);
  }

  /** Notes what the connection brought; returns it as it may be passed on. */
  #read(lane: Lane, items: readonly SourceItem[]): readonly SourceItem[] {
    const other = lane === this.#current ? this.#next : this.#current;
    for (const item of items) {
      const key = item.kind === 'event' ? this.#options.keyOf(new EventView(item.event)) : undefined;
      if (key === undefined) continue;
      lane.note(key);
      if (!this.#haveMet && other?.keys.has(key) === true) {
        this.#haveMet = true;
        this.#setAlarm(LINGER_MS);
      }
    }
    if (lane === this.#current) return items;
    // Until it takes over, only the first one says where a restart goes on: the second may still be behind it.
    const { resumeId } = this.#current.connection;
    return items.flatMap((item): readonly SourceItem[] => {
      if (item.kind === 'position') return [];
      return [item.kind === 'event' ? { ...item, resumeId } : item];
    });
  }

  /** Undefined where the other connection goes on. */
  async #end(lane: Lane, outcome: ConnectionOutcome): Promise<Ended | undefined> {
    const { connection } = lane;
    if (lane !== this.#current) {
      // The first one still runs. If the fault is there to stay, its own end will find it.
      this.#next = undefined;
      this.#haveMet = false;
      this.#options.onClosed(connection, false);
      this.#setAlarm(1000 + this.#backoff.nextMs());
      return undefined;
    }
    const next = this.#next;
    if (next?.connection.connectedAt === undefined || outcome.kind === 'ended') return { connection, outcome };
    await this.#handOver(next);
    return undefined;
  }

  async #handOver(next: Lane): Promise<void> {
    await this.#current.close();
    this.#options.onClosed(this.#current.connection, true);
    this.#current = next;
    this.#next = undefined;
    this.#haveMet = false;
    this.#backoff.reset();
    this.#setAlarm(this.#options.renewAfterMs);
  }
}
