import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

import { expect, test } from 'vitest';

import { DEFAULT_HISTORY, DEFAULT_LIMITS } from '../../src/hub/index.js';
import { MemoryStore } from '../../src/hub/store.js';

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

const CHANNELS_AT_A_TIME = 500;

test('channels that come and go, such as one for each answer of a language model, leave nothing behind', () => {
  let nowMs = 0;
  const store = new MemoryStore({
    history: { ...DEFAULT_HISTORY, ageMs: 1000 },
    limits: DEFAULT_LIMITS,
    nowMs: () => nowMs,
    onChanged: () => undefined,
  });
  collectGarbage();
  const before = process.memoryUsage().heapUsed;
  for (let at = 0; at < 100 * CHANNELS_AT_A_TIME; at += 1) {
    store.publish(`answer-${at}`, [{ data: 'x' }]);
    nowMs += 1000 / CHANNELS_AT_A_TIME;
    // Sixteen sweeps look at every channel once.
    if (at % 10 === 0) store.sweep(0);
  }
  collectGarbage();
  const grown = process.memoryUsage().heapUsed - before;
  expect(store.channels.size).toBeLessThan(2 * CHANNELS_AT_A_TIME);
  // A channel takes about one: fifty thousand of them came.
  expect(grown / 1024).toBeLessThan(5000);
});
