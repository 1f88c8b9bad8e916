import { systemClock } from '../base/index.js';
import type { Clock } from '../base/index.js';
import { addEventLoopLag, addGauge, addSeries, createMetricsRegistry } from '../runtime/index.js';
import type { MetricsRegistry, Sample } from '../runtime/index.js';
import type { SinkStats } from './delivery.js';
import { silentForMs } from './health.js';
import type { PipelineState, PipelineStatus } from './pipeline-keeper.js';
import type { PipelineStats } from './pipeline-run.js';
import type { PipelineSet } from './pipeline-set.js';

type Kind = 'counter' | 'gauge';
type Row<T> = readonly [kind: Kind, name: string, help: string, read: (stats: T, now: number) => number];

/** Of each pipeline that runs here, or ran here last. */
const PIPELINE_ROWS: readonly Row<PipelineStats>[] = [
  ['gauge', 'connected', 'Whether the source is connected', ({ source }) => Number(source.isConnected)],
  ['counter', 'events_total', 'Events received', ({ source }) => source.events],
  ['counter', 'bytes_total', 'Bytes received', ({ source }) => source.bytes],
  ['counter', 'filtered_events_total', 'Events that the filter left out', ({ filtered }) => filtered],
  ['counter', 'canary_events_total', 'Events that only showed that the stream lives', ({ canaries }) => canaries],
  ['counter', 'repeated_events_total', 'Events that came again and were dropped', ({ repeats }) => repeats],
  ['counter', 'gaps_total', 'Gaps that the source has left', ({ gaps }) => gaps],
  ['gauge', 'lag_events', 'Events that some sink has not acknowledged', ({ spool }) => spool.events],
  [
    'gauge',
    'lag_seconds',
    'How old the oldest event is that some sink has not acknowledged',
    ({ spool }, now) => (spool.oldestAt === undefined ? 0 : Math.max(0, now - spool.oldestAt) / 1000),
  ],
  ['gauge', 'spool_bytes', 'Bytes of events that wait for sinks', ({ spool }) => spool.bytes],
  ['counter', 'checkpoint_saves_total', 'Checkpoints saved', ({ checkpoint }) => checkpoint.saves],
  [
    'counter',
    'checkpoint_failures_total',
    'Checkpoints that could not be saved',
    ({ checkpoint }) => checkpoint.failures,
  ],
];

/** Of each sink of them. */
const SINK_ROWS: readonly Row<SinkStats>[] = [
  ['counter', 'sink_events_total', 'Events that the sink made durable', ({ written }) => written],
  ['counter', 'sink_batches_total', 'Batches that it made durable', ({ batches }) => batches],
  ['counter', 'sink_retries_total', 'Attempts that were repeated', ({ retries }) => retries],
  ['counter', 'sink_dead_letters_total', 'Events that it can never take', ({ refused }) => refused],
  ['counter', 'sink_dropped_events_total', 'Events that it lost because it was behind', ({ dropped }) => dropped],
  ['gauge', 'sink_pending_events', 'Events that wait for it', ({ pending }) => pending],
];

const STATES: readonly PipelineState[] = ['waiting', 'running', 'stopping', 'stopped', 'ended', 'failed'];

/** The metrics of all pipelines of a process, read when somebody asks; counts begin again with each run. */
export function createPipelineMetrics(pipelines: PipelineSet, clock: Clock = systemClock): MetricsRegistry {
  const registry = createMetricsRegistry();
  const add = (kind: Kind, [name, help]: readonly [string, string], shape: Shape): void =>
    addSeries(registry, { kind, name: `ingest_${name}`, help, labels: shape.labels }, shape.read);
  const statuses = (): readonly PipelineStatus[] => pipelines.statuses();
  for (const [kind, name, help, read] of PIPELINE_ROWS)
    add(kind, [name, help], {
      labels: ['pipeline'],
      read: () => statuses().flatMap((one) => ofPipeline(one, (stats) => read(stats, clock.now()))),
    });
  for (const [kind, name, help, read] of SINK_ROWS)
    add(kind, [name, help], {
      labels: ['pipeline', 'sink'],
      read: () => statuses().flatMap((one) => ofSinks(one, (stats) => read(stats, clock.now()))),
    });
  add('counter', ['reconnects_total', 'Reconnects to the source, by what ended the connection'], {
    labels: ['pipeline', 'cause'],
    read: () => statuses().flatMap(ofReconnects),
  });
  add('counter', ['failures_total', 'Runs that failed'], {
    labels: ['pipeline'],
    read: () => statuses().map(({ name, failures }) => ({ labels: { pipeline: name }, value: failures })),
  });
  add('gauge', ['silence_seconds', 'Since when the source of a pipeline that runs was not heard of'], {
    labels: ['pipeline'],
    read: () => statuses().flatMap((one) => ofSilence(one, clock.now())),
  });
  add('gauge', ['state', 'Which of its states a pipeline is in'], {
    labels: ['pipeline', 'state'],
    read: () => statuses().flatMap(ofState),
  });
  if (pipelines.claims !== undefined) addClaims(registry, pipelines.claims);
  addEventLoopLag(registry);
  return registry;
}

interface Shape {
  readonly labels: readonly string[];
  readonly read: () => Iterable<Sample>;
}

function addClaims(registry: MetricsRegistry, claims: NonNullable<PipelineSet['claims']>): void {
  addGauge(registry, { name: 'ingest_leases', help: 'Pipelines whose lease this worker has' }, () => claims.state.held);
  const workers = { name: 'ingest_workers', help: 'Workers that share the pipelines' };
  addGauge(registry, workers, () => claims.state.workers);
  const connected = { name: 'ingest_leases_connected', help: 'Whether Redis answered last time' };
  addGauge(registry, connected, () => Number(claims.state.isConnected));
}

function ofPipeline({ name, stats }: PipelineStatus, read: (stats: PipelineStats) => number): readonly Sample[] {
  return stats === undefined ? [] : [{ labels: { pipeline: name }, value: read(stats) }];
}

function ofSinks({ name, stats }: PipelineStatus, read: (stats: SinkStats) => number): readonly Sample[] {
  return Object.entries(stats?.sinks ?? {}).map(([sink, one]) => {
    return { labels: { pipeline: name, sink }, value: read(one) };
  });
}

function ofReconnects({ name, stats }: PipelineStatus): readonly Sample[] {
  return Object.entries(stats?.source.reconnects ?? {}).map(([cause, value]) => {
    return { labels: { pipeline: name, cause }, value };
  });
}

function ofSilence(status: PipelineStatus, now: number): readonly Sample[] {
  const silentMs = silentForMs(status, now);
  return silentMs === undefined ? [] : [{ labels: { pipeline: status.name }, value: silentMs / 1000 }];
}

function ofState({ name, state }: PipelineStatus): readonly Sample[] {
  return STATES.map((one) => ({ labels: { pipeline: name, state: one }, value: Number(one === state) }));
}
