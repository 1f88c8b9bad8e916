import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

import { expect, test } from 'vitest';

import { MemoryBackplane } from '../../src/hub/backplane/memory.js';
import { DEFAULT_HISTORY, DEFAULT_LIMITS } from '../../src/hub/index.js';

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

const CHANNELS_AT_A_TIME = 500;

test('channels that come and go, such as one for each answer of a language model, leave nothing behind', async () => {
  let nowMs = 0;
  const backplane = new MemoryBackplane({
    history: { ...DEFAULT_HISTORY, ageMs: 1000 },
    limits: DEFAULT_LIMITS,
    nowMs: () => nowMs,
    channelTtlMs: 0,
  });
  collectGarbage();
  const before = process.memoryUsage().heapUsed;
  for (let at = 0; at < 100 * CHANNELS_AT_A_TIME; at += 1) {
    await backplane.publish({ channels: [`answer-${at}`], events: [{ data: 'x' }] });
    nowMs += 1000 / CHANNELS_AT_A_TIME;
    // Sixteen sweeps look at every channel once.
    if (at % 10 === 0) backplane.keepUp();
  }
  collectGarbage();
  const grown = process.memoryUsage().heapUsed - before;
  expect(backplane.store.channels.size).toBeLessThan(2 * CHANNELS_AT_A_TIME);
  // A channel takes about one: fifty thousand of them came.
  expect(grown / 1024).toBeLessThan(5000);
});
