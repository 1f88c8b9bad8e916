// Weighs channels that hold one event each:  tsx bench/many-channels.ts '{"channels": 1000000, "eventBytes": 200}'
import { spawnSync } from 'node:child_process';
import { pathToFileURL } from 'node:url';

import type { MemoryStore as Store } from '../src/hub/store.js';

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

const { MemoryStore } = (await import(pathToFileURL('dist/hub/store.js').href)) as { MemoryStore: typeof Store };
const store = new MemoryStore({
  history: { events: 100, bytes: 1e6, ageMs: 1e9, totalBytes: 1e12 },
  limits: { connections: 1, channels: 2e6, channelsPerConnection: 1, eventBytes: 1e6, bodyBytes: 1e6 },
  nowMs: Date.now,
  onChanged: () => undefined,
});
const data = 'x'.repeat(eventBytes);
const weigh = (): number => {
  globalThis.gc?.();
  return process.memoryUsage().rss;
};
const before = weigh();
for (let at = 0; at < channels; at += 1) store.publish(`user-${at}`, [{ data }]);
const bytesEach = (weigh() - before) / channels;
const frameBytes = store.bytes / channels;
process.stdout.write(`${JSON.stringify({ bytesEach, frameBytes, bytesEachBeyondEvent: bytesEach - frameBytes })}\n`);
