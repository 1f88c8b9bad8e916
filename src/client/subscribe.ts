import { createBackoff, sleep, systemClock } from '../base/index.js';
import type { Backoff, Clock } from '../base/index.js';
import { checkChannelName } from '../protocol/index.js';
import { checkHeaders, checkUrl } from './address.js';
import { connect, toUnreachable } from './connect.js';
import type { Delivery } from './delivery.js';
import { ClientError } from './errors.js';
import { createStreamReader } from './reader.js';
import type { StreamReader, Subscription } from './reader.js';

export interface SubscribeOptions {
  /** The hub, such as `http://127.0.0.1:8080`; a path before `/subscribe` is kept. */
  readonly url: string;
  /** One channel or more. */
  readonly channels: readonly string[];
  /** Resume after this id. */
  readonly lastEventId?: string;
  /** Start at a cursor, an RFC 3339 time or a duration ago, such as `5m`. */
  readonly since?: string;
  /** Start with the last events that history has. */
  readonly last?: number | 'all';
  readonly headers?: Readonly<Record<string, string>>;
  /** Ends the subscription; the iteration finishes without an error. */
  readonly signal?: AbortSignal;
  readonly fetch?: typeof globalThis.fetch;
  readonly clock?: Clock;
  /** A number in [0, 1), for the jitter of reconnects. */
  readonly random?: () => number;
}

/** A connection counts as healthy after an event or this long, and only then is the backoff reset. */
const HEALTHY_AFTER_MS = 10_000;
/** The longest `retry:` or `Retry-After` that is honoured. */
const SERVER_DELAY_MS_MAX = 3_600_000;
/** A hub that is silent for so many of its heartbeats is gone, whatever TCP believes. */
const SILENT_HEARTBEATS_MAX = 3;

/**
 * Subscribes to channels of a hub for as long as they last: reconnects with backoff and jitter,
 * resumes where it was, drops repeats, and says when events were lost (`gap`). Nothing is read
 * from the network until it is asked for, so a slow loop slows the hub's side, not this memory.
 *
 * Node's own `fetch` also ends a body that is silent for 300 s. A hub's heartbeats keep that away; a server
 * that has none is connected to again then, which loses nothing where its events have ids.
 *
 * The iteration ends when every channel has ended, the server says 204, or `signal` aborts.
 * @throws ClientError the server refuses for good; `no-channels`: none was asked for; `invalid-url`: it holds
 * credentials, or a port that `fetch` never connects to; `invalid-header`: one cannot be sent.
 * @throws ProtocolError `invalid-channel`.
 */
export async function* subscribe(options: SubscribeOptions): AsyncGenerator<Delivery, void, undefined> {
  const { channels, signal = new AbortController().signal, clock = systemClock, random } = options;
  if (channels.length === 0)
    throw new ClientError({ code: 'no-channels', message: 'Cannot subscribe to no channel', retryable: false });
  for (const channel of channels) checkChannelName(channel);
  checkUrl(options.url);
  checkHeaders(options.headers ?? {});
  const subscription: Subscription = {
    channels,
    resumeId: options.lastEventId ?? '',
    seen: new Map(),
    ended: new Set(),
  };
  const backoff = createBackoff(random === undefined ? {} : { random });
  let serverDelayMs = 0;
  while (!signal.aborted) {
    const connection = new Connection(options, subscription, { clock, backoff });
    const loss = yield* connection.run();
    if (loss === 'over' || signal.aborted) return;
    if (!loss.retryable) throw loss;
    serverDelayMs = connection.retryMs ?? serverDelayMs;
    const askedMs = Math.min(Math.max(loss.retryAfterMs ?? 0, serverDelayMs), SERVER_DELAY_MS_MAX);
    const delayMs = Math.max(backoff.nextMs(), askedMs);
    yield* pause({ cause: loss.message, delayMs }, signal, clock);
  }
}

/** Says that it waits, and does. */
async function* pause(
  { cause, delayMs }: { readonly cause: string; readonly delayMs: number },
  signal: AbortSignal,
  clock: Clock,
): AsyncGenerator<Delivery, void, undefined> {
  const wait = new AbortController();
  const retryNow = (): void => wait.abort();
  signal.addEventListener('abort', retryNow);
  try {
    yield { kind: 'status', state: 'reconnecting', cause, delayMs, retryNow };
    if (!signal.aborted) await sleep(delayMs, wait.signal, clock);
  } finally {
    signal.removeEventListener('abort', retryNow);
  }
}

