import { systemClock } from '../base/index.js';
import type { Clock } from '../base/index.js';
import type { PipelineStats } from '../ingest/index.js';
import type { Logger } from '../runtime/index.js';
import { formatSize } from './config/index.js';
import type { LiveLine } from './live-line.js';

const LINE_EVERY_MS = 500;
const LOG_EVERY_MS = 30_000;

export interface ReportOptions {
  readonly stats: () => PipelineStats;
  readonly logger: Logger;
  /** A live line on a terminal; without it a log line now and then. */
  readonly line: LiveLine | undefined;
  /** Milliseconds between two log lines (default 30,000; 0: none). */
  readonly logEveryMs?: number;
  readonly clock?: Clock;
}

/** What a report says. */
interface Progress {
  readonly events: number;
  readonly eventsPerSecond: number;
  readonly bytes: number;
  /** Events in the spool. */
  readonly spooled: number;
  /** How old the oldest event is that some sink does not have yet. */
  readonly lagMs: number;
  readonly reconnects: number;
  readonly gaps: number;
  readonly isConnected: boolean;
}

/** Reports a pipeline's progress until disposed. */
export function reportProgress(options: ReportOptions): Disposable {
  const { stats, logger, line, logEveryMs = LOG_EVERY_MS, clock = systemClock } = options;
  const everyMs = line === undefined ? logEveryMs : LINE_EVERY_MS;
  let before = { at: clock.now(), events: stats().source.events };
  let cancel = everyMs === 0 ? (): void => {} : clock.after(everyMs, report);
  function report(): void {
    const now = clock.now();
    const progress = measure(stats(), before, now);
    if (line === undefined) logger.info(progress, formatRate(progress.events - before.events, before.at, now));
    else line.show(formatProgress(progress));
    before = { at: now, events: progress.events };
    cancel = clock.after(everyMs, report);
  }
  return {
    [Symbol.dispose]() {
      cancel();
      line?.clear();
    },
  };
}

/** What scripts that watch the SSE ingest on Fargate look for; times in milliseconds since 1970. */
function formatRate(events: number, fromMs: number, toMs: number): string {
  return `SSE received [${events}] events between [${fromMs}] and [${toMs}]`;
}

interface Mark {
  readonly at: number;
  readonly events: number;
}

/** The progress since `before`. */
export function measure({ source, spool, checkpoint, gaps }: PipelineStats, before: Mark, now: number): Progress {
  const seconds = Math.max(now - before.at, 1) / 1000;
  const isBehind = spool.events > 0 && checkpoint.receivedAt > 0;
  return {
    events: source.events,
    eventsPerSecond: Math.round(((source.events - before.events) / seconds) * 10) / 10,
    bytes: source.bytes,
    spooled: spool.events,
    lagMs: isBehind ? Math.max(now - checkpoint.receivedAt, 0) : 0,
    reconnects: Object.values(source.reconnects).reduce((sum, count) => sum + count, 0),
    gaps,
    isConnected: source.isConnected,
  };
}

/** `● 1,234 events  5.2/s  1.3 MiB  spool 0  lag 0.0 s  reconnects 0`. */
export function formatProgress(progress: Progress): string {
  const { events, eventsPerSecond, bytes, spooled, lagMs, reconnects, gaps, isConnected } = progress;
  return [
    `${isConnected ? '●' : '○'} ${events.toLocaleString('en')} events`,
    `${eventsPerSecond.toLocaleString('en')}/s`,
    formatSize(bytes),
    `spool ${spooled.toLocaleString('en')}`,
    `lag ${(lagMs / 1000).toFixed(1)} s`,
    `reconnects ${reconnects}`,
    ...(gaps === 0 ? [] : [`gaps ${gaps}`]),
  ].join('  ');
}
