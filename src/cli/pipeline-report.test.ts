import { describe, expect, it } from 'vitest';
import type { PipelineStats } from '../ingest/index.js';
import { formatProgress, measure } from './pipeline-report.js';

function statsOf(events: number, spooled: number, receivedAt: number): PipelineStats {
  return {
    source: { isConnected: true, events, bytes: 2048, reconnects: { closed: 2, 'idle-timeout': 1 } },
    filtered: 0,
    canaries: 0,
    repeats: 0,
    lastEventAt: 0,
    gaps: 0,
    spool: { events: spooled, bytes: 0 },
    sinks: {},
    checkpoint: { lastEventId: '', receivedAt, saves: 0, failures: 0 },
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
  });
});
