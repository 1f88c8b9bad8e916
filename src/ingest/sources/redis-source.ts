import { createBackoff, sleep } from '../../base/index.js';
import type { Clock } from '../../base/index.js';
import { IngestError, messageOf } from '../errors.js';
import { connectRedis, isAccessRefused } from '../redis-client.js';
import type { RedisClient, RedisClientOptions } from '../redis-client.js';
import { checkRedisUrl } from '../redis-url.js';
import type { Source, SourceItem, SourceReadOptions, SourceStats } from './source.js';

/** How a source reads from one connection. */
export interface RedisReader extends Pick<RedisClientOptions, 'onMessage'> {
  /** Reads until `signal` aborts or the connection fails, which it throws. */
  read(redis: RedisClient, signal: AbortSignal): AsyncGenerator<readonly SourceItem[], void>;
}

export interface RedisSourceOptions {
  readonly url: string;
  /** What is read, for messages: `stream "orders"`. */
  readonly what: string;
  readonly clock: Clock;
  readonly random: (() => number) | undefined;
  /** Begins to read; called once for each `read()` of the source. */
  readonly createReader: (options: SourceReadOptions) => RedisReader;
}

/** Milliseconds for a command; those that wait are given less. */
const COMMAND_TIMEOUT_MS = 10_000;
/** Refusals that waiting does not heal: the key holds something else, or there is no such command. */
const LASTING = /\b(?:WRONGTYPE|unknown command|ERR syntax|Invalid stream ID)/i;

/** Something in Redis, over connections that follow each other: it never gives up on what may heal. */
export class RedisSource implements Source {
  readonly #options: RedisSourceOptions;
  #isConnected = false;
  #events = 0;
  #bytes = 0;
  #broken = 0;

  /** @throws IngestError `invalid-option`: no URL of Redis. The message leaves it out: it may hold a secret. */
  constructor(options: RedisSourceOptions) {
    checkRedisUrl(options.url);
    this.#options = options;
  }

  stats(): SourceStats {
    const reconnects = this.#broken === 0 ? {} : { broken: this.#broken };
    return { isConnected: this.#isConnected, events: this.#events, bytes: this.#bytes, reconnects };
  }

  async *read(options: SourceReadOptions): AsyncGenerator<readonly SourceItem[], void> {
    const { signal, logger } = options;
    const { random, clock, what } = this.#options;
    const reader = this.#options.createReader(options);
    const backoff = createBackoff(random === undefined ? {} : { random });
    while (!signal.aborted) {
      try {
        for await (const items of this.#readConnection(reader, options)) {
          backoff.reset();
          yield this.#counted(items);
        }
      } catch (error) {
        if (signal.aborted) return;
        const message = `Cannot read ${what}: ${messageOf(error)}`;
        if (error instanceof IngestError) throw error;
        if (isAccessRefused(error)) throw new IngestError('access-refused', message);
        if (LASTING.test(messageOf(error))) throw new IngestError('source-refused', message);
        this.#broken += 1;
        const delayMs = backoff.nextMs();
        logger.warn({ error: messageOf(error), delayMs }, 'Reconnecting to the source');
        await sleep(delayMs, signal, clock);
      }
    }
  }

  async *#readConnection(
    reader: RedisReader,
    { signal, logger }: SourceReadOptions,
  ): AsyncGenerator<readonly SourceItem[], void> {
    const over = new AbortController();
    const stop = (): void => over.abort();
    signal.addEventListener('abort', stop);
    const { url, what } = this.#options;
    const { onMessage } = reader;
    let redis: RedisClient | undefined;
    try {
      redis = await connectRedis({
        url,
        timeoutMs: COMMAND_TIMEOUT_MS,
        comesBack: false,
        ...(onMessage === undefined ? {} : { onMessage }),
        onGone: stop,
      });
      // A command that waits is ended by the end of its connection.
      const connection = redis;
      over.signal.addEventListener('abort', () => connection.close());
      if (signal.aborted) return;
      this.#isConnected = true;
      logger.info({ what }, 'Connected to the source');
      yield* reader.read(connection, over.signal);
      if (!signal.aborted) throw new Error('Redis closed the connection');
    } finally {
      this.#isConnected = false;
      signal.removeEventListener('abort', stop);
      redis?.close();
    }
  }

  #counted(items: readonly SourceItem[]): readonly SourceItem[] {
    for (const item of items) {
      if (item.kind !== 'event') continue;
      this.#events += 1;
      this.#bytes += Buffer.byteLength(item.event.data);
    }
    return items;
  }
}
