import { systemClock } from '../../base/index.js';
import type { Clock } from '../../base/index.js';
import type { RedisClient } from '../redis-client.js';
import type { GapRecord, ReceivedEvent, Source, SourceItem } from './source.js';
import { RedisSource } from './redis-source.js';

export interface RedisStreamSourceOptions {
  /** `redis://` or `rediss://` (TLS), with user and password where there are any; never logged. */
  readonly url: string;
  /** The stream's key. */
  readonly stream: string;
  /** Where a pipeline without a checkpoint begins: with the oldest entry, or with what comes (default `start`). */
  readonly from?: 'start' | 'end';
  readonly clock?: Clock;
  /** A number in [0, 1), for the jitter. */
  readonly random?: () => number;
}

/** Entries of one answer; a longer answer would keep Redis from others. */
const ENTRIES_MAX = 1000;
/** How long Redis waits for an entry: well under what a command may take. */
const BLOCK_MS = 5000;
const XREAD_LIMITS = ['COUNT', ENTRIES_MAX, 'BLOCK', BLOCK_MS] as const;
const BEGINNING = '0-0';

type Entry = readonly [id: string, fields: readonly string[]];

/**
 * The entries of a Redis stream, with XREAD: the position is the entry's own id, so nothing is lost or comes twice while the
 * stream keeps it. What was trimmed before it was read is a gap. An entry is an event whose data are its field `data`,
 * else all its fields as JSON; `type` (or `event`) and `id` are taken where they are there.
 * @throws IngestError `invalid-option`: no URL of Redis. Reading throws `source-refused` where the key is no stream and
 * `access-refused`.
 */
export function createRedisStreamSource(options: RedisStreamSourceOptions): Source {
  const { url, stream, from = 'start', clock = systemClock, random } = options;
  return new RedisSource({
    url,
    what: `stream ${JSON.stringify(stream)}`,
    clock,
    random,
    createReader: ({ lastEventId }) => {
      const reader = new StreamReader({ stream, from, clock, lastEventId });
      return { read: (redis, signal) => reader.read(redis, signal) };
    },
  });
}

interface StreamReaderOptions {
  readonly stream: string;
  readonly from: 'start' | 'end';
  readonly clock: Clock;
  readonly lastEventId: string;
}

class StreamReader {
  readonly #options: StreamReaderOptions;
  /** The id of the last entry that was read; empty before the first connection of a first start. */
  #lastId: string;

  constructor(options: StreamReaderOptions) {
    this.#options = options;
    this.#lastId = options.lastEventId;
  }

  async *read(redis: RedisClient, signal: AbortSignal): AsyncGenerator<readonly SourceItem[], void> {
    const { stream } = this.#options;
    if (this.#lastId === '') {
      this.#lastId = await this.#findStart(redis);
      yield [{ kind: 'position', resumeId: this.#lastId }];
    }
    // Trimming may pass a reader that is behind; one that waits for the next entry has them all.
    let isBehind = true;
    while (!signal.aborted) {
      const gap = isBehind ? await this.#findGap(redis) : undefined;
      if (gap !== undefined) yield [{ kind: 'gap', gap }];
      const reply = await redis.command('XREAD', ...XREAD_LIMITS, 'STREAMS', stream, this.#lastId);
      const entries = entriesOf(reply);
      isBehind = entries.length === ENTRIES_MAX;
      if (entries.length > 0) yield entries.map((entry) => this.#toItem(entry));
    }
  }

  async #findStart(redis: RedisClient): Promise<string> {
    if (this.#options.from === 'start') return BEGINNING;
    const newest = (await redis.command('XREVRANGE', this.#options.stream, '+', '-', 'COUNT', 1)) as readonly Entry[];
    return newest[0]?.[0] ?? BEGINNING;
  }

  /** What was trimmed between the last entry that was read and the oldest that is there. */
  async #findGap(redis: RedisClient): Promise<GapRecord | undefined> {
    const { stream } = this.#options;
    const lastId = this.#lastId;
    if (lastId === BEGINNING) return undefined;
    const [oldest] = (await redis.command('XRANGE', stream, '-', '+', 'COUNT', 1)) as readonly Entry[];
    const from = oldest?.[0];
    if (from === undefined || compareIds(from, lastId) <= 0) return undefined;
    return { kind: 'upstream', from: lastId, to: from, reason: 'trimmed' };
  }

  #toItem([id, fields]: Entry): SourceItem {
    this.#lastId = id;
    const event = toEvent(id, fields, this.#options.clock.now());
    return { kind: 'event', event, resumeId: id };
  }
}

/** XREAD answers null where nothing came in time, else the key and its entries; before RESP3, in a list of such pairs. */
function entriesOf(reply: unknown): readonly Entry[] {
  if (!Array.isArray(reply)) return [];
  const pair: unknown = Array.isArray(reply[0]) ? reply[0] : reply;
  return (pair as readonly [key: string, entries: readonly Entry[]])[1];
}

function toEvent(entryId: string, fields: readonly string[], receivedAt: number): ReceivedEvent {
  const named = new Map<string, string>();
  for (let at = 0; at + 1 < fields.length; at += 2) named.set(fields[at] ?? '', fields[at + 1] ?? '');
  return {
    id: named.get('id') ?? entryId,
    type: named.get('type') ?? named.get('event') ?? 'message',
    data: named.get('data') ?? JSON.stringify(Object.fromEntries(named)),
    receivedAt,
  };
}

/** Ids are two numbers of 64 bits with a hyphen between. */
function compareIds(left: string, right: string): number {
  const [leftMs = 0n, leftNumber = 0n] = left.split('-').map(BigInt);
  const [rightMs = 0n, rightNumber = 0n] = right.split('-').map(BigInt);
  const [a, b] = leftMs === rightMs ? [leftNumber, rightNumber] : [leftMs, rightMs];
  return a < b ? -1 : a > b ? 1 : 0;
}
