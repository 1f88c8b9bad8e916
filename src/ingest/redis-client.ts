import { once } from 'node:events';
import { Redis } from 'ioredis';
import { messageOf } from './errors.js';

export type RedisArgument = string | number | Buffer;

export interface RedisClientOptions {
  /** `redis://` or `rediss://` (TLS), with user and password where there are any. Never logged. */
  readonly url: string;
  /** Milliseconds for a command (default 10,000). */
  readonly timeoutMs?: number;
  /** Told of a lost connection; `reason` is a code and holds no secret. It comes back by itself. */
  readonly onError?: (reason: string) => void;
  /** Whether a lost connection comes back (default true). */
  readonly comesBack?: boolean;
  /** Told of each message on a channel that was asked for by the command `SUBSCRIBE`. */
  readonly onMessage?: (message: Buffer) => void;
  /** Told once, where it does not come back: the connection is gone. */
  readonly onGone?: () => void;
}

/** One connection to Redis, which comes back by itself. While it is away, a command fails with the next attempt to connect. */
export interface RedisClient {
  /** @throws Error with what Redis refused, or why it did not answer; never with what was sent. */
  command(name: string, ...args: readonly RedisArgument[]): Promise<unknown>;
  close(): void;
}

const TIMEOUT_MS = 10_000;
const CONNECT_MS = 5000;
const RETRY_MS_MAX = 1000;

/** Connects; resolves when Redis takes commands. @throws Error as {@link RedisClient.command}. */
export async function connectRedis(options: RedisClientOptions): Promise<RedisClient> {
  const { url, timeoutMs = TIMEOUT_MS, onError, comesBack = true, onMessage, onGone } = options;
  const redis = new Redis(url, {
    lazyConnect: true,
    connectTimeout: Math.min(timeoutMs, CONNECT_MS),
    commandTimeout: timeoutMs,
    disableClientInfo: true,
    // What failed is told to who asked: a command that is sent later by itself would be done twice.
    enableOfflineQueue: false,
    autoResendUnfulfilledCommands: false,
    maxRetriesPerRequest: 0,
    retryStrategy: (times) => (comesBack ? Math.min(times * 50, RETRY_MS_MAX) : null),
  });
  const place = placeOf(url);
  let refusal: unknown;
  let last: unknown;
  redis.on('error', (error: unknown) => {
    if (isReply(error)) refusal = error;
    last = error;
    onError?.(reasonOf(error));
  });
  if (onMessage !== undefined) redis.on('messageBuffer', (_channel: Buffer, message: Buffer) => onMessage(message));
  if (onGone !== undefined) redis.once('end', onGone);
  const client: RedisClient = {
    async command(name, ...args) {
      try {
        // While it is away the driver only says so; why, it told before.
        if (redis.status !== 'ready')
          await whenReady(redis).catch((error: unknown) => Promise.reject(toError(last ?? error)));
        if (name === 'SUBSCRIBE') return await redis.subscribe(...args.map(String));
        return await redis.call(name, [...args]);
      } catch (error) {
        throw withoutCommand(error, place);
      }
    },
    close: () => redis.disconnect(),
  };
  try {
    await redis.connect();
    return client;
  } catch (error) {
    client.close();
    // Where it does not let us in, the driver itself only says that the connection is closed.
    throw withoutCommand(refusal ?? last ?? error, place);
  }
}

/** Resolves when the connection is back; rejects where the next attempt fails, or there will be none. */
async function whenReady(redis: Redis): Promise<void> {
  const settled = new AbortController();
  const { signal } = settled;
  try {
    await Promise.race([
      once(redis, 'ready', { signal }),
      once(redis, 'close', { signal }).then(() => {
        throw new Error('connection lost');
      }),
      once(redis, 'end', { signal }).then(() => {
        throw new Error('connection is closed');
      }),
    ]);
  } finally {
    settled.abort();
  }
}

/** Whether Redis does not let us in: no waiting will help. */
export function isAccessRefused(error: unknown): boolean {
  return /\b(?:WRONGPASS|NOAUTH|NOPERM|invalid password)\b/.test(messageOf(error));
}

/** Redis answered, and with an error. */
function isReply(error: unknown): boolean {
  return error instanceof Error && error.name === 'ReplyError';
}

/** The driver's own error carries the command, and with it what was to be written. */
function withoutCommand(error: unknown, place: string): Error {
  if (!isReply(error)) return new Error(`Redis does not answer: ${reasonOf(error)} (${place})`);
  return new Error(`Redis refused: ${messageOf(error).split(', with args')[0] ?? ''}`);
}

function toError(error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error));
}

/** Host and port of a URL that may hold a password. */
function placeOf(url: string): string {
  return URL.canParse(url) ? new URL(url).host : 'its address';
}

/** A code where there is one: a message may quote more. */
function reasonOf(error: unknown): string {
  if (error instanceof Error && 'code' in error && typeof error.code === 'string') return error.code;
  if (isReply(error)) return messageOf(error);
  return /\b(?:timed out|connection is closed|isn't writeable)/i.exec(messageOf(error))?.[0] ?? 'connection lost';
}
