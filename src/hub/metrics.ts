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

/** A metric without its prefix, and what it means. */
interface Meaning {
  readonly name: string;
  readonly help: string;
}

/** The hub's metrics in Prometheus text form, read when asked for. */
export function createMetrics(hub: HubCore): Registry {
  const registry = new Registry();
  const gauge = (name: string, help: string, read: () => number): void => addGauge(registry, { name, help }, read);
  const count = (name: string, help: string, read: () => number): void => addCounter(registry, { name, help }, read);
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
  const gaps = { name: 'gaps_total', help: 'Losses announced to subscribers', label: 'reason' };
  addLabelledCounter(registry, gaps, () => counters.gaps);
  const refusals = { name: 'refusals_total', help: 'Requests refused', label: 'code' };
  addLabelledCounter(registry, refusals, () => counters.refusals);
  return registry;
}

function addGauge(registry: Registry, { name, help }: Meaning, read: () => number): void {
  const collect = function collect(this: Gauge): void {
    this.set(read());
  };
  registry.registerMetric(new Gauge({ name: `tidegate_${name}`, help, registers: [], collect }));
}

function addCounter(registry: Registry, { name, help }: Meaning, read: () => number): void {
  const collect = function collect(this: Counter): void {
    this.reset();
    this.inc(read());
  };
  registry.registerMetric(new Counter({ name: `tidegate_${name}`, help, registers: [], collect }));
}

function addLabelledCounter(
  registry: Registry,
  { name, help, label }: Meaning & { readonly label: string },
  read: () => ReadonlyMap<string, number>,
): void {
  const collect = function collect(this: Counter): void {
    this.reset();
    for (const [value, times] of read()) this.inc({ [label]: value }, times);
  };
  registry.registerMetric(new Counter({ name: `tidegate_${name}`, help, labelNames: [label], registers: [], collect }));
}
