import type { Delivery } from './delivery.js';
import { subscribe } from './subscribe.js';
import type { SubscribeOptions } from './subscribe.js';

type Kind = Delivery['kind'];

/** Called with a delivery of its kind; where it returns a promise, nothing more is delivered until that is settled. */
export type Listener<K extends Kind> = (delivery: Extract<Delivery, { readonly kind: K }>) => unknown;

/** A subscription that calls listeners. */
export interface OpenSubscription extends AsyncDisposable {
  /** Adds a listener; the returned function takes it away. Those of a kind are called in the order they came. */
  on<K extends Kind>(kind: K, listener: Listener<K>): () => void;
  /** Ends the subscription; no listener is called after. */
  close(): void;
  /** Resolves when the subscription is over; rejects with what ended it: a refusal, or what a listener threw. */
  readonly closed: Promise<void>;
}

/**
 * `subscribe()` for those who would rather listen: begins when the caller's turn is over, so that listeners can be
 * added first. Nothing is queued: listeners are called one after the other, and while one that returns a promise is
 * busy nothing is read, so that the hub waits (and says so with a gap where its history moves on meanwhile).
 *
 * A listener that throws or rejects ends the subscription, because the events after would hide its failure.
 */
export function openSubscription(options: SubscribeOptions): OpenSubscription {
  const closing = new AbortController();
  const close = (): void => closing.abort();
  const listeners = new Map<Kind, Set<(delivery: never) => unknown>>();
  const closed = run(options, closing.signal, async (delivery) => {
    for (const listener of listeners.get(delivery.kind) ?? []) {
      if (closing.signal.aborted) return;
      await listener(delivery as never);
    }
  });
  return {
    closed,
    close,
    on(kind, listener) {
      const those = listeners.get(kind) ?? new Set();
      listeners.set(kind, those.add(listener));
      return () => void those.delete(listener);
    },
    async [Symbol.asyncDispose]() {
      close();
      await closed;
    },
  };
}

async function run(
  options: SubscribeOptions,
  closing: AbortSignal,
  call: (delivery: Delivery) => Promise<void>,
): Promise<void> {
  const stop = new AbortController();
  const abort = (): void => stop.abort();
  for (const signal of [closing, options.signal]) {
    signal?.addEventListener('abort', abort);
    if (signal?.aborted === true) abort();
  }
  try {
    // A turn for the caller to add listeners in.
    await Promise.resolve();
    for await (const delivery of subscribe({ ...options, signal: stop.signal })) {
      if (stop.signal.aborted) return;
      await call(delivery);
    }
  } finally {
    options.signal?.removeEventListener('abort', abort);
  }
}