/** One connection's life: open, read, and say how it was lost. */
class Connection {
  readonly #options: SubscribeOptions;
  readonly #subscription: Subscription;
  readonly #clock: Clock;
  readonly #backoff: Backoff;
  readonly #abort = new AbortController();
  readonly #reader: StreamReader;
  #hasFallenSilent = false;

  constructor(options: SubscribeOptions, subscription: Subscription, shared: { clock: Clock; backoff: Backoff }) {
    this.#options = options;
    this.#subscription = subscription;
    this.#clock = shared.clock;
    this.#backoff = shared.backoff;
    this.#reader = createStreamReader(subscription);
  }

  get retryMs(): number | undefined {
    return this.#reader.retryMs;
  }

  async *run(): AsyncGenerator<Delivery, ClientError | 'over', undefined> {
    const { signal } = this.#options;
    const stop = (): void => this.#abort.abort();
    signal?.addEventListener('abort', stop);
    try {
      const response = await this.#open();
      if (response?.body == null) return 'over';
      yield { kind: 'status', state: 'connected' };
      return yield* this.#read(response.body.getReader());
    } catch (error) {
      return signal?.aborted === true ? 'over' : this.#toLoss(error);
    } finally {
      signal?.removeEventListener('abort', stop);
      stop();
    }
  }

  #open(): Promise<Response | undefined> {
    const { headers = {}, fetch = globalThis.fetch } = this.#options;
    const { resumeId: lastEventId } = this.#subscription;
    return connect({ url: subscribeUrl(this.#options), headers, lastEventId, fetch, signal: this.#abort.signal });
  }

  async *#read(
    body: ReadableStreamDefaultReader<Uint8Array>,
  ): AsyncGenerator<Delivery, ClientError | 'over', undefined> {
    const cancelHealth = this.#clock.after(HEALTHY_AFTER_MS, () => this.#backoff.reset());
    try {
      for (;;) {
        const { done, value } = await this.#whileNotSilent(() => body.read());
        if (done) return new ClientError({ code: 'closed', message: 'The server closed the stream', retryable: true });
        const { deliveries, refusal } = this.#reader.read(value);
        for (const delivery of deliveries) {
          if (delivery.kind === 'event') this.#backoff.reset();
          yield delivery;
        }
        if (refusal !== undefined) return refusal;
        if (this.#subscription.channels.every((channel) => this.#subscription.ended.has(channel))) return 'over';
      }
    } finally {
      cancelHealth();
    }
  }

  /** A read that takes longer than the hub's heartbeats allow ends the connection. */
  async #whileNotSilent<T>(read: () => Promise<T>): Promise<T> {
    const { heartbeatMs } = this.#reader;
    if (heartbeatMs === undefined || !(heartbeatMs > 0)) return read();
    const cancel = this.#clock.after(heartbeatMs * SILENT_HEARTBEATS_MAX, () => {
      this.#hasFallenSilent = true;
      this.#abort.abort();
    });
    try {
      return await read();
    } finally {
      cancel();
    }
  }

  #toLoss(error: unknown): ClientError {
    if (this.#hasFallenSilent)
      return new ClientError({ code: 'silent', message: 'The server missed its heartbeats', retryable: true });
    if (error instanceof ClientError) return error;
    return toUnreachable(error, 'The connection was lost');
  }
}

/** Several channels come in envelopes, or nobody could tell which event is whose. */
function subscribeUrl({ url, channels, since, last }: SubscribeOptions): string {
  const target = new URL(url);
  const base = target.pathname.replace(/\/+$/, '');
  const [only] = channels;
  if (channels.length === 1 && only !== undefined) {
    target.pathname = `${base}/subscribe/${encodeURIComponent(only)}`;
  } else {
    target.pathname = `${base}/subscribe`;
    for (const channel of channels) target.searchParams.append('channel', channel);
    target.searchParams.set('envelope', 'json');
  }
  if (since !== undefined) target.searchParams.set('since', since);
  if (last !== undefined) target.searchParams.set('last', String(last));
  return target.href;
}
