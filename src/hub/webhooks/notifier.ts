import { createBackoff, systemClock } from '../../base/index.js';
import type { Backoff, Clock } from '../../base/index.js';
import type { Logger } from '../../runtime/index.js';
import type { Connection } from '../connection.js';
import { Endpoint } from './endpoint.js';
import type { WebhookAnswer, WebhookFailure, WebhookFault } from './endpoint.js';
import { CONNECTION_EVENTS, NOTIFICATION_CONTENT_TYPE, notificationOf } from './notification.js';
import type { ConnectionEvent, Notification } from './notification.js';

/** Who is told of connections, and how hard it is tried. */
export interface NotifierOptions {
  readonly url: string;
  /** What requests are signed with: `whsec_` and base64, or any text. */
  readonly secret: string;
  /** What is told of (default: both). */
  readonly events?: readonly ConnectionEvent[];
  /** How long an answer may take (default 5,000 ms). */
  readonly timeoutMs?: number;
  /** Notifications that may wait (default 10,000); over it the oldest is dropped. */
  readonly waitingMax?: number;
  /** Bytes of those (default 64 MiB); over it the oldest is dropped. */
  readonly waitingBytesMax?: number;
  /** Requests at one time (default 8); one while the receiver fails. */
  readonly concurrency?: number;
  /** How often one is tried at most (default 20). */
  readonly attemptsMax?: number;
  /** How long one is tried at most (default 600,000 ms). */
  readonly maxAgeMs?: number;
}

export interface NotifierContext {
  readonly clock?: Clock;
  readonly logger?: Logger | undefined;
  /** A number in [0, 1), for tests. */
  readonly random?: () => number;
}

/** Why a notification was given up. */
export type DropReason = 'overflow' | 'expired' | 'gone' | 'closed';

/** Plain numbers, read when somebody scrapes. */
export interface NotifierCounters {
  delivered: number;
  retried: number;
  readonly dropped: Map<DropReason, number>;
}

/** How long `flush()` waits (ms): a supervisor does not wait for ever either. */
export const NOTIFIER_FLUSH_MS = 2000;
const RETRY_BASE_MS = 1000;
const RETRY_MAX_MS = 60_000;
/** While the hub stops there is no time for long rests. */
const FLUSH_RETRY_MAX_MS = 200;
/** "The target resource is no longer available": the receiver wants no more of it. */
const STATUS_GONE = 410;
const DEFAULTS = {
  events: CONNECTION_EVENTS,
  timeoutMs: 5000,
  waitingMax: 10_000,
  waitingBytesMax: 64 * 1024 * 1024,
  concurrency: 8,
  attemptsMax: 20,
  maxAgeMs: 600_000,
} as const;

/** A notification until it is delivered or given up. */
interface Delivery {
  readonly notification: Notification;
  readonly sinceMs: number;
  attempts: number;
  isFlying: boolean;
  backoff: Backoff | undefined;
  /** Takes the timer back that it rests by. */
  cancelRest: (() => void) | undefined;
  /** What happened to the same connection later; it must not overtake. */
  follower: Delivery | undefined;
}

/**
 * Tells a receiver of connections that opened and closed, in the order of each connection, at least once unless it is
 * given up. It waits in memory only, and in bounds: a receiver that fails can cost notifications, never the hub.
 */
export class Notifier {
  readonly counters: NotifierCounters = { delivered: 0, retried: 0, dropped: new Map() };
  readonly #options: Required<Omit<NotifierOptions, 'url' | 'secret'>>;
  readonly #events: ReadonlySet<ConnectionEvent>;
  readonly #endpoint: Endpoint;
  readonly #clock: Clock;
  readonly #logger: Logger | undefined;
  readonly #random: (() => number) | undefined;
  /** All that is neither delivered nor given up, oldest first. */
  readonly #pending = new Set<Delivery>();
  /** What may be sent now. */
  readonly #ready = new Set<Delivery>();
  /** The latest pending one of each connection. */
  readonly #latest = new Map<string, Delivery>();
  #bytes = 0;
  #flying = 0;
  #isFailing = false;
  #isClosed = false;
  /** Resolves a flush. */
  #onEmpty: (() => void) | undefined;

