// Weighs channels that hold one event each:  tsx bench/many-channels.ts '{"channels": 1000000, "eventBytes": 200}'
import { spawnSync } from 'node:child_process';
import { pathToFileURL } from 'node:url';

import type { MemoryBackplane as Backplane } from '../src/hub/backplane/memory.js';
import { DEFAULT_LIMITS } from '../src/hub/limits.js';

interface Options {
  readonly channels: number;
  readonly eventBytes: number;
}

const { channels, eventBytes } = JSON.parse(process.argv[2] ?? '{}') as Options;

if (globalThis.gc === undefined) {
  const again = spawnSync(
    process.execPath,
    ['--expose-gc', '--max-old-space-size=8192', ...process.execArgv, ...process.argv.slice(1)],
    { stdio: 'inherit' },
  );
  process.exit(again.status ?? 1);
}

const { MemoryBackplane } = (await import(pathToFileURL('dist/hub/backplane/memory.js').href)) as {
  MemoryBackplane: typeof Backplane;
};
const backplane = new MemoryBackplane({
  history: { events: 100, bytes: 1e6, ageMs: 1e9, totalBytes: 1e12 },
  limits: { ...DEFAULT_LIMITS, channels: 2e6 },
  channelTtlMs: 0,
  nowMs: Date.now,
});
const data = 'x'.repeat(eventBytes);
/** What is resident, with what V8 keeps in reserve; and what is alive in it. */
const weigh = (): { readonly resident: number; readonly live: number } => {
  globalThis.gc?.();
  const { rss, heapUsed, arrayBuffers } = process.memoryUsage();
  return { resident: rss, live: heapUsed + arrayBuffers };
};
const before = weigh();
for (let at = 0; at < channels; at += 1) await backplane.publish({ channels: [`user-${at}`], events: [{ data }] });
const after = weigh();
const frameBytes = backplane.store.bytes / channels;
const beyondEvent = (what: 'resident' | 'live'): number => (after[what] - before[what]) / channels - frameBytes;
const figures = {
  liveBytesEachBeyondEvent: beyondEvent('live'),
  residentBytesEachBeyondEvent: beyondEvent('resident'),
};
process.stdout.write(`${JSON.stringify({ ...figures, frameBytes })}\n`);
