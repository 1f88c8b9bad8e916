import { describe, expect, it } from 'vitest';
import type { Sink, SpooledEvent } from '../../src/ingest/index.js';
import { createCapturingLogger } from '../support/capturing-logger.js';

/** A sink and the place that it writes to. */
export interface SinkFixture extends AsyncDisposable {
  /** A sink on the same place each time; the one before is closed. */
  create(): Sink;
  /** The data of everything that is durably there, in order. */
  read(): Promise<readonly string[]>;
  /** The next attempt to write something fails, by whatever can fail in this sink. */
  failOnce(): void | Promise<void>;
}

export function spooled(sequence: number, data: string, fields: Partial<SpooledEvent> = {}): SpooledEvent {
  return { id: `id-${sequence}`, type: 'message', receivedAt: 0, bytes: data.length, ...fields, data, sequence };
}

function batchOf(...sequences: readonly number[]): readonly SpooledEvent[] {
  return sequences.map((sequence) => spooled(sequence, `{"n":${sequence}}`));
}

const context = { pipeline: 'p', runId: 'run', logger: createCapturingLogger() };
const { signal } = new AbortController();

/** What every sink must do. */
export function describeSink(name: string, createFixture: () => Promise<SinkFixture>): void {
  describe(`${name} (sink conformance)`, () => {
    it('write() resolves when the batch can be read back, in order', async () => {
      await using fixture = await createFixture();
      const sink = fixture.create();
      await sink.open(context);
      expect(await sink.write(batchOf(1, 2), signal)).toEqual({ refused: 0 });
      expect(await fixture.read()).toEqual(['{"n":1}', '{"n":2}']);
      await sink.write(batchOf(3), signal);
      expect(await fixture.read()).toEqual(['{"n":1}', '{"n":2}', '{"n":3}']);
      await sink.close('stopped');
    });

    it('write() keeps any text', async () => {
      await using fixture = await createFixture();
      const sink = fixture.create();
      await sink.open(context);
      const texts = ['', ' ', '\0', 'ä€😀', '\\', '"', '\u2028', 'a'.repeat(100_000)];
      await sink.write(
        texts.map((text, index) => spooled(index + 1, JSON.stringify(text))),
        signal,
      );
      expect((await fixture.read()).map((line) => JSON.parse(line) as string)).toEqual(texts);
      await sink.close('stopped');
    });

    it('write() repeated after a failure leaves no event twice', async () => {
      await using fixture = await createFixture();
      const sink = fixture.create();
      await sink.open(context);
      await sink.write(batchOf(1), signal);
      await fixture.failOnce();
      await sink.write(batchOf(2, 3), signal).catch(() => sink.write(batchOf(2, 3), signal));
      await sink.write(batchOf(4), signal);
      expect(await fixture.read()).toEqual(['{"n":1}', '{"n":2}', '{"n":3}', '{"n":4}']);
      await sink.close('stopped');
    });

    it.each(['stopped', 'ended'] as const)('close(%j) keeps everything, and the next run goes on', async (reason) => {
      await using fixture = await createFixture();
      const first = fixture.create();
      await first.open(context);
      await first.write(batchOf(1), signal);
      await first.close(reason);
      const second = fixture.create();
      await second.open({ ...context, runId: 'next' });
      await second.write(batchOf(2), signal);
      await second.close(reason);
      expect(await fixture.read()).toEqual(['{"n":1}', '{"n":2}']);
    });
  });
}
