import type { Backoff, Clock } from '../base/index.js';
import { connect, toUnreachable } from './connect.js';
import type { Delivery } from './delivery.js';
import { ClientError } from './errors.js';
import { advance, createStreamReader } from './reader.js';
import type { StreamReader, Subscription } from './reader.js';
import type { SubscribeOptions } from './subscribe.js';
import type { TokenKeeper } from './token.js';

/** What the connections of one subscription share. */
export interface ConnectionContext {
  readonly options: SubscribeOptions;
  readonly subscription: Subscription;
  /** Ends the subscription. */
  readonly signal: AbortSignal;
  readonly clock: Clock;
  readonly backoff: Backoff;
  readonly tokens: TokenKeeper;
}

/** How a connection was lost; no `loss` where nothing is left to come back for. */
export interface ConnectionEnd {
  readonly loss?: ClientError;
  /** The `retry:` last asked for (milliseconds). */
  readonly retryMs?: number | undefined;
}

/** A connection counts as healthy after an event or this long, and only then is the backoff reset. */
const HEALTHY_AFTER_MS = 10_000;
/** A hub that is silent for so many of its heartbeats is gone, whatever TCP believes. */
const SILENT_HEARTBEATS_MAX = 3;

/** One connection's life: open, read, and say how it was lost. */
export async function* runConnection(context: ConnectionContext): AsyncGenerator<Delivery, ConnectionEnd, undefined> {
  const { options, subscription, signal, tokens } = context;
  const abort = new AbortController();
  const stop = (): void => abort.abort();
  const reader = createStreamReader(subscription.resumeId);
  signal.addEventListener('abort', stop);
  try {
    const tokenHeaders = await tokens.headers(abort.signal);
    const response = await connect({
      url: subscribeUrl(options),
      headers: [options.headers ?? {}, tokenHeaders],
      lastEventId: subscription.resumeId,
      fetch: options.fetch ?? globalThis.fetch,
      signal: abort.signal,
    });
    tokens.accept();
    if (response?.body == null) return {};
    yield { kind: 'status', state: 'connected' };
    const loss = yield* readBody(response.body.getReader(), reader, { ...context, abort });
    return loss === undefined ? {} : { loss, retryMs: reader.retryMs };
  } catch (error) {
    if (signal.aborted) return {};
    return { loss: toLoss(error, abort.signal), retryMs: reader.retryMs };
  } finally {
    signal.removeEventListener('abort', stop);
    stop();
  }
}

async function* readBody(
  body: ReadableStreamDefaultReader<Uint8Array>,
  reader: StreamReader,
  { subscription, clock, backoff, abort }: ConnectionContext & { readonly abort: AbortController },
): AsyncGenerator<Delivery, ClientError | undefined, undefined> {
  const cancelHealth = clock.after(HEALTHY_AFTER_MS, () => backoff.reset());
  const fallSilent = (): void =>
    abort.abort(new ClientError({ code: 'silent', message: 'The server is silent', retryable: true }));
  try {
    for (;;) {
      const silenceMs = reader.heartbeatMs * SILENT_HEARTBEATS_MAX;
      const cancelSilence = silenceMs > 0 && clock.after(silenceMs, fallSilent);
      const { done, value } = await body.read().finally(cancelSilence || undefined);
      if (done) return new ClientError({ code: 'closed', message: 'The server closed the stream', retryable: true });
      const { steps, resumeId, refusal } = reader.read(value);
      for (const step of steps) {
        if (step.delivery.kind === 'event') backoff.reset();
        if (advance(subscription, step)) yield step.delivery;
      }
      subscription.resumeId = resumeId;
      if (refusal !== undefined) return refusal;
      if (hasEnded(subscription)) return undefined;
    }
  } finally {
    cancelHealth();
  }
}

function toLoss(error: unknown, { reason }: AbortSignal): ClientError {
  if (reason instanceof ClientError) return reason;
  return error instanceof ClientError ? error : toUnreachable(error, 'The connection was lost');
}

/** Whether every channel is over. */
export function hasEnded({ channels, ended }: Subscription): boolean {
  return channels.length > 0 && channels.every((channel) => ended.has(channel));
}

/** Several channels come in envelopes, or nobody could tell which event is whose. */
function subscribeUrl({ url, channels, since, last }: SubscribeOptions): string {
  const target = new URL(url);
  const query = target.searchParams;
  let path = '/subscribe';
  if (channels === 'own') {
    path = '/sse';
    query.set('ping', 'false');
  } else if (channels.length === 1) path += `/${encodeURIComponent(channels.join(''))}`;
  else {
    for (const channel of channels) query.append('channel', channel);
    query.set('envelope', 'json');
  }
  target.pathname = target.pathname.replace(/\/+$/, '') + path;
  // In a page, this fetch looks like an EventSource, which a hub refuses with status 200 (PROTOCOL.md, 8.2).
  for (const [name, value] of Object.entries({ since, last, refusals: 'status' }))
    if (value !== undefined) query.set(name, String(value));
  return target.href;
}
