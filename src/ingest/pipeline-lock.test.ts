import { describe, expect, it } from 'vitest';
import { createCapturingLogger } from '../../test/support/capturing-logger.js';
import type { CheckpointStore } from './checkpoints/checkpoint.js';
import { IngestError } from './errors.js';
import { createPipeline } from './pipeline.js';
import type { Pipeline } from './pipeline.js';
import type { Sink } from './sinks/sink.js';
import type { Source } from './sources/source.js';

const { signal: never } = new AbortController();

const sink: Sink = {
  name: 'nowhere',
  batch: { eventsMax: 1, bytesMax: 1, waitMs: 0 },
  open: () => Promise.resolve(),
  write: () => Promise.resolve({ refused: 0 }),
  close: () => Promise.resolve(),
};

describe('createPipeline()', () => {
  const steps: string[] = [];
  const note = (step: string): Promise<undefined> => Promise.resolve(void steps.push(step));
  const source: Source = {
    async *read() {
      await note('read');
      yield [{ kind: 'position', resumeId: '7' }];
    },
    stats: () => ({ isConnected: false, events: 0, bytes: 0, reconnects: {} }),
  };
  const store: CheckpointStore = {
    lock: () => note('lock').then(() => ({ [Symbol.asyncDispose]: () => note('release') })),
    load: () => note('load'),
    save: () => note('save'),
  };
  const logger = createCapturingLogger();
  const build = (checkpoint: CheckpointStore): Pipeline =>
    createPipeline({ name: 'p', source, sinks: [{ sink }], checkpoint, logger });

  it('holds the lock of its checkpoint from before it is read until it was saved for the last time', async () => {
    expect(await build(store).run(never)).toEqual({ kind: 'ended' });
    expect(steps).toEqual(['lock', 'load', 'save', 'read', 'save', 'release']);
  });

  it('does not start where another pipeline holds it, and logs why', async () => {
    steps.length = 0;
    const held = { ...store, lock: () => Promise.reject(new IngestError('checkpoint-locked', 'held')) };
    expect(await build(held).run(never)).toEqual({ kind: 'failed', code: 'checkpoint-locked', message: 'held' });
    expect(steps).toEqual([]);
    // A logger writes its sentence as `message`: what failed must not stand beside it under the same name.
    expect(logger.lines.at(-1)).toEqual({
      level: 'error',
      fields: { pipeline: 'p', code: 'checkpoint-locked', error: 'held' },
      message: 'Pipeline failed',
    });
  });
});
