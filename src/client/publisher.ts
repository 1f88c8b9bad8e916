import { createBackoff, systemClock } from '../base/index.js';
import { checkChannelName } from '../protocol/index.js';
import { checkHeaders, checkUrl, mergeHeaders } from './address.js';
import { toUnreachable } from './connect.js';
import { ClientError } from './errors.js';
import { readRefusal } from './refusal.js';
import { createTokenKeeper } from './token.js';
import type { Token, TokenKeeper } from './token.js';

/** An event to publish. */
export interface PublishedEvent {
  /** The publisher's own id; the hub makes one where this is missing. It is no key. */
  readonly id?: string;
  /** The event type; subscribers see `message` where this is missing. */
  readonly event?: string;
  readonly data: string;
  /** Milliseconds a subscriber waits before it reconnects. */
  readonly retry?: number;
  /** Published twice under the same key, it is kept once. */
  readonly idempotencyKey?: string;
}

/** What the hub answered. */
export interface PublishResult {
  readonly channel: string;
  /** The id that the (last) event has on the wire. */
  readonly id: string;
  /** The cursor after the (last) event. */
  readonly cursor: string;
  /** Events that are new to the channel. */
  readonly published: number;
  /** Events that the hub had under their idempotency key. */
  readonly duplicates: number;
}

export interface PublishOptions {
  /** Rejects with its reason when it aborts; the event may then be published or not. */
  readonly signal?: AbortSignal;
}

export interface PublisherOptions {
  /** The hub's base URL. */
  readonly url: string;
  /** Sent with every request; may hold secrets, which no error repeats. */
  readonly headers?: Readonly<Record<string, string>>;
  /** Beats an `Authorization` in `headers`. Where the hub refuses it, a callback is asked for another, once a request. */
  readonly token?: Token;
  readonly fetch?: typeof globalThis.fetch;
  /** Milliseconds for a request and its answer (default 10,000). */
  readonly timeoutMs?: number;
}

/** Publishes to a hub. Nothing is retried: a {@link ClientError} says whether that may help. */
export interface Publisher {
  /** @throws ClientError the hub refused, answered nonsense, or was not reached in time. */
  publish(channel: string, event: PublishedEvent, options?: PublishOptions): Promise<PublishResult>;
  /**
   * Publishes all of `events`, in order, or none of them.
   * @throws ClientError as {@link publish}.
   */
  publishBatch(channel: string, events: readonly PublishedEvent[], options?: PublishOptions): Promise<PublishResult>;
}

const TIMEOUT_MS = 10_000;

/** @throws ClientError `invalid-url`: it holds credentials. `invalid-header`: one cannot be sent. */
export function createPublisher(options: PublisherOptions): Publisher {
  checkUrl(options.url);
  checkHeaders(options.headers ?? {});
  const base = options.url.replace(/\/+$/, '');
  const tokens = createTokenKeeper({ token: options.token, clock: systemClock, backoff: createBackoff() });
  const post = async (channel: string, body: Body, signal?: AbortSignal): Promise<PublishResult> => {
    const url = `${base}/publish/${encodeURIComponent(checkChannelName(channel))}`;
    const send = async (): Promise<PublishResult> => {
      const tokenHeaders = await askHeaders(tokens, signal);
      const result = await request(url, body, {
        ...options,
        tokenHeaders,
        ...(signal === undefined ? {} : { signal }),
      });
      tokens.accept();
      return result;
    };
    try {
      return await send();
    } catch (error) {
      // What was refused for its token was not published.
      if (error instanceof ClientError && tokens.delayAfter(error) !== undefined) return send();
      throw error;
    }
  };
  return {
    publish: (channel, event, { signal } = {}) =>
      post(channel, { type: 'application/json', text: JSON.stringify(event) }, signal),
    publishBatch: (channel, events, { signal } = {}) => {
      const lines = events.map((event) => `${JSON.stringify(event)}\n`);
      return post(channel, { type: 'application/x-ndjson', text: lines.join('') }, signal);
    },
  };
}

async function askHeaders(
  tokens: TokenKeeper,
  signal: AbortSignal | undefined,
): Promise<Readonly<Record<string, string>>> {
  const over = new AbortController();
  const stop = (): void => over.abort();
  signal?.addEventListener('abort', stop);
  try {
    return await tokens.headers(over.signal);
  } catch (error) {
    signal?.throwIfAborted();
    throw error;
  } finally {
    signal?.removeEventListener('abort', stop);
    stop();
  }
}

interface Body {
  readonly type: string;
  readonly text: string;
}

interface RequestOptions extends PublisherOptions, PublishOptions {
  readonly tokenHeaders: Readonly<Record<string, string>>;
}

async function request(
  url: string,
  { type, text }: Body,
  { headers, tokenHeaders, timeoutMs = TIMEOUT_MS, fetch = globalThis.fetch, signal }: RequestOptions,
): Promise<PublishResult> {
  const deadline = startDeadline(timeoutMs, signal);
  try {
    const init = {
      method: 'POST',
      headers: mergeHeaders(headers ?? {}, tokenHeaders, { 'Content-Type': type }),
      body: text,
      signal: deadline.signal,
    };
    const response = await fetch(url, init);
    if (!response.ok) throw await readRefusal(response, 'Cannot publish');
    return toResult(await response.json(), response.status);
  } catch (error) {
    if (signal?.aborted === true) throw signal.reason;
    if (error instanceof ClientError) throw error;
    if (deadline.isOver())
      throw new ClientError({
        code: 'timeout',
        message: `Cannot publish: no answer within ${timeoutMs} ms`,
        retryable: true,
      });
    if (error instanceof SyntaxError) throw unexpectedAnswer(200);
    throw toUnreachable(error, 'Cannot publish');
  } finally {
    deadline.end();
  }
}

interface Deadline {
  readonly signal: AbortSignal;
  isOver(): boolean;
  end(): void;
}

/** `AbortSignal.any` would do, but leaks where the outer signal lives as long as the process. */
function startDeadline(timeoutMs: number, outer: AbortSignal | undefined): Deadline {
  const controller = new AbortController();
  let isOver = false;
  const timer = setTimeout(() => {
    isOver = true;
    controller.abort();
  }, timeoutMs);
  const abort = (): void => controller.abort();
  outer?.addEventListener('abort', abort);
  if (outer?.aborted === true) abort();
  return {
    signal: controller.signal,
    isOver: () => isOver,
    end() {
      clearTimeout(timer);
      outer?.removeEventListener('abort', abort);
    },
  };
}

function toResult(answer: unknown, status: number): PublishResult {
  if (typeof answer !== 'object' || answer === null) throw unexpectedAnswer(status);
  const { channel, id, cursor, published, duplicates } = answer as Readonly<Record<string, unknown>>;
  if (typeof channel !== 'string' || typeof id !== 'string' || typeof cursor !== 'string')
    throw unexpectedAnswer(status);
  if (typeof published !== 'number' || typeof duplicates !== 'number') throw unexpectedAnswer(status);
  return { channel, id, cursor, published, duplicates };
}

/** Retryable: a proxy's page in place of the hub's answer goes away, and keys remove the duplicate. */
function unexpectedAnswer(status: number): ClientError {
  return new ClientError({
    code: 'unexpected-answer',
    message: `Cannot publish: the server answered ${status} with something that is no hub's answer`,
    status,
    retryable: true,
  });
}
