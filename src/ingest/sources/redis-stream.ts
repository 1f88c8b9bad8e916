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
  /** Milliseconds that Redis waits for an entry before it is asked again how the stream is (default 5000); under 10,000, which a command may take. */
  readonly blockMs?: number;
  readonly clock?: Clock;
  /** A number in [0, 1), for the jitter. */
  readonly random?: () => number;
}

/** Entries of one answer; a longer answer would keep Redis from others. */
const ENTRIES_MAX = 1000;
const BLOCK_MS = 5000;
const BEGINNING = '0-0';

type Entry = readonly [id: string, fields: readonly string[]];

/**
 * The entries of a Redis stream, with XREAD: the position is the entry's own id, so nothing is lost or comes twice while the
 * stream keeps it. What was trimmed before it was read is a gap; before Redis 7 so is trimming that took just what was
 * read. A stream that ends before what was read is another one, or lost its end: a gap too. An entry is an event whose
 * data are its field `data`, else all its fields as JSON; `type` (or `event`) and `id` are taken where they are there.
 * @throws IngestError `invalid-option`: no URL of Redis. Reading throws `source-refused` where the key is no stream and
 * `access-refused`.
 */
export function createRedisStreamSource(options: RedisStreamSourceOptions): Source {
  const { url, stream, from = 'start', blockMs = BLOCK_MS, clock = systemClock, random } = options;
  return new RedisSource({
    url,
    what: `stream ${JSON.stringify(stream)}`,
    clock,
    random,
    createReader: ({ lastEventId }) => {
      const reader = new StreamReader({ stream, from, blockMs, clock, lastEventId });
      return { read: (redis, signal) => reader.read(redis, signal) };
    },
  });
}

interface StreamReaderOptions {
  readonly stream: string;
  readonly from: 'start' | 'end';
  readonly blockMs: number;
  readonly clock: Clock;
  readonly lastEventId: string;
}

class StreamReader {
  readonly #options: StreamReaderOptions;
  /** The id of the last entry that was read; empty before the first connection of a first start. */
  #lastId: string;
  /** How many entries had been added to the stream with that one, where Redis tells. */
  #place: number | undefined;
  /** The last entry up to which none is missing, as far as Redis tells. */
  #sureId: string;

  constructor(options: StreamReaderOptions) {
    this.#options = options;
    const { id, place } = readPosition(options.lastEventId);
    this.#lastId = id;
    this.#sureId = id;
    this.#place = place;
  }

  async *read(redis: RedisClient, signal: AbortSignal): AsyncGenerator<readonly SourceItem[], void> {
    const { stream, blockMs } = this.#options;
    if (this.#lastId === '') {
      this.#lastId = await this.#findStart(redis);
      this.#sureId = this.#lastId;
      yield [this.#position()];
    }
    while (!signal.aborted) {
      // Sent together, so that no trimming comes between them; each time, for a pipeline may not have asked for long.
      const [state, reply] = await Promise.all([
        askState(redis, stream),
        redis.command('XREAD', 'COUNT', ENTRIES_MAX, 'BLOCK', blockMs, 'STREAMS', stream, this.#lastId),
      ]);
      const gap = state === undefined ? undefined : this.#compare(state);
      if (gap !== undefined) yield [{ kind: 'gap', gap }, this.#position()];
      // The answer is to another question then.
      if (gap?.reason === 'replaced' || gap?.reason === 'rolled-back') continue;
      const entries = entriesOf(reply);
      if (entries.length > 0) yield entries.map((entry) => this.#toItem(entry));
    }
  }

  async #findStart(redis: RedisClient): Promise<string> {
    if (this.#options.from === 'start') return BEGINNING;
    const newest = (await redis.command('XREVRANGE', this.#options.stream, '+', '-', 'COUNT', 1)) as readonly Entry[];
    return newest[0]?.[0] ?? BEGINNING;
  }

  /** What was lost behind the last entry that was read and before `state`; from then on the place is known. */
  #compare(state: StreamState): GapRecord | undefined {
    const order = this.#lastId === BEGINNING ? 1 : compareIds(state.newestId, this.#lastId);
    if (order < 0) return this.#goBack(state);
    return order === 0 ? this.#compareAtEnd(state) : this.#compareBefore(state);
  }

  /** All was read that is there: as many entries must have been as were added. */
  #compareAtEnd({ added }: StreamState): GapRecord | undefined {
    const [from, to, place] = [this.#sureId, this.#lastId, this.#place];
    this.#sureId = to;
    this.#place = added;
    // Removed before XREAD could give them: in one step with an entry that it waited for, or by name.
    const isShort = place !== undefined && added !== undefined && place < added;
    return isShort ? { kind: 'upstream', from, to, reason: 'trimmed' } : undefined;
  }

  #compareBefore({ length, added, firstId, newestId }: StreamState): GapRecord | undefined {
    const from = this.#lastId;
    const before = this.#place;
    if (firstId !== undefined && compareIds(firstId, from) <= 0) return undefined;
    // All that is there comes after the last entry that was read.
    if (added !== undefined) this.#place = added - length;
    if (from === BEGINNING) return undefined;
    // Just as many are gone as were read.
    if (before !== undefined && before === this.#place) return undefined;
    if (firstId === undefined) this.#lastId = newestId;
    const to = firstId ?? newestId;
    this.#sureId = to;
    return { kind: 'upstream', from, to, reason: 'trimmed' };
  }

  /**
   * What was read last is not in the stream any more, and nothing after it: Redis lost its end, as a failover may, or this
   * is another stream. The first goes on behind what is left. The second, told by less than half as many entries or by more
   * of them, is read from its beginning, and so is what cannot be told: rather twice than not at all.
   */
  #goBack({ added, newestId }: StreamState): GapRecord {
    const [from, place] = [this.#lastId, this.#place];
    const lostItsEnd = place !== undefined && added !== undefined && added <= place && added * 2 > place;
    this.#lastId = lostItsEnd ? newestId : BEGINNING;
    this.#place = lostItsEnd ? added : undefined;
    this.#sureId = this.#lastId;
    return { kind: 'upstream', from, to: newestId, reason: lostItsEnd ? 'rolled-back' : 'replaced' };
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
