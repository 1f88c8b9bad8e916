import { appendFile } from 'node:fs/promises';
import { join } from 'node:path';
import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createCapturingLogger } from '../../../../test/support/capturing-logger.js';
import { JumpingClock } from '../../../../test/support/clocks.js';
import { createTemporaryFolder } from '../../../../test/support/temporary-folder.js';
import type { SpooledEvent } from '../../spool/spool.js';
import type { Sink } from '../sink.js';
import { parseManifest } from './manifest.js';
import type { NewObject, ObjectStore, StoredObject } from './object-store.js';
import { createS3Sink } from './s3.js';

/**
 * How a process dies around one call of the store: before it was sent; after it was carried out and before the
 * answer; or with the call on its way, to be carried out when the next process is at work already.
 */
type Death = 'before' | 'after' | 'late';

interface Crash {
  /** Calls of the store until it happens. */
  readonly calls: number;
  readonly death: Death;
  /** Acknowledged events that the saved checkpoint does not know of. */
  readonly checkpointLag: number;
  /** How much of the journal's next line was on the disk. */
  readonly tornBytes: number;
  /** Events of the batches that this process made, in turn. */
  readonly batches: readonly number[];
}

/** A bucket in memory whose caller can die. */
class MortalStore implements ObjectStore {
  readonly objects = new Map<string, NewObject>();
  #crash: Crash | undefined;
  #onDeath: () => void = () => {};
  #late: { readonly task: () => void; calls: number } | undefined;

  live(crash: Crash | undefined, onDeath: () => void): void {
    this.#crash = crash;
    this.#onDeath = onDeath;
  }

  check(): Promise<{ readonly kind: 'there' }> {
    return Promise.resolve({ kind: 'there' });
  }

  create(object: NewObject): Promise<'created' | 'taken'> {
    return this.#call(() => {
      if (this.objects.has(object.key)) return 'taken';
      this.objects.set(object.key, object);
      return 'created';
    });
  }

  async replace(object: NewObject): Promise<void> {
    await this.#call(() => this.objects.set(object.key, object));
  }

  describe(key: string): Promise<StoredObject | undefined> {
    return this.#call(() => {
      const object = this.objects.get(key);
      return object === undefined ? undefined : { bytes: object.body.length, metadata: object.metadata };
    });
  }

  abortUploads(): Promise<void> {
    return this.#call(() => {});
  }

  read(): Promise<Buffer> {
    throw new Error('the sink reads nothing');
  }

  list(): AsyncIterable<string> {
    throw new Error('the sink lists nothing');
  }

  close(): void {}

  /** What an earlier process sent arrives at the latest when nothing else is going on. */
  settle(): void {
    this.#late?.task();
    this.#late = undefined;
  }

  async #call<T>(task: () => T): Promise<T> {
    await Promise.resolve();
    if (this.#late !== undefined && (this.#late.calls -= 1) < 0) this.settle();
    const crash = this.#crash;
    if (crash === undefined) return task();
    if (crash.calls > 0) {
      this.#crash = { ...crash, calls: crash.calls - 1 };
      return task();
    }
    this.#crash = undefined;
    if (crash.death === 'after') task();
    if (crash.death === 'late') this.#late = { task, calls: 2 };
    this.#onDeath();
    throw new Error('the process is dead');
  }
}

const EVENTS = 40;
const ALL = Array.from({ length: EVENTS }, (_, index) => `event ${index + 1}`);

/** One process, from its checkpoint on, until it dies or has written everything; returns the next checkpoint. */
async function live(sink: Sink, checkpoint: number, { crash, signal }: { crash?: Crash; signal: AbortSignal }) {
  let acknowledged = checkpoint;
  const batches = crash?.batches ?? [];
  await sink.open({ pipeline: 'p', runId: 'r', logger: createCapturingLogger() });
  try {
    for (let turn = 0; acknowledged < EVENTS; turn += 1) {
      const event = (index: number): SpooledEvent => ({
        id: `${index + 1}`,
        type: 'message',
        data: `"event ${index + 1}"`,
        // Events come again at another time.
        receivedAt: Date.UTC(2026, 10, 21) + index + checkpoint * 1000,
        sequence: index - checkpoint + 1,
        bytes: 10,
      });
      const limits = sink.batchFrom?.(event(acknowledged)) ?? sink.batch;
      const wanted = limits === sink.batch ? (batches[turn % batches.length] ?? 7) : limits.eventsMax;
      const count = Math.min(wanted, EVENTS - acknowledged);
      const batch = Array.from({ length: count }, (_, index) => event(acknowledged + index));
      await sink.write(batch, signal);
      acknowledged += count;
    }
  } catch (error) {
    if (!signal.aborted) throw error;
  } finally {
    await sink.close('stopped');
  }
  return Math.max(checkpoint, acknowledged - (crash?.checkpointLag ?? 0));
}

async function archive(crashes: readonly Crash[], format: 'ndjson' | 'envelope'): Promise<MortalStore> {
  await using folder = await createTemporaryFolder();
  const journal = join(folder.path, 'journal');
  const store = new MortalStore();
  const create = (): Sink =>
    createS3Sink({ bucket: 'b', journal, store, clock: new JumpingClock(), compression: 'none', format });
  let checkpoint = 0;
  for (const crash of crashes) {
    const process = new AbortController();
    store.live(crash, () => process.abort());
    checkpoint = await live(create(), checkpoint, { crash, signal: process.signal });
    await appendFile(journal, '{"kind":"planned","object":{'.slice(0, crash.tornBytes));
  }
  store.live(undefined, () => {});
  await live(create(), checkpoint, { signal: new AbortController().signal });
  store.settle();
  return store;
}

function check({ objects }: MortalStore): void {
  const manifests = [...objects.values()]
    .filter(({ key }) => key.startsWith('sse-manifest/'))
    .map(({ body }) => parseManifest(body.toString()))
    .toSorted((a, b) => (a?.number ?? 0) - (b?.number ?? 0));
  expect(manifests.map((manifest) => manifest?.number)).toEqual(manifests.map((_, index) => index + 1));
  const lines = manifests.flatMap((manifest) => {
    const text = objects.get(manifest?.key ?? '')?.body.toString() ?? '';
    return text.split('\n').slice(0, -1);
  });
  const data = lines.map((line) => JSON.parse(line) as string | { readonly data: string });
  expect(data.map((item) => (typeof item === 'string' ? item : (JSON.parse(item.data) as string)))).toEqual(ALL);
  // An object without a manifest would hold events twice.
  expect(objects.size).toBe(2 * manifests.length);
  manifests.slice(1).forEach((manifest, index) => expect(manifest?.after).toBe(manifests[index]?.lastId));
}

const crashes = fc.array(
  fc.record({
    calls: fc.nat(6),
    death: fc.constantFrom<Death>('before', 'after', 'late'),
    checkpointLag: fc.nat(20),
    tornBytes: fc.nat(30),
    batches: fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1, maxLength: 4 }),
  }),
  { maxLength: 6 },
);

describe('createS3Sink()', () => {
  it.each(['ndjson', 'envelope'] as const)(
    'has each event in one object, wherever its process dies (%s)',
    async (format) => {
      await fc.assert(
        fc.asyncProperty(crashes, async (all) => check(await archive(all, format))),
        { numRuns: 60 },
      );
    },
    120_000,
  );
});
