import { systemClock } from '../../base/index.js';
import type { Clock } from '../../base/index.js';
import { messageOf } from '../errors.js';
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
 * stream keeps it. What was trimmed before it was read is a gap; before Redis 7 so is trimming that took just what was
 * read. An entry is an event whose data are its field `data`,
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
  /** How many entries had been added to the stream with that one, where Redis tells. */
  #place: number | undefined;

  constructor(options: StreamReaderOptions) {
    this.#options = options;
    const { id, place } = readPosition(options.lastEventId);
    this.#lastId = id;
    this.#place = place;
  }

  async *read(redis: RedisClient, signal: AbortSignal): AsyncGenerator<readonly SourceItem[], void> {
    const { stream } = this.#options;
    if (this.#lastId === '') {
      this.#lastId = await this.#findStart(redis);
      yield [this.#position()];
    }
    while (!signal.aborted) {
      // Sent together, so that no trimming comes between them; each time, for a pipeline may not have asked for long.
      const [state, reply] = await Promise.all([
        askState(redis, stream),
        redis.command('XREAD', ...XREAD_LIMITS, 'STREAMS', stream, this.#lastId),
      ]);
      const gap = state === undefined ? undefined : this.#compare(state);
      if (gap !== undefined) yield [{ kind: 'gap', gap }, this.#position()];
      const entries = entriesOf(reply);
      if (entries.length > 0) yield entries.map((entry) => this.#toItem(entry));
    }
  }

  async #findStart(redis: RedisClient): Promise<string> {
    if (this.#options.from === 'start') return BEGINNING;
    const newest = (await redis.command('XREVRANGE', this.#options.stream, '+', '-', 'COUNT', 1)) as readonly Entry[];
    return newest[0]?.[0] ?? BEGINNING;
  }

  /** What was trimmed behind the last entry that was read and before `state`; from then on the place is known. */
  #compare({ length, added, firstId, newestId }: StreamState): GapRecord | undefined {
    const from = this.#lastId;
    const before = this.#place;
    if (newestId === from) this.#place = added;
    if (firstId !== undefined && compareIds(firstId, from) <= 0) return undefined;
    const to = firstId ?? newestId;
    // All that is there comes after the last entry that was read.
    if (added !== undefined) this.#place = added - length;
    if (from === BEGINNING || compareIds(to, from) <= 0) return undefined;
    // Just as many are gone as were read.
    if (before !== undefined && before === this.#place) return undefined;
    if (firstId === undefined) this.#lastId = newestId;
    return { kind: 'upstream', from, to, reason: 'trimmed' };
  }

  #toItem([id, fields]: Entry): SourceItem {
    this.#lastId = id;
    if (this.#place !== undefined) this.#place += 1;
    const event = toEvent(id, fields, this.#options.clock.now());
    return { ...this.#position(), kind: 'event', event };
  }

  #position(): { readonly kind: 'position'; readonly resumeId: string } {
    const place = this.#place === undefined ? '' : `@${this.#place}`;
    return { kind: 'position', resumeId: `${this.#lastId}${place}` };
  }
}

/** What Redis knows of a stream; there is nothing of a stream that is not there. */
interface StreamState {
  /** Entries that are there. */
  readonly length: number;
  /** Entries that ever were; Redis counts them from 7.0 on. */
  readonly added: number | undefined;
  /** Undefined where no entry is there. */
  readonly firstId: string | undefined;
  readonly newestId: string;
}

async function askState(redis: RedisClient, stream: string): Promise<StreamState | undefined> {
  let reply: unknown;
  try {
    reply = await redis.command('XINFO', 'STREAM', stream);
  } catch (error) {
    if (/\bno such key\b/.test(messageOf(error))) return undefined;
    throw error;
  }
  const known = new Map(pairsOf(reply));
  const [length, added, first] = [known.get('length'), known.get('entries-added'), known.get('first-entry')];
  return {
    length: Number(length),
    added: added === undefined ? undefined : Number(added),
    firstId: Array.isArray(first) ? String(first[0]) : undefined,
    newestId: String(known.get('last-generated-id')),
  };
}

/** Names and values: one after the other before RESP3, a map from then on. */
function pairsOf(reply: unknown): readonly (readonly [unknown, unknown])[] {
  if (reply instanceof Map) return [...reply];
  if (!Array.isArray(reply)) return Object.entries(reply as object);
  return reply.flatMap((name: unknown, at) => (at % 2 === 0 ? [[name, reply[at + 1] as unknown] as const] : []));
}

/** The id of an entry, and how many had been added with it: as far as known, so that what is lost can be told from what was read. */
function readPosition(text: string): { readonly id: string; readonly place: number | undefined } {
  const [, id = text, place] = /^(\d+-\d+)@(\d+)$/.exec(text) ?? [];
  return { id, place: place === undefined ? undefined : Number(place) };
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
