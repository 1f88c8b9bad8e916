import {
  addCounter,
  addEventLoopLag,
  addGauge,
  addHistogram,
  addLabelledCounter,
  addLabelledGauge,
  createMetricsRegistry,
} from '../runtime/index.js';
import type { MetricsRegistry } from '../runtime/index.js';
import type { CompressionCounters } from './compression.js';
import type { Backplane, BackplaneCondition, MetricsReport } from './backplane/backplane.js';
import type { Bridge } from './compat/bridge/bridge.js';
import type { HubErrorCode } from './errors.js';
import type { HubCore } from './hub.js';
import type { ChannelStore } from './store.js';
import type { DeliveryCounters } from './subscriber.js';
import type { Authorizer } from './webhooks/authorizer.js';
import type { Notifier } from './webhooks/notifier.js';

/** Plain numbers, counted where it happens: the hot path never calls the metrics library. */
export interface HubCounters extends DeliveryCounters, CompressionCounters {
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
    tooSlow: 0,
    conflated: 0,
    compressedFlushes: 0,
    compressionInputBytes: 0,
    compressionOutputBytes: 0,
    refusals: new Map(),
  };
}

/** The hub's metrics in Prometheus text form, read when asked for. */
export function createMetrics(hub: HubCore): MetricsRegistry {
  const registry = createMetricsRegistry();
  const count = (name: string, help: string, read: () => number): void => addCounter(registry, { name, help }, read);
  const { counters } = hub;
  addGauge(registry, { name: 'subscribers', help: 'Live SSE responses' }, () => hub.subscribers.size);
  const blocked = { name: 'subscribers_blocked', help: 'Subscribers whose sockets take nothing more for now' };
  addGauge(registry, blocked, () => [...hub.subscribers].filter(({ isBlocked }) => isBlocked).length);
  if (!hub.backplane.isReplica) addStore(registry, hub.store);
  count('subscriptions_total', 'Subscriptions begun', () => counters.subscriptions);
  count('events_published_total', 'Events published', () => counters.published);
  count('events_duplicate_total', 'Events not published again, by idempotency key', () => counters.duplicates);
  count('events_delivered_total', 'Events sent, summed over subscribers', () => counters.deliveries);
  count(
    'delivered_bytes_total',
    'Bytes sent to subscribers, as they are before compression',
    () => counters.deliveredBytes,
  );
  count('writes_total', 'Writes to subscribers', () => counters.writes);
  count('flushes_total', 'Rounds in which subscribers were sent what they lacked', () => counters.flushes);
  count('subscribers_stalled_total', 'Subscribers cut off because they took nothing', () => counters.stalled);
  count(
    'subscribers_too_slow_total',
    'Subscribers sent away because history had moved past them',
    () => counters.tooSlow,
  );
  count(
    'events_conflated_total',
    'Events passed over for newer ones of their keys, summed over subscribers',
    () => counters.conflated,
  );
  const gaps = { name: 'gaps_total', help: 'Losses announced to subscribers', label: 'reason' };
  addLabelledCounter(registry, gaps, () => counters.gaps);
  const refusals = { name: 'refusals_total', help: 'Requests refused', label: 'code' };
  addLabelledCounter(registry, refusals, () => counters.refusals);
  addCompression(registry, hub);
  addEventLoopLag(registry);
  addFlushLatency(registry, hub);
  addLimits(registry, hub);
  if (hub.backplane.condition !== undefined) addBackplane(registry, hub.backplane, hub.backplane.condition);
  if (hub.notifier !== undefined) addNotifier(registry, hub.notifier);
  if (hub.authorizer !== undefined) addAuthorizer(registry, hub.authorizer);
  if (hub.backplane.bridge !== undefined) addBridge(registry, hub.backplane.bridge);
  if (hub.backplane.clientKeyFailures !== undefined) addClientKeys(registry, hub.backplane);
  return registry;
}

/** What a primary has to say: it holds no sockets, but every history. */
export function createPrimaryMetrics(store: ChannelStore): () => Promise<MetricsReport> {
  const registry = createMetricsRegistry();
  addStore(registry, store);
  addEventLoopLag(registry);
  return () => reportOf(registry);
}

/** The counts of `registry` in the form that {@link mergeMetrics} takes. */
export async function reportOf(registry: MetricsRegistry): Promise<MetricsReport> {
  return registry.getMetricsAsJSON();
}

function addStore(registry: MetricsRegistry, store: ChannelStore): void {
  addGauge(registry, { name: 'channels', help: 'Channels with a subscriber or a history' }, () => store.channels.size);
  addGauge(registry, { name: 'history_bytes', help: 'Bytes of encoded events kept for resume' }, () => store.bytes);
}

function addBackplane(registry: MetricsRegistry, backplane: Backplane, condition: BackplaneCondition): void {
  const count = (name: string, help: string, read: () => number): void => addCounter(registry, { name, help }, read);
  const ready = { name: 'backplane_ready', help: 'Whether events can be placed; 0 where a node cannot' };
  addGauge(registry, { ...ready, aggregator: 'min' }, () => (backplane.isReady ? 1 : 0));
  const skew = { name: 'backplane_clock_skew_seconds', help: 'How far the clock here is from that of the backplane' };
  addGauge(registry, { ...skew, aggregator: 'max' }, () => Math.abs(condition.clockSkewMs) / 1000);
  count('backplane_outages_total', 'Times that the backplane went away', () => condition.outages);
  count('backplane_epochs_total', 'Times that the backplane had lost events that were told', () => condition.epochs);
  count('backplane_catch_ups_total', 'Times that messages of other nodes were missed', () => condition.catchUps);
  const refused = 'Messages passed over, as no node wrote them';
  count('backplane_messages_refused_total', refused, () => condition.refusedMessages);
  const errors = { name: 'backplane_errors_total', help: 'Connections and commands that failed', label: 'reason' };
  addLabelledCounter(registry, errors, () => condition.errors);
}

