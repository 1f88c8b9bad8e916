import { systemClock } from '../base/index.js';
import type { Clock } from '../base/index.js';
import type { PipelineStats } from '../ingest/index.js';
import type { Logger } from '../runtime/index.js';
import { formatSize } from './config/index.js';
import type { LiveLine } from './live-line.js';

const LINE_EVERY_MS = 500;
const LOG_EVERY_MS = 30_000;

/** A pipeline that is reported; one that has not run yet has no stats. */
export interface ReportedPipeline {
  readonly name: string;
  readonly stats: PipelineStats | undefined;
}

export interface ReportOptions {
  readonly pipelines: () => readonly ReportedPipeline[];
  readonly logger: Logger;
  /** A live line on a terminal; without it a log line now and then. */
  readonly line: LiveLine | undefined;
  /** Milliseconds between two log lines (default 30,000; 0: none). */
  readonly logEveryMs?: number;
  readonly clock?: Clock;
}

/** What a report says. */
export interface Progress {
  readonly events: number;
  readonly eventsPerSecond: number;
  readonly bytes: number;
  /** Events in the spool. */
  readonly spooled: number;
  /** How old the oldest event is that some sink does not have yet. */
  readonly lagMs: number;
  readonly reconnects: number;
  readonly gaps: number;
  /** Events that some sink can never take, counted for each of them. */
  readonly deadLetters: number;
  /** Events that some sink lost because it was behind, counted for each of them. */
  readonly dropped: number;
  readonly isConnected: boolean;
}

/** Reports the progress of pipelines until disposed. */
export function reportProgress(options: ReportOptions): Disposable {
  const { pipelines, logger, line, logEveryMs = LOG_EVERY_MS, clock = systemClock } = options;
  const everyMs = line === undefined ? logEveryMs : LINE_EVERY_MS;
  if (everyMs === 0) return { [Symbol.dispose]: () => undefined };
  const eventsOf = (): ReadonlyMap<string, number> =>
    new Map(pipelines().map(({ name, stats }) => [name, stats?.source.events ?? 0]));
  let before = { at: clock.now(), events: eventsOf() };
  let cancel = clock.after(everyMs, report);
  function report(): void {
    const now = clock.now();
    const progress = pipelines().flatMap(({ name, stats }) => {
      if (stats === undefined) return [];
      const mark = { at: before.at, events: before.events.get(name) ?? 0 };
      // A pipeline that was begun anew counts from 0 again.
      const events = mark.events > stats.source.events ? 0 : mark.events;
      return [{ name, mark: { ...mark, events }, ...measure(stats, { ...mark, events }, now) }];
    });
    if (line === undefined)
      for (const { name, mark, ...said } of progress)
        logger.info({ pipeline: name, ...said }, formatRate(said.events - mark.events, mark.at, now));
    else line.show(formatAll(progress, pipelines().length));
    before = { at: now, events: eventsOf() };
    cancel = clock.after(everyMs, report);
  }
  return {
    [Symbol.dispose]() {
      cancel();
      line?.clear();
    },
  };
}

/** The line that dashboards of the system before Tidegate look for. */
function formatRate(events: number, startMs: number, endMs: number): string {
  return `SSE received [${events}] events between [${startMs}] and [${endMs}]`;
}

interface Mark {
  readonly at: number;
  readonly events: number;
}

/** The progress since `before`. */
export function measure({ source, spool, gaps, sinks }: PipelineStats, before: Mark, now: number): Progress {
  const seconds = Math.max(now - before.at, 1) / 1000;
  return {
    events: source.events,
    eventsPerSecond: Math.round(((source.events - before.events) / seconds) * 10) / 10,
    bytes: source.bytes,
    spooled: spool.events,
    lagMs: spool.oldestAt === undefined ? 0 : Math.max(now - spool.oldestAt, 0),
    reconnects: Object.values(source.reconnects).reduce((sum, count) => sum + count, 0),
    gaps,
    deadLetters: Object.values(sinks).reduce((sum, { refused }) => sum + refused, 0),
    dropped: Object.values(sinks).reduce((sum, { dropped }) => sum + dropped, 0),
    isConnected: source.isConnected,
  };
}

/** One line for all: of one pipeline as it is, of several their number and what they have together. */
function formatAll(progress: readonly Progress[], pipelines: number): string {
  const [first] = progress;
  if (first !== undefined && pipelines === 1) return formatProgress(first);
  const connected = progress.filter(({ isConnected }) => isConnected).length;
  return `${connected}/${pipelines} connected  ${formatProgress(addUp(progress))}`;
}

function addUp(progress: readonly Progress[]): Progress {
  const sum = (read: (one: Progress) => number): number => progress.reduce((total, one) => total + read(one), 0);
  return {
    events: sum(({ events }) => events),
    eventsPerSecond: Math.round(sum(({ eventsPerSecond }) => eventsPerSecond) * 10) / 10,
    bytes: sum(({ bytes }) => bytes),
    spooled: sum(({ spooled }) => spooled),
    lagMs: Math.max(0, ...progress.map(({ lagMs }) => lagMs)),
    reconnects: sum(({ reconnects }) => reconnects),
    gaps: sum(({ gaps }) => gaps),
    deadLetters: sum(({ deadLetters }) => deadLetters),
    dropped: sum(({ dropped }) => dropped),
    isConnected: progress.every(({ isConnected }) => isConnected),
  };
}

/** `● 1,234 events  5.2/s  1.3 MiB  spool 0  lag 0.0 s  reconnects 0`, and what was lost where anything was. */
export function formatProgress(progress: Progress): string {
  const { events, eventsPerSecond, bytes, spooled, lagMs, reconnects, gaps, deadLetters, dropped, isConnected } =
    progress;
  return [
    `${isConnected ? '●' : '○'} ${events.toLocaleString('en')} events`,
    `${eventsPerSecond.toLocaleString('en')}/s`,
    formatSize(bytes),
    `spool ${spooled.toLocaleString('en')}`,
    `lag ${(lagMs / 1000).toFixed(1)} s`,
    `reconnects ${reconnects}`,
    ...(gaps === 0 ? [] : [`gaps ${gaps}`]),
    ...(deadLetters === 0 ? [] : [`dead letters ${deadLetters.toLocaleString('en')}`]),
    ...(dropped === 0 ? [] : [`dropped ${dropped.toLocaleString('en')}`]),
  ].join('  ');
}
