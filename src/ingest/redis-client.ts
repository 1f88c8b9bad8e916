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
}

/** One connection to Redis, which comes back by itself. While it is away every command fails at once. */
export interface RedisClient {
  /** @throws Error with what Redis refused, or why it did not answer; never with what was sent. */
  command(name: string, ...args: readonly RedisArgument[]): Promise<unknown>;
  close(): void;
}

const TIMEOUT_MS = 10_000;
const CONNECT_MS = 5000;
const RETRY_MS_MAX = 1000;

/** Connects; resolves when Redis takes commands. @throws Error as {@link RedisClient.command}. */
export async function connectRedis({ url, timeoutMs = TIMEOUT_MS, onError }: RedisClientOptions): Promise<RedisClient> {
  const redis = new Redis(url, {
    lazyConnect: true,
    connectTimeout: Math.min(timeoutMs, CONNECT_MS),
    commandTimeout: timeoutMs,
    disableClientInfo: true,
    // What failed is told to who asked: a command that is sent later by itself would be done twice.
    enableOfflineQueue: false,
    autoResendUnfulfilledCommands: false,
    maxRetriesPerRequest: 0,
    retryStrategy: (times) => Math.min(times * 50, RETRY_MS_MAX),
  });
  redis.on('error', (error: unknown) => onError?.(reasonOf(error)));
  const client: RedisClient = {
    async command(name, ...args) {
      try {
        return await redis.call(name, [...args]);
      } catch (error) {
        throw withoutCommand(error);
      }
    },
    close: () => redis.disconnect(),
  };
  try {
    await redis.connect();
    return client;
  } catch (error) {
    client.close();
    throw withoutCommand(error);
  }
}

/** Whether Redis does not let us in: no waiting will help. */
export function isAccessRefused(error: unknown): boolean {
  return /\b(?:WRONGPASS|NOAUTH|NOPERM|invalid password)\b/.test(messageOf(error));
}

/** The driver's own error carries the command, and with it what was to be written. */
function withoutCommand(error: unknown): Error {
  const isReply = error instanceof Error && error.name === 'ReplyError';
  if (!isReply) return new Error(`Redis does not answer: ${reasonOf(error)}`);
  return new Error(`Redis refused: ${messageOf(error).split(', with args')[0] ?? ''}`);
}

/** A code where there is one: a message may quote an address. */
function reasonOf(error: unknown): string {
  if (error instanceof Error && 'code' in error && typeof error.code === 'string') return error.code;
  if (error instanceof Error && error.name === 'ReplyError') return messageOf(error);
  return /\b(?:timed out|connection is closed|isn't writeable)/i.exec(messageOf(error))?.[0] ?? 'connection lost';
}
