import { describe, expect, it } from 'vitest';
import { createCapturingLogger } from '../../test/support/capturing-logger.js';
import { ManualClock } from '../../test/support/clocks.js';
import type { Checkpoint, CheckpointStore } from './checkpoints/checkpoint.js';
import type { Fence } from './fence.js';
import { createPipeline } from './pipeline.js';
import type { PipelineOutcome } from './pipeline.js';
import type { Sink } from './sinks/sink.js';
import type { Source } from './sources/source.js';

/** A pipeline of three events whose fence falls after the first write: what it wrote and saved, and how it ended. */
async function runUntilLost(how: 'by its clock' | 'by a signal' | 'while a write fails'): Promise<{
  readonly outcome: PipelineOutcome;
  readonly written: readonly string[];
  readonly saved: readonly Checkpoint[];
}> {
  const lost = new AbortController();
  let isHeld = true;
  const fence: Fence = {
    get isHeld() {
      return isHeld;
    },
    lost: lost.signal,
  };
  const written: string[] = [];
  const saved: Checkpoint[] = [];
  const fall = (): void => {
    isHeld = false;
    if (how === 'by a signal') lost.abort();
  };
  const sink: Sink = {
    name: 'sink',
    batch: { eventsMax: 1, bytesMax: 1, waitMs: 0 },
    open: () => Promise.resolve(),
    write([event]) {
      written.push(event?.id ?? '');
      fall();
      return how === 'while a write fails' ? Promise.reject(new Error('No')) : Promise.resolve({ refused: 0 });
    },
    close: () => Promise.resolve(),
  };
  const source: Source = {
    async *read({ signal }) {
      for (const id of ['1', '2', '3'])
        yield [{ kind: 'event', event: { id, type: 'message', data: id, receivedAt: 1 }, resumeId: id }];
      // A fence that falls without a word leaves the source reading: it ends when nobody may write.
      if (how === 'by a signal' && !signal.aborted)
        await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }));
    },
    stats: () => ({ isConnected: false, events: 3, bytes: 0, reconnects: {} }),
  };
  const checkpoint: CheckpointStore = {
    load: () => Promise.resolve(undefined),
    save: (state) => Promise.resolve(void saved.push(state)),
  };
  const pipeline = createPipeline({
    name: 'p',
    source,
    sinks: [{ sink }],
    checkpoint,
    checkpointIntervalMs: 0,
    fence,
    logger: createCapturingLogger(),
    clock: new ManualClock(),
  });
  return { outcome: await pipeline.run(new AbortController().signal), written, saved };
}

describe('createPipeline()', () => {
  it.each(['by its clock', 'by a signal', 'while a write fails'] as const)(
    'neither writes nor saves once its fence is lost %s',
    async (how) => {
      const { outcome, written, saved } = await runUntilLost(how);
      expect(outcome).toEqual({ kind: 'lost' });
      expect(written).toEqual(['1']);
      // The first save, before any event, is all there is.
      expect(saved.map(({ lastEventId }) => lastEventId)).toEqual(['']);
    },
  );
});
