import type { SpooledEvent } from '../spool/spool.js';

/** An event as AWS is sent it. */
export interface OutgoingRecord {
  readonly event: SpooledEvent;
  readonly data: Uint8Array;
  /** Its partition key; empty for Firehose, which has none. */
  readonly key: string;
  /** What AWS counts: data and partition key, before Base64. */
  readonly bytes: number;
}

/**
 * `key`: of two records with one partition key the later is sent when the earlier is taken, never in the
 * same request: of a request any part may be refused, and the rest is taken.
 */
export type RecordOrder = 'none' | 'key';

export interface RequestLimits {
  readonly recordsMax: number;
  readonly bytesMax: number;
}

/** The records of a batch, cut into requests; pure. */
export class RecordQueue {
  readonly #ready: OutgoingRecord[] = [];
  /** By key: what waits until the record before it is settled. */
  readonly #waiting: Map<string, OutgoingRecord[]> | undefined;
  #next = 0;
  #unsettled: number;

  constructor(records: readonly OutgoingRecord[], order: RecordOrder) {
    this.#unsettled = records.length;
    this.#waiting = order === 'key' ? new Map() : undefined;
    for (const record of records) this.#add(record);
  }

  /** Nothing is left to take or to settle. */
  get isDone(): boolean {
    return this.#unsettled === 0;
  }

  /** The next request; at least one record, whatever its size, unless all that is left waits for others. */
  take({ recordsMax, bytesMax }: RequestLimits): readonly OutgoingRecord[] {
    const taken: OutgoingRecord[] = [];
    let bytes = 0;
    for (let record = this.#ready[this.#next]; record !== undefined; record = this.#ready[this.#next]) {
      bytes += record.bytes;
      if (taken.length > 0 && (taken.length >= recordsMax || bytes > bytesMax)) break;
      taken.push(record);
      this.#next += 1;
    }
    return taken;
  }

  /** `records`, taken before, are safe, or given up: what waited for them is ready. */
  settle(records: readonly OutgoingRecord[]): void {
    this.#unsettled -= records.length;
    for (const { key } of records) {
      const waiting = this.#waiting?.get(key);
      const next = waiting?.shift();
      if (next === undefined) this.#waiting?.delete(key);
      else this.#ready.push(next);
    }
  }

  #add(record: OutgoingRecord): void {
    const waiting = this.#waiting?.get(record.key);
    if (waiting !== undefined) {
      waiting.push(record);
      return;
    }
    this.#waiting?.set(record.key, []);
    this.#ready.push(record);
  }
}
