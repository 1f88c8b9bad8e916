import { createBackoff, sleep, systemClock } from '../base/index.js';
import type { Clock } from '../base/index.js';
import { checkChannelName } from '../protocol/index.js';
import { checkHeaders, checkUrl } from './address.js';
import { runConnection } from './connection.js';
import type { Delivery } from './delivery.js';
import { ClientError } from './errors.js';
import type { Subscription } from './reader.js';
import { createTokenKeeper } from './token.js';
import type { Token } from './token.js';

export interface SubscribeOptions {
  /** The hub, such as `http://127.0.0.1:8080`; a path before `/subscribe` is kept. */
  readonly url: string;
  /** One channel or more; `'own'`: the stream of the user whom the token speaks for (`GET /sse`). */
  readonly channels: readonly string[] | 'own';
  /** Resume after this id. */
  readonly lastEventId?: string;
  /** Start at a cursor, an RFC 3339 time or a duration ago, such as `5m`. */
  readonly since?: string;
  /** Start with the last events that history has. */
  readonly last?: number | 'all';
  /** Sent with every request. Across origins a browser asks first, and the hub allows some names only (PROTOCOL.md, 9.3). */
  readonly headers?: Readonly<Record<string, string>>;
  /** Beats an `Authorization` in `headers`. */
  readonly token?: Token;
  /** Ends the subscription; the iteration finishes without an error. */
  readonly signal?: AbortSignal;
  readonly fetch?: typeof globalThis.fetch;
  readonly clock?: Clock;
  /** A number in [0, 1), for the jitter of reconnects and of refused tokens. */
  readonly random?: () => number;
}

/** The longest `retry:` or `Retry-After` that is honoured. */
const SERVER_DELAY_MS_MAX = 3_600_000;

/**
 * Subscribes to channels of a hub for as long as they last: reconnects with backoff and jitter,
 * resumes where it was, drops repeats, and says when events were lost (`gap`). Nothing is read
 * from the network until it is asked for, so a slow loop slows the hub's side, not this memory.
 *
 * Node's own `fetch` also ends a body that is silent for 300 s. A hub's heartbeats keep that away; a server
 * that has none is connected to again then, which loses nothing where its events have ids.
 *
 * A token that the hub refuses is replaced by the callback's next: at once where it was good for 10 s, or taken and
 * then good for 1 s; else after a backoff, and no more than five times in a row.
 *
 * The iteration ends when every channel has ended, the server says 204, or `signal` aborts.
 * @throws ClientError the server refuses for good; `no-channels`: none was asked for; `invalid-url`: it holds
 * credentials, or a port that `fetch` never connects to; `invalid-header`: one cannot be sent; `no-token`: it is empty.
 * @throws ProtocolError `invalid-channel`.
 */
export async function* subscribe(options: SubscribeOptions): AsyncGenerator<Delivery, void, undefined> {
  yield* follow(options, createSubscription(options));
}

/** Checks `options`, and is where a subscription to them begins. */
export function createSubscription({ url, channels, headers, lastEventId }: SubscribeOptions): Subscription {
  if (channels.length === 0)
    throw new ClientError({ code: 'no-channels', message: 'Cannot subscribe to no channel', retryable: false });
  const names = channels === 'own' ? [] : channels;
  for (const name of names) checkChannelName(name);
  checkUrl(url);
  checkHeaders(headers ?? {});
  return {
    channels: names,
    isOwn: channels === 'own',
    resumeId: lastEventId ?? '',
    seen: new Map(),
    ended: new Set(),
  };
}

/** {@link subscribe} from where `subscription` stands; moves it along with each delivery. */
export async function* follow(
  options: SubscribeOptions,
  subscription: Subscription,
): AsyncGenerator<Delivery, void, undefined> {
  const { signal = new AbortController().signal, clock = systemClock } = options;
  const backoff = createBackoff({ random: options.random });
  const tokens = createTokenKeeper({ token: options.token, clock, backoff: createBackoff({ random: options.random }) });
  const context = { options, subscription, signal, clock, backoff, tokens };
  let serverDelayMs = 0;
  while (!signal.aborted) {
    const { loss, retryMs } = yield* runConnection(context);
    if (loss === undefined || signal.aborted) return;
    const tokenDelayMs = tokens.delayAfter(loss);
    if (tokenDelayMs === undefined && !loss.retryable) throw loss;
    // Where a token is at fault, `retry:` speaks to who has no other: it may be a day.
    serverDelayMs = tokenDelayMs === undefined ? (retryMs ?? serverDelayMs) : 0;
    const askedMs = Math.min(Math.max(loss.retryAfterMs ?? 0, serverDelayMs), SERVER_DELAY_MS_MAX);
    const delayMs = Math.max(tokenDelayMs ?? backoff.nextMs(), askedMs);
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
