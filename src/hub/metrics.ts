import { Counter, Gauge, Registry } from 'prom-client';

import type { HubErrorCode } from './errors.js';
import type { HubCore } from './hub.js';
import type { DeliveryCounters } from './subscriber.js';

/** Plain numbers, counted where it happens: the hot path never calls the metrics library. */
export interface HubCounters extends DeliveryCounters {
  published: number;
  duplicates: number;
  subscriptions: number;
  readonly refusals: Map<HubErrorCode, number>;
}

export function createCounters(): HubCounters {
  return {
    published: 0,
    duplicates: 0,
    subscriptions: 0,
    deliveries: 0,
    deliveredBytes: 0,
    writes: 0,
    flushes: 0,
    gaps: new Map(),
    stalled: 0,
    refusals: new Map(),
  };
}

/** The hub's metrics in Prometheus text form, read when asked for. */
export function createMetrics(hub: HubCore): Registry {
  const registry = new Registry();
  const count = (name: string, help: string, read: () => number): void => {
    registry.registerMetric(
      new Counter({
        name: `tidegate_${name}`,
        help,
        registers: [],
        collect() {
          this.reset();
          this.inc(read());
        },
      }),
    );
  };
  const gauge = (name: string, help: string, read: () => number): void => {
    registry.registerMetric(
      new Gauge({
        name: `tidegate_${name}`,
        help,
        registers: [],
        collect() {
          this.set(read());
        },
      }),
    );
  };
  const { counters } = hub;
  gauge('subscribers', 'Live SSE responses', () => hub.subscribers.size);
  gauge('channels', 'Channels with a subscriber or a history', () => hub.store.channels.size);
  gauge('history_bytes', 'Bytes of encoded events kept for resume', () => hub.store.bytes);
  count('subscriptions_total', 'Subscriptions begun', () => counters.subscriptions);
  count('events_published_total', 'Events published', () => counters.published);
  count('events_duplicate_total', 'Events not published again, by idempotency key', () => counters.duplicates);
  count('events_delivered_total', 'Events sent, summed over subscribers', () => counters.deliveries);
  count('delivered_bytes_total', 'Bytes sent to subscribers', () => counters.deliveredBytes);
  count('writes_total', 'Writes to subscribers', () => counters.writes);
  count('flushes_total', 'Rounds in which subscribers were sent what they lacked', () => counters.flushes);
  count('subscribers_stalled_total', 'Subscribers cut off because they took nothing', () => counters.stalled);
  const countEach = (name: string, help: string, label: string, read: () => ReadonlyMap<string, number>): void => {
    registry.registerMetric(
      new Counter({
        name: `tidegate_${name}`,
        help,
        labelNames: [label],
        registers: [],
        collect() {
          this.reset();
          for (const [value, times] of read()) this.inc({ [label]: value }, times);
        },
      }),
    );
  };
  countEach('gaps_total', 'Losses announced to subscribers, by reason', 'reason', () => counters.gaps);
  countEach('refusals_total', 'Requests refused, by code', 'code', () => counters.refusals);
  return registry;
}
