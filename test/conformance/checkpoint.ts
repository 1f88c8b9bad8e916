import { describe, expect, it } from 'vitest';
import type { Checkpoint, CheckpointStore } from '../../src/ingest/index.js';

export interface CheckpointFixture extends AsyncDisposable {
  /** A store on the same place each time, as after a restart. */
  create(): CheckpointStore;
}

const checkpoint: Checkpoint = {
  lastEventId: '[{"topic":"ä€😀","offset":-1}]',
  receivedAt: '2026-11-20T00:00:00.000Z',
  gaps: [{ kind: 'downtime', from: '2026-11-19T00:00:00.000Z', to: '2026-11-20T00:00:00.000Z', reason: 'restart' }],
  updatedAt: '2026-11-20T00:00:01.000Z',
};

/** What every checkpoint store must do. */
export function describeCheckpointStore(name: string, createFixture: () => Promise<CheckpointFixture>): void {
  describe(`${name} (checkpoint conformance)`, () => {
    it('load() is undefined before the first save', async () => {
      await using fixture = await createFixture();
      expect(await fixture.create().load()).toBeUndefined();
    });

    it('load() gives back what was saved last, after a restart too', async () => {
      await using fixture = await createFixture();
      const store = fixture.create();
      await store.save(checkpoint);
      expect(await store.load()).toEqual(checkpoint);
      await store.save({ ...checkpoint, lastEventId: '', gaps: [] });
      expect(await fixture.create().load()).toEqual({ ...checkpoint, lastEventId: '', gaps: [] });
    });
  });
}