function addCompression(registry: MetricsRegistry, { counters, packer }: HubCore): void {
  const count = (name: string, help: string, read: () => number): void => addCounter(registry, { name, help }, read);
  const help = 'Flushes, and parts of the history, compressed, each for all that are sent it';
  count('compressed_flushes_total', help, () => counters.compressedFlushes);
  count('compression_input_bytes_total', 'Bytes of them before', () => counters.compressionInputBytes);
  count('compression_output_bytes_total', 'Bytes of them after', () => counters.compressionOutputBytes);
  const kept = { name: 'compression_kept_bytes', help: 'Bytes of compressed history kept for later readers' };
  addGauge(registry, kept, () => packer.kept.bytes);
}

function addFlushLatency(registry: MetricsRegistry, hub: HubCore): void {
  const observe = addHistogram(registry, {
    name: 'publish_to_flush_seconds',
    help: 'From the first publish of a round until it was written to the last subscriber',
    buckets: [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5],
  });
  hub.onFlushed = (waitedMs) => observe(waitedMs / 1000);
}

function addNotifier(registry: MetricsRegistry, notifier: Notifier): void {
  const { counters } = notifier;
  const count = (name: string, help: string, read: () => number): void => addCounter(registry, { name, help }, read);
  addGauge(registry, { name: 'webhooks_waiting', help: 'Webhooks yet to be delivered' }, () => notifier.waiting);
  count('webhooks_delivered_total', 'Webhooks that their receiver took', () => counters.delivered);
  count('webhooks_retried_total', 'Attempts after the first', () => counters.retried);
  const dropped = { name: 'webhooks_dropped_total', help: 'Webhooks given up', label: 'reason' };
  addLabelledCounter(registry, dropped, () => counters.dropped);
}

function addBridge(registry: MetricsRegistry, bridge: Bridge): void {
  const count = (name: string, help: string, read: () => number): void => addCounter(registry, { name, help }, read);
  addGauge(registry, { name: 'bridge_held', help: 'Nodes that publish what is bridged: one, of all' }, () =>
    bridge.isHeld ? 1 : 0,
  );
  const waiting = { name: 'bridge_waiting', help: 'Messages heard and not yet known to be published' };
  addGauge(registry, { ...waiting, aggregator: 'max' }, () => bridge.waiting);
  count('bridge_published_total', 'Messages of Redis channels that became events', () => bridge.published);
  count('bridge_holes_total', 'Times that messages may have been left out, as no hub heard them', () => bridge.holes);
  const refusals = { name: 'bridge_refusals_total', help: 'Messages that could not become events', label: 'code' };
  addLabelledCounter(registry, refusals, () => bridge.refusals.counts);
}

function addClientKeys(registry: MetricsRegistry, backplane: Backplane): void {
  const help = 'Connections whose key in Redis could not be kept, as one of another type is there';
  addCounter(registry, { name: 'client_key_failures_total', help }, () => backplane.clientKeyFailures ?? 0);
}

function addAuthorizer(registry: MetricsRegistry, authorizer: Authorizer): void {
  const { counters } = authorizer;
  const verdicts = { name: 'authorization_verdicts_total', help: 'Verdicts of the authorizer', label: 'verdict' };
  const byVerdict = (): ReadonlyMap<string, number> =>
    new Map([
      ['allowed', counters.allowed],
      ['denied', counters.denied],
    ]);
  addLabelledCounter(registry, verdicts, byVerdict);
  const cached = { name: 'authorization_verdicts_cached_total', help: 'Of these, remembered and not asked for again' };
  addCounter(registry, cached, () => counters.cached);
  const failures = { name: 'authorization_failures_total', help: 'Questions without a verdict', label: 'reason' };
  addLabelledCounter(registry, failures, () => counters.failures);
  addGauge(registry, { name: 'authorizations_waiting', help: 'Questions in line' }, () => authorizer.waiting);
  const observe = addHistogram(registry, {
    name: 'authorization_seconds',
    help: 'From a question to its answer, or to the end of patience',
    buckets: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5],
  });
  authorizer.onAnswered = (tookMs) => observe(tookMs / 1000);
}

/** So that an alert can compare what there is with what may be. */
function addLimits(registry: MetricsRegistry, hub: HubCore): void {
  const { limits, history } = hub.settings;
  const bounds = {
    ...limits,
    historyEvents: history.events,
    historyBytes: history.bytes,
    historyAgeMs: history.ageMs,
    historyTotalBytes: history.totalBytes,
  };
  const help = 'What the hub takes before it refuses or forgets';
  const bound = new Map(Object.entries(bounds));
  addLabelledGauge(registry, { name: 'limit', help, label: 'limit', aggregator: 'first' }, () => bound);
}
