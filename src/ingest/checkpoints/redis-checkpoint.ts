import { randomUUID } from 'node:crypto';
import { formatCheckpoint, parseCheckpoint } from './checkpoint.js';
import type { Checkpoint, CheckpointStore } from './checkpoint.js';
import { IngestError, messageOf } from '../errors.js';
import type { RedisClient } from '../redis-client.js';
import { checkRedisUrl } from '../redis-url.js';

export interface RedisCheckpointStoreOptions {
  /** `redis://` or `rediss://` (TLS), with user and password where there are any. Never logged. */
  readonly url: string;
  readonly key: string;
  /** The name of the pipeline that the key belongs to. */
  readonly pipeline: string;
}

/**
 * KEYS: the checkpoint. ARGV: the save that it must be, the writer, this save, the checkpoint. A save of the same writer
 * may be there instead: that of an answer that was lost.
 */
const SAVE = `
local there = redis.call('HGET', KEYS[1], 'save') or ''
if there ~= ARGV[1] and string.sub(there, 1, #ARGV[2]) ~= ARGV[2] then return 0 end
redis.call('HSET', KEYS[1], 'save', ARGV[3], 'checkpoint', ARGV[4])
return 1
`;

/**
 * A checkpoint in a hash of Redis, which is only ever replaced by who saw what is there: of two processes that run one
 * pipeline, the second to save is refused and stops. As durable as that Redis: with an append-only file that is synced
 * each second, a crash of Redis costs the last second's saves, so events come twice.
 * @throws IngestError `invalid-option`: the URL cannot be used.
 */
export function createRedisCheckpointStore(options: RedisCheckpointStoreOptions): CheckpointStore {
  checkRedisUrl(options.url);
  return new RedisCheckpointStore(options);
}

class RedisCheckpointStore implements CheckpointStore {
  readonly #options: RedisCheckpointStoreOptions;
  readonly #writer = randomUUID();
  #client: RedisClient | undefined;
  /** The save that was seen last, here or from another. */
  #seen = '';
  #saves = 0;

  constructor(options: RedisCheckpointStoreOptions) {
    this.#options = options;
  }

  async load(): Promise<Checkpoint | undefined> {
    const { key, pipeline } = this.#options;
    const place = `${key} in Redis`;
    const [save, text] = await this.#read(place);
    this.#seen = save ?? '';
    return text === null || text === undefined ? undefined : parseCheckpoint(text, { place, pipeline });
  }

  async save(checkpoint: Checkpoint): Promise<void> {
    const { key, pipeline } = this.#options;
    const client = await this.#connect();
    this.#saves += 1;
    const save = `${this.#writer}/${this.#saves}`;
    const text = formatCheckpoint(checkpoint, { pipeline });
    const isSaved = await client.command('EVAL', SAVE, 1, key, this.#seen, `${this.#writer}/`, save, text);
    if (isSaved !== 1)
      throw new IngestError(
        'checkpoint-taken',
        `Cannot save checkpoint ${key} in Redis: another process has saved it since`,
      );
    this.#seen = save;
  }

  // oxlint-disable-next-line typescript/require-await -- the contract is asynchronous
  async close(): Promise<void> {
    this.#client?.close();
    this.#client = undefined;
  }

  async #read(place: string): Promise<readonly (string | null)[]> {
    try {
      const client = await this.#connect();
      return (await client.command('HMGET', this.#options.key, 'save', 'checkpoint')) as (string | null)[];
    } catch (error) {
      throw new IngestError('checkpoint-unreadable', `Cannot read checkpoint ${place}: ${messageOf(error)}`);
    }
  }

  async #connect(): Promise<RedisClient> {
    if (this.#client !== undefined) return this.#client;
    // Loaded only where it is asked for.
    const { connectRedis } = await import('../redis-client.js');
    this.#client = await connectRedis({ url: this.#options.url });
    return this.#client;
  }
}