  /** @throws TypeError where URL or secret cannot be used. */
  constructor({ url, secret, ...options }: NotifierOptions, context: NotifierContext = {}) {
    const { clock = systemClock, logger, random } = context;
    this.#options = { ...DEFAULTS, ...options };
    this.#events = new Set(this.#options.events);
    this.#endpoint = new Endpoint({ url, secret, clock, logger });
    this.#clock = clock;
    this.#logger = logger;
    this.#random = random;
  }

  /** Notifications that are neither delivered nor given up. */
  get waiting(): number {
    return this.#pending.size;
  }

  /** Takes note and returns at once. */
  notify(event: ConnectionEvent, connection: Connection): void {
    if (!this.#events.has(event)) return;
    if (this.#isClosed) return this.#countDropped('closed', 1);
    const nowMs = this.#clock.now();
    const notification = notificationOf(event, connection, nowMs);
    const delivery: Delivery = {
      notification,
      sinceMs: nowMs,
      attempts: 0,
      isFlying: false,
      backoff: undefined,
      cancelRest: undefined,
      follower: undefined,
    };
    const before = this.#latest.get(connection.id);
    this.#pending.add(delivery);
    this.#latest.set(connection.id, delivery);
    this.#bytes += notification.body.length;
    if (before === undefined) this.#ready.add(delivery);
    else before.follower = delivery;
    this.#keepWithinBounds();
    this.#sendReady();
  }

  /** Tries at once what waits, and resolves when nothing is left or two seconds have passed. */
  async flush(): Promise<void> {
    if (this.#pending.size === 0 || this.#isClosed) return;
    await new Promise<void>((resolve) => {
      const cancel = this.#clock.after(NOTIFIER_FLUSH_MS, resolve);
      this.#onEmpty = () => {
        cancel();
        resolve();
      };
      for (const delivery of this.#pending) this.#endRest(delivery);
      this.#sendReady();
    });
    this.#onEmpty = undefined;
  }

  /** Gives up what waits. */
  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#endpoint.close();
    for (const delivery of this.#pending) delivery.cancelRest?.();
    if (this.#pending.size > 0) this.#countDropped('closed', this.#pending.size);
    for (const all of [this.#pending, this.#ready, this.#latest]) all.clear();
    this.#bytes = 0;
  }

  #keepWithinBounds(): void {
    const { waitingMax, waitingBytesMax } = this.#options;
    while (this.#pending.size > waitingMax || this.#bytes > waitingBytesMax) {
      const oldest = this.#oldestAtRest();
      if (oldest === undefined) return;
      this.#drop(oldest, 'overflow', undefined);
    }
  }

  /** What is on its way can be dropped no more; of that there is little. */
  #oldestAtRest(): Delivery | undefined {
    for (const delivery of this.#pending) if (!delivery.isFlying) return delivery;
    return undefined;
  }

  #sendReady(): void {
    // One is enough to hear whether a receiver that failed is back.
    const flyingMax = this.#isFailing ? 1 : this.#options.concurrency;
    for (const delivery of this.#ready) {
      if (this.#flying >= flyingMax || this.#isClosed) return;
      this.#ready.delete(delivery);
      void this.#send(delivery);
    }
  }

  /** Never rejects. */
  async #send(delivery: Delivery): Promise<void> {
    const { notification } = delivery;
    this.#flying += 1;
    delivery.isFlying = true;
    delivery.attempts += 1;
    if (delivery.attempts > 1) this.counters.retried += 1;
    const answer = await this.#endpoint.post({
      id: notification.id,
      contentType: NOTIFICATION_CONTENT_TYPE,
      body: notification.body,
      timeoutMs: this.#options.timeoutMs,
    });
    this.#flying -= 1;
    delivery.isFlying = false;
    if (this.#isClosed) return;
    this.#settle(delivery, answer);
    this.#sendReady();
  }

  #settle(delivery: Delivery, answer: WebhookAnswer | WebhookFault): void {
    const fault = faultOf(answer);
    if (fault === undefined) {
      this.#nowFailing(undefined);
      this.counters.delivered += 1;
      return this.#forget(delivery);
    }
    const isGone = fault.detail === STATUS_GONE;
    if (!isGone) this.#nowFailing(fault);
    if (isGone) return this.#drop(delivery, 'gone', fault);
    const { attemptsMax, maxAgeMs } = this.#options;
    const restMs = this.#restMs(delivery, 'status' in answer ? answer.retryAfterMs : 0);
    const ageMs = this.#clock.now() + restMs - delivery.sinceMs;
    if (delivery.attempts >= attemptsMax || ageMs > maxAgeMs) return this.#drop(delivery, 'expired', fault);
    delivery.cancelRest = this.#clock.after(restMs, () => {
      this.#endRest(delivery);
      this.#sendReady();
    });
  }

