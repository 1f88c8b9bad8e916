import { describe, expect, it } from 'vitest';
import type { PipelineStats } from '../ingest/index.js';
import { createCapturingLogger } from '../../test/support/capturing-logger.js';
import { ManualClock } from '../../test/support/clocks.js';
import { formatProgress, measure, reportProgress } from './pipeline-report.js';

function statsOf(events: number, spooled: number, oldestAt: number): PipelineStats {
  return {
    source: { isConnected: true, events, bytes: 2048, reconnects: { closed: 2, 'idle-timeout': 1 } },
    filtered: 0,
    canaries: 0,
    repeats: 0,
    gaps: 0,
    isOpen: true,
    heardAt: undefined,
    spool: { events: spooled, bytes: 0, oldestAt: spooled === 0 ? undefined : oldestAt },
    sinks: {},
    checkpoint: { lastEventId: '', receivedAt: 0, saves: 0, failures: 0 },
  };
}

describe('measure()', () => {
  it('gives the rate since the last report and all reconnects', () => {
    const progress = measure(statsOf(1250, 0, 0), { at: 1000, events: 1000 }, 3000);
    expect(progress).toMatchObject({ events: 1250, eventsPerSecond: 125, reconnects: 3, lagMs: 0 });
  });

  it('gives the age of what is not acknowledged, and none where everything is', () => {
    const before = { at: 0, events: 0 };
    expect(measure(statsOf(10, 4, 7000), before, 10_000).lagMs).toBe(3000);
    expect(measure(statsOf(10, 0, 7000), before, 10_000).lagMs).toBe(0);
  });
});

describe('formatProgress()', () => {
  it('is one line that says how it goes', () => {
    const progress = measure(statsOf(1250, 4, 1500), { at: 1000, events: 1000 }, 3000);
    expect(formatProgress(progress)).toBe('● 1,250 events  125/s  2 KiB  spool 4  lag 1.5 s  reconnects 3');
    expect(formatProgress({ ...progress, isConnected: false, gaps: 2 })).toMatch(/^○ .* gaps 2$/);
    const sink = { written: 0, batches: 0, retries: 0, pending: 0 };
    const sinks = { a: { ...sink, refused: 1, dropped: 0 }, b: { ...sink, refused: 2, dropped: 5000 } };
    const lossy = measure({ ...statsOf(1, 0, 0), sinks }, { at: 0, events: 0 }, 1000);
    expect(formatProgress(lossy)).toMatch(/ {2}dead letters 3 {2}dropped 5,000$/);
  });
});

describe('reportProgress()', () => {
  it('logs the rate line of what it replaces, each time with the events since the last', () => {
    const clock = new ManualClock(1000);
    const logger = createCapturingLogger();
    let events = 0;
    const report = reportProgress({
      pipelines: () => [{ name: 'news', stats: statsOf(events, 0, 0) }],
      logger,
      line: undefined,
      clock,
    });
    events = 7;
    clock.advance(30_000);
    events = 9;
    clock.advance(30_000);
    expect(logger.lines.map(({ message }) => message)).toEqual([
      'SSE received [7] events between [1000] and [31000]',
      'SSE received [2] events between [31000] and [61000]',
    ]);
    report[Symbol.dispose]();
    expect(clock.timers).toBe(0);
  });

  it('logs as often as asked for, and never at 0', () => {
    const clock = new ManualClock(0);
    const logger = createCapturingLogger();
    using _often = reportProgress({
      pipelines: () => [{ name: 'news', stats: statsOf(0, 0, 0) }],
      logger,
      line: undefined,
      clock,
      logEveryMs: 10,
    });
    using _never = reportProgress({
      pipelines: () => [{ name: 'news', stats: statsOf(0, 0, 0) }],
      logger,
      line: undefined,
      clock,
      logEveryMs: 0,
    });
    clock.advance(30);
    expect(logger.lines).toHaveLength(3);
  });
});
