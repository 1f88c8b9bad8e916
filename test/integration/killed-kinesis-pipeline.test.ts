import { setImmediate as turn } from 'node:timers/promises';
import * as fc from 'fast-check';
import { expect, test } from 'vitest';
import { createFirehoseSink, createKinesisSink, createPipeline } from '../../src/ingest/index.js';
import type { Checkpoint, CheckpointStore, Source, SourceItem } from '../../src/ingest/index.js';
import { createCapturingLogger } from '../support/capturing-logger.js';
import { JumpingClock } from '../support/clocks.js';
import * as fake from '../support/fake-aws.js';
import type { AwsFault, FakeAws } from '../support/fake-aws.js';
import { CREDENTIALS, REGION } from '../support/kinesis-stream.js';
import { MemoryDeadLetters } from '../support/memory-dead-letters.js';

const EVENTS = 60;
const KEYS = ['a', 'b', 'c'];
const FAULTS: readonly AwsFault[] = [
  fake.throttle,
  fake.internalFailure,
  fake.tear,
  fake.loseAnswer,
  fake.answerShort,
  fake.failSome((at) => at % 2 === 0),
];

function eventItem(id: number): SourceItem {
  // Each tenth can never be taken.
  const data = `${id}:${id % 10 === 0 ? 'x'.repeat(2000) : ''}`;
  const event = { id: String(id), type: KEYS[id % KEYS.length] ?? '', data, receivedAt: id };
  return { kind: 'event', event, resumeId: String(id) };
}

/** Gives everything after the id it is asked for, as a server with a history does. */
const source: Source = {
  async *read({ lastEventId }) {
    for (let id = Number(lastEventId) + 1; id <= EVENTS; id += 7) {
      yield Array.from({ length: Math.min(7, EVENTS - id + 1) }, (_, index) => eventItem(id + index));
      await turn();
    }
  },
  stats: () => ({ isConnected: true, events: 0, bytes: 0, reconnects: {} }),
};

interface Run {
  readonly kinesis: FakeAws;
  readonly firehose: FakeAws;
  readonly saved: Checkpoint[];
  readonly deadLetters: MemoryDeadLetters;
}

/** Runs the pipeline; it is dead, as by kill -9, when the request number `diesAt` arrives at AWS. */
async function runUntil(diesAt: number, { kinesis, firehose, saved, deadLetters }: Run): Promise<void> {
  const death = new AbortController();
  let requests = 0;
  for (const aws of [kinesis, firehose])
    aws.onPut = () => {
      requests += 1;
      if (requests > diesAt) death.abort();
    };
  const alive = <T>(task: () => Promise<T>): Promise<T> =>
    death.signal.aborted ? Promise.reject(new Error('dead')) : task();
  const common = { stream: 'events', region: REGION, credentials: CREDENTIALS, clock: new JumpingClock() };
  const letters = { write: (some: Parameters<MemoryDeadLetters['write']>[0]) => alive(() => deadLetters.write(some)) };
  const rest = { format: 'data', requests: 2, deadLetters: letters } as const;
  const checkpoint: CheckpointStore = {
    load: () => Promise.resolve(saved.at(-1)),
    save: (next) => alive(() => Promise.resolve(void saved.push(next))),
  };
  const pipeline = createPipeline({
    name: 'p',
    source,
    checkpoint,
    sinks: [
      {
        sink: createKinesisSink({
          ...common,
          ...rest,
          endpoint: kinesis.url,
          order: 'key',
          partitionKey: 'type',
          recordBytes: 1000,
        }),
      },
      { sink: createFirehoseSink({ ...common, ...rest, endpoint: firehose.url }) },
    ],
    clock: new JumpingClock(),
    logger: createCapturingLogger(),
    checkpointIntervalMs: 0,
    drainTimeoutMs: 0,
    spool: { eventsMax: 20 },
  });
  await pipeline.run(death.signal);
}

const numbersOf = (aws: FakeAws): readonly number[] => aws.records.map(({ data }) => parseInt(data, 10));

test('a pipeline to Kinesis and Firehose, killed at any request with faults on, loses nothing and keeps the order of keys', async () => {
  const kills = fc.array(fc.integer({ min: 0, max: 25 }), { maxLength: 6 });
  const faults = fc.array(fc.nat(FAULTS.length - 1), { maxLength: 15 });
  await fc.assert(
    fc.asyncProperty(kills, faults, faults, async (diesAt, toKinesis, toFirehose) => {
      await using kinesis = await fake.startFakeAws();
      await using firehose = await fake.startFakeAws();
      kinesis.faults.push(...toKinesis.map((at) => FAULTS[at] ?? fake.tear));
      firehose.faults.push(...toFirehose.map((at) => FAULTS[at] ?? fake.tear));
      const run: Run = { kinesis, firehose, saved: [], deadLetters: new MemoryDeadLetters() };
      for (const requests of [...diesAt, Infinity]) await runUntil(requests, run);
      const dead = run.deadLetters.letters.map(({ event }) => Number(event.id));
      const all = Array.from({ length: EVENTS }, (_, at) => at + 1);
      expect(all.filter((id) => !numbersOf(kinesis).includes(id) && !dead.includes(id))).toEqual([]);
      expect(all.filter((id) => !numbersOf(firehose).includes(id))).toEqual([]);
      expect(dead.every((id) => id % 10 === 0)).toBe(true);
      expect(run.saved.at(-1)?.lastEventId).toBe(String(EVENTS));
      for (const key of KEYS) {
        const first = [
          ...new Set(kinesis.records.filter((each) => each.key === key).map(({ data }) => parseInt(data, 10))),
        ];
        expect(first).toEqual(first.toSorted((one, other) => one - other));
      }
    }),
    { numRuns: 20 },
  );
}, 60_000);
