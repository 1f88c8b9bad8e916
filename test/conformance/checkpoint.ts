import { describe, expect, it } from 'vitest';
import { IngestError } from '../../src/ingest/index.js';
import type { Checkpoint, CheckpointStore } from '../../src/ingest/index.js';

export interface CheckpointFixture extends AsyncDisposable {
  /** A store on the same place each time, as after a restart. */
  create(pipeline?: string): CheckpointStore;
}

const checkpoint: Checkpoint = {
  lastEventId: '[{"topic":"ä€😀","offset":-1}]',
  receivedAt: '2026-11-20T00:00:00.000Z',
  gaps: [{ kind: 'downtime', from: '2026-11-19T00:00:00.000Z', to: '2026-11-20T00:00:00.000Z', reason: 'restart' }],
  updatedAt: '2026-11-20T00:00:01.000Z',
};

const codeOf = (error: unknown): unknown => (error instanceof IngestError ? error.code : undefined);

async function expectTaken(store: CheckpointStore): Promise<void> {
  await expect(store.save(checkpoint)).rejects.toMatchObject({ code: 'checkpoint-taken' });
}

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
      const withKeys = { ...checkpoint, keys: 'KeyMark_-01KeyMark_-02' };
      await store.save(withKeys);
      expect(await fixture.create().load()).toEqual(withKeys);
      await store.load();
      await store.save({ ...checkpoint, lastEventId: '', gaps: [] });
      expect(await fixture.create().load()).toEqual({ ...checkpoint, lastEventId: '', gaps: [] });
    });

    it('keeps two pipelines apart: the second is not let in, or the first may save no more', async () => {
      await using fixture = await createFixture();
      const [first, second] = [fixture.create(), fixture.create()];
      await using _first = await first.lock?.();
      await first.load();
      await first.save(checkpoint);
      const locked = await second.lock?.().then(
        () => undefined,
        (error: unknown) => error,
      );
      const isLocking = second.lock !== undefined;
      expect(codeOf(locked)).toBe(isLocking ? 'checkpoint-locked' : undefined);
      if (isLocking) return;
      await second.load();
      await first.save({ ...checkpoint, lastEventId: 'first' });
      await expectTaken(second);
      // What is there is the first one's, and who comes after takes it over.
      const third = fixture.create();
      await expect(third.load()).resolves.toMatchObject({ lastEventId: 'first' });
      await third.save({ ...checkpoint, lastEventId: 'third' });
      await expectTaken(first);
      await expectTaken(first);
    });

    it('load() refuses the checkpoint of another pipeline', async () => {
      await using fixture = await createFixture();
      const store = fixture.create();
      await store.load();
      await store.save(checkpoint);
      await expect(fixture.create('other').load()).rejects.toMatchObject({ code: 'checkpoint-foreign' });
    });
  });
}