  #restMs(delivery: Delivery, retryAfterMs: number): number {
    delivery.backoff ??= createBackoff({ baseMs: RETRY_BASE_MS, maxMs: RETRY_MAX_MS, random: this.#random });
    const restMs = Math.max(delivery.backoff.nextMs(), Math.min(retryAfterMs, RETRY_MAX_MS));
    return this.#onEmpty === undefined ? restMs : Math.min(restMs, FLUSH_RETRY_MAX_MS);
  }

  #endRest(delivery: Delivery): void {
    if (delivery.cancelRest === undefined) return;
    delivery.cancelRest();
    delivery.cancelRest = undefined;
    this.#ready.add(delivery);
  }

  #drop(delivery: Delivery, reason: DropReason, fault: WebhookFault | undefined): void {
    delivery.cancelRest?.();
    this.#ready.delete(delivery);
    this.#countDropped(reason, 1, fault);
    this.#forget(delivery);
  }

  /** It is over, whichever way; what waited behind it may go. */
  #forget(delivery: Delivery): void {
    const { notification, follower } = delivery;
    this.#pending.delete(delivery);
    this.#bytes -= notification.body.length;
    if (this.#latest.get(notification.connection) === delivery) this.#latest.delete(notification.connection);
    if (follower !== undefined && this.#pending.has(follower)) this.#ready.add(follower);
    if (this.#pending.size === 0) this.#onEmpty?.();
  }

  #countDropped(reason: DropReason, count: number, fault?: WebhookFault): void {
    const before = this.counters.dropped.get(reason) ?? 0;
    this.counters.dropped.set(reason, before + count);
    // One line where it begins; how often, the metrics say.
    const isWorthALine = before === 0 || reason === 'closed';
    if (isWorthALine)
      this.#logger?.warn({ url: this.#endpoint.origin, reason, count, ...fault }, 'Webhooks were given up');
  }

  #nowFailing(fault: WebhookFault | undefined): void {
    const isFailing = fault !== undefined;
    if (isFailing === this.#isFailing) return;
    this.#isFailing = isFailing;
    const fields = { url: this.#endpoint.origin, waiting: this.#pending.size, ...fault };
    if (isFailing) this.#logger?.warn(fields, 'Cannot deliver webhooks: trying again');
    else this.#logger?.info(fields, 'Webhooks are delivered again');
  }
}

/** Any 2xx is a receipt, whatever its body. */
function faultOf(answer: WebhookAnswer | WebhookFault): WebhookFault | undefined {
  if ('failure' in answer) return answer;
  const { status } = answer;
  if (status >= 200 && status < 300) return undefined;
  const failure: WebhookFailure = status < 400 ? 'redirected' : 'status';
  return { failure, detail: status };
}
