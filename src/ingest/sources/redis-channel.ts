import { systemClock } from '../../base/index.js';
import type { Clock } from '../../base/index.js';
import { Notifier } from '../notifier.js';
import type { RedisClient } from '../redis-client.js';
import type { Source, SourceItem } from './source.js';
import { Downtime } from './downtime.js';
import { RedisSource } from './redis-source.js';

export interface RedisChannelSourceOptions {
  /** `redis://` or `rediss://` (TLS), with user and password where there are any; never logged. */
  readonly url: string;
  readonly channel: string;
  /** Messages that wait to be taken (default 10,000), and their bytes (default 64 MiB); what is over is lost, as a gap. */
  readonly waitingMax?: number;
  readonly waitingBytesMax?: number;
  readonly clock?: Clock;
  /** A number in [0, 1), for the jitter. */
  readonly random?: () => number;
}

const WAITING_MAX = 10_000;
const WAITING_BYTES_MAX = 64 * 1024 * 1024;
/** A connection that is silent for so long is asked whether it is there. */
const PING_MS = 30_000;

/**
 * The messages of a Redis channel, with SUBSCRIBE. Redis forgets a message as soon as it was sent: what is published while
 * nobody is subscribed, and what a pipeline is too slow for, is lost and is recorded as a gap. Use a stream where that
 * matters. Messages are events of type `message` without an id.
 * @throws IngestError `invalid-option`: no URL of Redis. Reading throws `access-refused`.
 */
export function createRedisChannelSource(options: RedisChannelSourceOptions): Source {
  const { url, channel, clock = systemClock, random } = options;
  return new RedisSource({
    url,
    what: `channel ${JSON.stringify(channel)}`,
    clock,
    random,
    createReader: ({ downSince }) => {
      const reader = new ChannelReader(options, clock, downSince);
      return { read: (redis, signal) => reader.read(redis, signal), onMessage: (message) => reader.take(message) };
    },
  });
}

/** Redis cannot be told to wait, so what comes is kept here until it is asked for. */
class ChannelReader {
  readonly #options: RedisChannelSourceOptions;
  readonly #clock: Clock;
  readonly #arrived = new Notifier();
  readonly #downtime: Downtime;
  #waiting: SourceItem[] = [];
  #waitingBytes = 0;
  /** When the first message was lost to a reader that was too slow. */
  #lostAt: number | undefined;

  constructor(options: RedisChannelSourceOptions, clock: Clock, downSince: number | undefined) {
    this.#options = options;
    this.#clock = clock;
    this.#downtime = new Downtime(downSince);
  }

  take(message: Buffer): void {
    const { waitingMax = WAITING_MAX, waitingBytesMax = WAITING_BYTES_MAX } = this.#options;
    const isFull = this.#waiting.length >= waitingMax || this.#waitingBytes + message.length > waitingBytesMax;
    if (isFull && this.#waiting.length > 0) {
      this.#lostAt ??= this.#clock.now();
      return;
    }
    const receivedAt = this.#clock.now();
    this.#endLoss(receivedAt);
    const event = { id: '', type: 'message', data: message.toString(), receivedAt };
    this.#waiting.push({ kind: 'event', event, resumeId: '' });
    this.#waitingBytes += message.length;
    this.#arrived.notify();
  }

  async *read(redis: RedisClient, signal: AbortSignal): AsyncGenerator<readonly SourceItem[], void> {
    await redis.command('SUBSCRIBE', this.#options.channel);
    const gap = this.#downtime.end(this.#clock.now(), false);
    if (gap.length > 0) yield gap;
    try {
      for (;;) {
        const items = this.#takeWaiting();
        if (items.length > 0) yield items;
        else if (signal.aborted) return;
        else if (await this.#isQuiet(signal)) await redis.command('PING');
      }
    } finally {
      this.#downtime.begin(this.#clock.now(), 'broken');
    }
  }

  #takeWaiting(): readonly SourceItem[] {
    const items = this.#waiting;
    this.#waiting = [];
    this.#waitingBytes = 0;
    this.#endLoss(this.#clock.now(), items);
    return items;
  }

  /** What was lost lies between what waited then and what comes next. */
  #endLoss(nowMs: number, items: SourceItem[] = this.#waiting): void {
    if (this.#lostAt === undefined) return;
    const [from, to] = [new Date(this.#lostAt).toISOString(), new Date(nowMs).toISOString()];
    items.push({ kind: 'gap', gap: { kind: 'downtime', from, to, reason: 'too-slow' } });
    this.#lostAt = undefined;
  }

  /** Waits for a message; true where none came for a while. */
  async #isQuiet(signal: AbortSignal): Promise<boolean> {
    const over = new AbortController();
    const stop = (): void => over.abort();
    let isQuiet = false;
    const cancel = this.#clock.after(PING_MS, () => {
      isQuiet = true;
      stop();
    });
    signal.addEventListener('abort', stop);
    if (signal.aborted) stop();
    await this.#arrived.wait(over.signal);
    cancel();
    signal.removeEventListener('abort', stop);
    return isQuiet;
  }
}
