import { monitorEventLoopDelay } from 'node:perf_hooks';
import { AggregatorRegistry, Counter, Gauge, Histogram, Registry } from 'prom-client';

/** Metrics that are read together, in Prometheus's text form. */
export type MetricsRegistry = Registry;

/** A metric without its prefix, and what it means. */
interface Meaning {
  readonly name: string;
  readonly help: string;
  /** How the values of several processes become one (default `sum`). */
  readonly aggregator?: 'sum' | 'max' | 'min' | 'first';
}

/** One value among several of a metric. */
export interface Sample {
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

export interface SeriesMeaning extends Meaning {
  readonly kind: 'counter' | 'gauge';
  readonly labels: readonly string[];
}

const LAG_RESOLUTION_MS = 10;

export function createMetricsRegistry(): MetricsRegistry {
  return new Registry();
}

/** One registry that says what several processes counted: sums, but for what each has alone. */
export function mergeMetrics(reports: readonly (readonly object[])[]): MetricsRegistry {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the library's types say one object; it takes a list for each process
  return AggregatorRegistry.aggregate(reports as unknown as object[]);
}

/** A value that `read` gives whenever somebody looks. */
export function addGauge(registry: MetricsRegistry, meaning: Meaning, read: () => number): void {
  addSeries(registry, { ...meaning, kind: 'gauge', labels: [] }, () => [{ labels: {}, value: read() }]);
}

/** A count that somebody else keeps as a plain number. */
export function addCounter(registry: MetricsRegistry, meaning: Meaning, read: () => number): void {
  addSeries(registry, { ...meaning, kind: 'counter', labels: [] }, () => [{ labels: {}, value: read() }]);
}

/** Counts by the value of one label. */
export function addLabelledCounter(
  registry: MetricsRegistry,
  { label, ...meaning }: Meaning & { readonly label: string },
  read: () => ReadonlyMap<string, number>,
): void {
  addSeries(registry, { ...meaning, kind: 'counter', labels: [label] }, () => samplesOf(label, read()));
}

/** Values by the value of one label. */
export function addLabelledGauge(
  registry: MetricsRegistry,
  { label, ...meaning }: Meaning & { readonly label: string },
  read: () => ReadonlyMap<string, number>,
): void {
  addSeries(registry, { ...meaning, kind: 'gauge', labels: [label] }, () => samplesOf(label, read()));
}

/** Whatever `read` gives whenever somebody looks: what is not there any more is not shown any more. */
export function addSeries(
  registry: MetricsRegistry,
  { kind, labels, name, ...meaning }: SeriesMeaning,
  read: () => Iterable<Sample>,
): void {
  const common = { ...meaning, name: `tidegate_${name}`, labelNames: [...labels], registers: [] };
  if (kind === 'gauge') {
    const collect = function collect(this: Gauge): void {
      this.reset();
      for (const sample of read()) this.set(sample.labels, sample.value);
    };
    registry.registerMetric(new Gauge({ ...common, collect }));
    return;
  }
  const collect = function collect(this: Counter): void {
    this.reset();
    for (const sample of read()) this.inc(sample.labels, sample.value);
  };
  registry.registerMetric(new Counter({ ...common, collect }));
}

/** Answers with what takes an observed value. */
export function addHistogram(
  registry: MetricsRegistry,
  { name, help, buckets }: Meaning & { readonly buckets: readonly number[] },
): (value: number) => void {
  const histogram = new Histogram({ name: `tidegate_${name}`, help, buckets: [...buckets], registers: [] });
  registry.registerMetric(histogram);
  return (value) => histogram.observe(value);
}

/** How late the event loop is, since the last look: what is slow now shall not hide behind a calm past. */
export function addEventLoopLag(registry: MetricsRegistry): void {
  const delay = monitorEventLoopDelay({ resolution: LAG_RESOLUTION_MS });
  delay.enable();
  const help = 'How late the event loop was at worst in 99 of 100 looks, since the metrics were read last';
  addGauge(registry, { name: 'event_loop_lag_p99_seconds', help, aggregator: 'max' }, () => {
    const seconds = Math.max(0, delay.percentile(99) / 1e9 - LAG_RESOLUTION_MS / 1000);
    delay.reset();
    return seconds;
  });
}

function samplesOf(label: string, values: ReadonlyMap<string, number>): readonly Sample[] {
  return Array.from(values, ([value, count]) => ({ labels: { [label]: value }, value: count }));
}
