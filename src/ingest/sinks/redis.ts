import type { Logger } from '../../runtime/index.js';
import { IngestError, messageOf } from '../errors.js';
import { formatRecord } from '../format.js';
import type { Format } from '../format.js';
import type { RedisArgument, RedisClient } from '../redis-client.js';
import { checkRedisUrl } from '../redis-url.js';
import type { SpooledEvent } from '../spool/spool.js';
import { withTimeout } from './record-attempt.js';
import type { BatchLimits, Sink, SinkContext, WriteResult } from './sink.js';

/** What an event becomes: an entry of a stream, which stays, or a message to who listens at that moment. */
export type RedisTarget =
  | {
      readonly kind: 'stream';
      readonly key: string;
      /** Entries that the stream keeps, about: Redis drops whole nodes of it, so up to 100 more (default 1,000,000). */
      readonly entriesMax?: number;
    }
  | { readonly kind: 'channel'; readonly channel: string };

export interface RedisSinkOptions {
  /** `redis://` or `rediss://` (TLS), with user and password where there are any. Never logged. */
  readonly url: string;
  readonly target: RedisTarget;
  /** Unique in its pipeline (default `redis`). */
  readonly name?: string;
  /** Of a message on a channel (default `ndjson`, without the line feed); an entry has fields instead. */
  readonly format?: Format;
  /** Default: 500 events, 1 MiB, no wait: what came while a command was under way is the next batch. */
  readonly batch?: Partial<BatchLimits>;
  /** Milliseconds for a batch (default 10,000). */
  readonly timeoutMs?: number;
}

const BATCH: BatchLimits = { eventsMax: 500, bytesMax: 1024 * 1024, waitMs: 0 };
const ENTRIES_MAX = 1_000_000;
const TIMEOUT_MS = 10_000;
/** Longer than any batch is tried again after its answer was lost. */
const MARK_MS = 24 * 3_600_000;

/**
 * Writes what of a batch is not written yet, and how far it came, in one step: so a batch whose answer was lost, or
 * which is still on its way while it is sent again, is written once. Sequence numbers rise within a run.
 *
 * KEYS: target, mark. ARGV: kind, run, milliseconds for the mark, entries at most, then for each event its sequence
 * number and 4 more: id, type, data and time of an entry; or the message, with three empty texts.
 */
const SCRIPT = `
local run, last = string.match(redis.call('GET', KEYS[2]) or '', '^(.*)/(%d+)$')
local done = run == ARGV[2] and tonumber(last) or 0
local top = done
for at = 5, #ARGV, 5 do
  local sequence = tonumber(ARGV[at])
  if sequence > done then
    if ARGV[1] == 'stream' then
      redis.call('XADD', KEYS[1], 'MAXLEN', '~', ARGV[4], '*', 'id', ARGV[at + 1], 'type', ARGV[at + 2],
        'data', ARGV[at + 3], 'receivedAt', ARGV[at + 4])
    else
      redis.call('PUBLISH', KEYS[1], ARGV[at + 1])
    end
    top = sequence
  end
end
redis.call('SET', KEYS[2], ARGV[2] .. '/' .. string.format('%.0f', top), 'PX', ARGV[3])
return top - done
`;

/**
 * Adds events to a Redis stream, bounded in length, as entries with the fields `id`, `type`, `data` and `receivedAt`
 * (RFC 3339); or publishes them on a Redis channel, which keeps nothing: an event counts as written once Redis
 * has it, whoever listened. A batch that is repeated in a run is there once.
 * @throws IngestError `invalid-option`: no such URL, or an empty name. Its `open` throws `access-refused` where Redis does
 * not let us in and `invalid-option` where the key holds something else; a Redis that is away is waited for.
 */
export function createRedisSink(options: RedisSinkOptions): Sink {
  return new RedisSink(options);
}

class RedisSink implements Sink {
  readonly name: string;
  readonly batch: BatchLimits;
  readonly #options: RedisSinkOptions;
  #context: SinkContext | undefined;
  #client: RedisClient | undefined;

  constructor(options: RedisSinkOptions) {
    checkRedisUrl(options.url);
    if (placeOf(options.target) === '')
      throw new IngestError('invalid-option', 'Cannot write to Redis: no name is given');
    this.name = options.name ?? 'redis';
    this.batch = { ...BATCH, ...options.batch };
    this.#options = options;
  }

  async open(context: SinkContext): Promise<void> {
    this.#context = context;
    try {
      await this.#checkTarget(await this.#connect(context.logger));
    } catch (error) {
      const { isAccessRefused } = await import('../redis-client.js');
      if (error instanceof IngestError) throw error;
      if (isAccessRefused(error))
        throw new IngestError('access-refused', `Cannot write to Redis: ${messageOf(error)}`, { cause: error });
      context.logger.warn({ error: messageOf(error) }, 'Redis is away; going on without it until it is back');
    }
  }

  async write(batch: readonly SpooledEvent[], signal: AbortSignal): Promise<WriteResult> {
    const context = this.#context;
    if (context === undefined) throw new IngestError('internal', 'Cannot write: the sink is not open');
    const client = await this.#connect(context.logger);
    const { target, format = 'ndjson', timeoutMs = TIMEOUT_MS } = this.#options;
    const place = placeOf(target);
    const entriesMax = target.kind === 'stream' ? (target.entriesMax ?? ENTRIES_MAX) : 0;
    const mark = `{${place}}:tidegate:${context.pipeline}:${this.name}`;
    const args: RedisArgument[] = [SCRIPT, 2, place, mark, target.kind, context.runId, MARK_MS, entriesMax];
    for (const event of batch) {
      if (target.kind === 'stream')
        args.push(event.sequence, event.id, event.type, event.data, new Date(event.receivedAt).toISOString());
      else args.push(event.sequence, formatRecord(event, format).replace(/\n$/, ''), '', '', '');
    }
    await withTimeout(() => client.command('EVAL', ...args), { signal, timeoutMs });
    return { refused: 0 };
  }

  // oxlint-disable-next-line typescript/require-await -- the contract is asynchronous
  async close(): Promise<void> {
    this.#client?.close();
    this.#client = undefined;
  }

  async #connect(logger: Logger): Promise<RedisClient> {
    if (this.#client !== undefined) return this.#client;
    // Loaded only where it is asked for.
    const { connectRedis } = await import('../redis-client.js');
    const { url, timeoutMs = TIMEOUT_MS } = this.#options;
    this.#client = await connectRedis({
      url,
      timeoutMs,
      onError: (reason) => logger.debug({ reason }, 'The connection to Redis failed'),
    });
    return this.#client;
  }

  async #checkTarget(client: RedisClient): Promise<void> {
    const { target } = this.#options;
    if (target.kind !== 'stream') return;
    const type = String(await client.command('TYPE', target.key));
    if (type === 'none' || type === 'stream') return;
    const key = JSON.stringify(target.key.slice(0, 200));
    throw new IngestError('invalid-option', `Cannot add to Redis stream ${key}: the key holds a ${type}`);
  }
}

function placeOf(target: RedisTarget): string {
  return target.kind === 'stream' ? target.key : target.channel;
}
