import { setImmediate as turn } from 'node:timers/promises';
import * as fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { spooled } from '../../../test/conformance/sink.js';
import type { Clock } from '../../base/index.js';
import { createCapturingLogger } from '../../../test/support/capturing-logger.js';
import { JumpingClock, ManualClock } from '../../../test/support/clocks.js';
import * as fake from '../../../test/support/fake-aws.js';
import type { AwsFault, FakeAws } from '../../../test/support/fake-aws.js';
import { CREDENTIALS, REGION } from '../../../test/support/kinesis-stream.js';
import { MemoryDeadLetters } from '../../../test/support/memory-dead-letters.js';
import type { SpooledEvent } from '../spool/spool.js';
import { createFirehoseSink } from './firehose.js';
import { createKinesisSink } from './kinesis.js';
import type { KinesisSinkOptions } from './kinesis.js';
import type { Sink } from './sink.js';

const { signal } = new AbortController();
const MIB = 1024 * 1024;
/** For a fault that only a timeout ends; all else waits for the event. */
const SHORT_MS = 60;

let aws: FakeAws;
let deadLetters: MemoryDeadLetters;
let logger: ReturnType<typeof createCapturingLogger>;
let clock: JumpingClock;

beforeEach(async () => {
  aws = await fake.startFakeAws();
  deadLetters = new MemoryDeadLetters();
  logger = createCapturingLogger();
  clock = new JumpingClock();
});
afterEach(() => aws[Symbol.asyncDispose]());

function options(more: Partial<KinesisSinkOptions> = {}): KinesisSinkOptions {
  const access = { region: REGION, credentials: CREDENTIALS, endpoint: aws.url };
  return { stream: 'events', format: 'data', deadLetters, clock, ...access, ...more };
}

async function opened(sink: Sink): Promise<Sink> {
  await sink.open({ pipeline: 'p', runId: 'r', logger });
  return sink;
}

const kinesis = (more?: Partial<KinesisSinkOptions>): Promise<Sink> => opened(createKinesisSink(options(more)));
const firehose = (): Promise<Sink> => opened(createFirehoseSink(options()));

function events(...data: readonly string[]): readonly SpooledEvent[] {
  return data.map((each, at) => spooled(at + 1, each));
}

const many = (count: number): readonly SpooledEvent[] =>
  events(...Array.from({ length: count }, (_, at) => String(at + 1)));
const kept = (): readonly string[] => aws.records.map(({ data }) => data);
const byNumber = (texts: readonly string[]): readonly string[] => texts.toSorted((a, b) => Number(a) - Number(b));

describe('createKinesisSink().write()', () => {
  it('puts at most 500 records and 5 MiB in a request, keys counted', async () => {
    const sink = await kinesis();
    await sink.write(many(1200), signal);
    expect(aws.requests.map(({ records }) => records.length)).toEqual([500, 500, 200]);
    aws.requests.length = 0;
    await sink.write(events(...Array.from({ length: 20 }, () => 'x'.repeat(MIB - 100))), signal);
    expect(aws.requests.map(({ records }) => records.length)).toEqual([5, 5, 5, 5]);
    expect(deadLetters.letters).toEqual([]);
  });

  it('puts again the records that were refused, and those alone', async () => {
    const sink = await kinesis({ requests: 1 });
    aws.faults.push(
      fake.failSome((at) => at % 3 === 0),
      fake.failSome((at) => at === 1),
    );
    expect(await sink.write(many(6), signal)).toEqual({ refused: 0, retries: 2 });
    expect(aws.requests.map(({ records }) => records.map(({ data }) => data))).toEqual([
      ['1', '2', '3', '4', '5', '6'],
      ['1', '4'],
      ['4'],
    ]);
    expect(kept()).toEqual(['2', '3', '5', '6', '1', '4']);
    expect(logger.lines[0]).toMatchObject({
      level: 'warn',
      fields: { code: 'ProvisionedThroughputExceededException', failed: 2, records: 6 },
    });
  });

  it('waits longer from one throttled request to the next, from the start where some were taken', async () => {
    const sink = await kinesis({ requests: 1 });
    aws.faults.push(
      ...Array.from({ length: 12 }, () => fake.throttle),
      fake.failSome((at) => at === 0),
    );
    await sink.write(many(2), signal);
    expect(clock.delays).toHaveLength(13);
    clock.delays.forEach((delayMs, at) => {
      expect(delayMs).toBeLessThanOrEqual(at === 12 ? 200 : Math.min(30_000, 200 * 2 ** at));
    });
    expect(Math.max(...clock.delays)).toBeGreaterThan(200);
    expect(kept()).toEqual(['2', '1']);
  });

  it.each([
    ['internal failures', fake.internalFailure],
    ['a front that is unavailable', fake.unavailable],
    ['torn connections', fake.tear],
    ['a hanging request', fake.hang],
    ['an answer that stops half-way', fake.hangInBody],
    ['an answer that says too little', fake.answerShort],
    ['refused credentials', fake.failAll(400, 'UnrecognizedClientException')],
    ['a missing stream', fake.failAll(400, 'ResourceNotFoundException')],
    ['a missing permission', fake.failAll(400, 'AccessDeniedException')],
  ])('goes on after %s: nothing is lost, nothing is there twice', async (_, fault) => {
    for (const open of [kinesis, firehose]) {
      aws.records.length = 0;
      const sink = await opened(
        open === kinesis
          ? createKinesisSink(options({ timeoutMs: SHORT_MS, requests: 1 }))
          : createFirehoseSink({ ...options({ timeoutMs: SHORT_MS }), requests: 1 }),
      );
      aws.faults.push(fault, fault);
      // Answers to one or the other request may take longer than the short timeout; they are kept then.
      expect(await sink.write(many(3), signal)).toMatchObject({ refused: 0 });
      expect([...new Set(kept())]).toEqual(['1', '2', '3']);
      expect(aws.faults).toEqual([]);
      await sink.close('stopped');
    }
    expect(deadLetters.letters).toEqual([]);
  });

  it('says loudly what somebody must mend', async () => {
    const sink = await kinesis();
    aws.faults.push(fake.failAll(400, 'ExpiredTokenException', 'SECRET'), fake.tear);
    await sink.write(many(1), signal);
    expect(logger.lines.map(({ level, fields }) => [level, fields['kind']])).toEqual([
      ['error', 'access'],
      ['warn', 'later'],
    ]);
    expect(JSON.stringify(logger.lines)).not.toContain('SECRET');
  });

  it('says at most every 10 s that it tries again for one reason', async () => {
    const still: Clock = { now: () => 0, after: (delayMs, task) => clock.after(delayMs, task) };
    const sink = await kinesis({ clock: still });
    aws.faults.push(fake.throttle, fake.throttle, fake.throttle);
    await sink.write(many(1), signal);
    expect(logger.lines).toHaveLength(1);
    const later = await kinesis();
    aws.faults.push(...Array.from({ length: 30 }, () => fake.throttle));
    await later.write(many(1), signal);
    expect(logger.lines.length).toBeGreaterThan(5);
    expect(logger.lines.length).toBeLessThan(31);
  });

  it('has no more requests under way than it may, and as many', async () => {
    const sink = await kinesis({ requests: 3, timeoutMs: 60_000 });
    const stop = new AbortController();
    aws.faults.push(...Array.from({ length: 10 }, () => fake.hang));
    const writing = sink.write(many(4000), stop.signal);
    while (aws.requests.length < 3) await turn();
    for (let turns = 0; turns < 50; turns += 1) await turn();
    expect(aws.requests).toHaveLength(3);
    stop.abort();
    await expect(writing).rejects.toMatchObject({ name: 'AbortError' });
  });

  it('rejects soon after it is told to stop, while it waits or asks, and asks no more', async () => {
    const manual = new ManualClock();
    const sink = await kinesis({ clock: manual, timeoutMs: 60_000, requests: 2 });
    for (const fault of [fake.throttle, fake.hang]) {
      const stop = new AbortController();
      const before = aws.requests.length;
      aws.faults.push(fault);
      const writing = sink.write(many(1), stop.signal);
      if (fault === fake.throttle) await manual.waitForTimers();
      else while (aws.requests.length === before) await turn();
      stop.abort();
      await expect(writing).rejects.toMatchObject({ name: 'AbortError' });
      expect(aws.requests).toHaveLength(before + 1);
      expect(manual.timers).toBe(0);
    }
  });

  it('takes partition keys from where it is told, and keeps a key when it puts again', async () => {
    const sink = await kinesis({ partitionKey: '/k' });
    aws.faults.push(fake.failSome(() => true));
    await sink.write(events('{"k":"a"}', '{}'), signal);
    expect(aws.records[0]?.key).toBe('a');
    const [first, second] = aws.requests.map(({ records }) => records.map(({ key }) => key));
    expect(second).toEqual(first);
  });
});

describe('createKinesisSink() with order: key', () => {
  it('holds the next record of a key back while an earlier one is tried again; other keys go on', async () => {
    const sink = await kinesis({ order: 'key', partitionKey: 'type' });
    const batch = [
      spooled(1, 'a1', { type: 'a' }),
      spooled(2, 'a2', { type: 'a' }),
      spooled(3, 'b1', { type: 'b' }),
      spooled(4, 'b2', { type: 'b' }),
    ];
    aws.faults.push(fake.failSome((_, { key }) => key === 'a'));
    await sink.write(batch, signal);
    expect(aws.requests[0]?.records.map(({ data }) => data)).toEqual(['a1', 'b1']);
    expect(kept().filter((data) => data.startsWith('a'))).toEqual(['a1', 'a2']);
    expect(kept().filter((data) => data.startsWith('b'))).toEqual(['b1', 'b2']);
  });
});

describe('dead letters', () => {
  it('get a record that is too large, data and key together, before the service is asked', async () => {
    const sink = await kinesis({ recordBytes: 2000, partitionKey: 'type' });
    const batch = events('x'.repeat(2000 - 7), 'x'.repeat(2000 - 6), 'small');
    expect(await sink.write(batch, signal)).toEqual({ refused: 1 });
    expect(kept()).toEqual(['x'.repeat(1993), 'small']);
    expect(deadLetters.letters).toMatchObject([
      { sink: 'kinesis', attemptsMade: 0, errorCode: 'record-too-large', event: { sequence: 2 } },
    ]);
    expect(Buffer.from(deadLetters.letters[0]?.rawData ?? []).toString()).toBe('x'.repeat(1994));
    expect(logger.lines).toMatchObject([{ level: 'error', fields: { code: 'record-too-large', sequence: 2 } }]);
  });

  it('get the record that the service calls invalid, and no other of its request', async () => {
    aws.faults.push(refuseWhole(({ records }) => records.some(({ data }) => data === '5')));
    const bad: AwsFault = refuseWhole(({ records }) => records.some(({ data }) => data === '5'));
    aws.faults.push(...Array.from({ length: 20 }, () => bad));
    const sink = await kinesis({ requests: 1 });
    expect(await sink.write(many(9), signal)).toEqual({ refused: 1 });
    expect(byNumber(kept())).toEqual(['1', '2', '3', '4', '6', '7', '8', '9']);
    expect(deadLetters.letters).toMatchObject([
      { attemptsMade: 1, errorCode: 'ValidationException', event: { data: '5' } },
    ]);
  });

  it('are written until it works: the write does not resolve before', async () => {
    const sink = await kinesis({ recordBytes: 10 });
    deadLetters.failures = 3;
    expect(await sink.write(events('much too large'), signal)).toEqual({ refused: 1 });
    expect(deadLetters.letters).toHaveLength(1);
    expect(logger.lines.filter(({ message }) => message === 'Cannot keep dead letters')).toHaveLength(3);
  });
});

/** Refuses a request as a whole where `isBad`. */
function refuseWhole(isBad: (request: Parameters<AwsFault>[1]) => boolean): AwsFault {
  return (response, request) =>
    isBad(request) ? fake.failAll(400, 'ValidationException')(response, request) : () => undefined;
}

describe('createFirehoseSink().write()', () => {
  it('puts at most 500 records and 4 MiB in a request, and a line feed behind each record', async () => {
    const sink = await opened(createFirehoseSink({ ...options(), format: 'ndjson' }));
    await sink.write(many(700), signal);
    expect(aws.requests.map(({ records }) => records.length)).toEqual([500, 200]);
    expect(aws.records[0]?.data).toBe('1\n');
    aws.requests.length = 0;
    await sink.write(events(...Array.from({ length: 8 }, () => 'x'.repeat(1000 * 1024 - 3))), signal);
    expect(aws.requests.map(({ records }) => records.length)).toEqual([4, 4]);
    expect(await sink.write(events('x'.repeat(1000 * 1024 - 2)), signal)).toEqual({ refused: 1 });
    expect(deadLetters.letters).toHaveLength(1);
  });

  it('puts again the records that were refused, and those alone', async () => {
    const sink = await firehose();
    aws.faults.push(fake.failSome((at) => at === 1, 'ServiceUnavailableException'));
    await sink.write(many(3), signal);
    expect(kept()).toEqual(['1', '3', '2']);
  });
});

describe('open()', () => {
  it.each([
    ['ResourceNotFoundException', 'stream-missing'],
    ['UnrecognizedClientException', 'access-refused'],
    ['ValidationException', 'invalid-option'],
  ])('refuses to start on %s: %s', async (name, code) => {
    for (const open of [kinesis, firehose]) {
      aws.checkFaults.push(fake.failAll(400, name));
      await expect(open()).rejects.toMatchObject({ name: 'IngestError', code });
    }
  });

  it.each([
    ['it may not ask', fake.failAll(400, 'AccessDeniedException')],
    ['AWS is away', fake.tear],
  ])('goes on where %s', async (_, fault) => {
    aws.checkFaults.push(fault);
    const sink = await kinesis();
    expect(logger.lines).toMatchObject([{ level: 'warn', message: expect.stringContaining('going on') }]);
    await sink.write(many(1), signal);
    expect(kept()).toEqual(['1']);
  });

  it('refuses a Firehose stream that takes records from another source only', async () => {
    aws.streamType = 'KinesisStreamAsSource';
    await expect(firehose()).rejects.toMatchObject({
      code: 'invalid-option',
      message: expect.stringContaining('AsSource'),
    });
    aws.streamType = 'DirectPut';
    await expect(firehose()).resolves.toBeDefined();
  });

  it('refuses options that contradict each other', () => {
    const both = { recordBytes: 2 * MIB, requestBytes: MIB };
    expect(() => createKinesisSink(options(both))).toThrow(expect.objectContaining({ code: 'invalid-option' }));
    expect(() => createKinesisSink(options({ partitionKey: 'x' }))).toThrow(/partition keys/);
  });
});

const FAULTS: Readonly<Record<string, AwsFault>> = {
  throttle: fake.throttle,
  internal: fake.internalFailure,
  unavailable: fake.unavailable,
  tear: fake.tear,
  loseAnswer: fake.loseAnswer,
  hang: fake.hang,
  answerShort: fake.answerShort,
  third: fake.failSome((at) => at % 3 === 0),
  most: fake.failSome((at) => at % 4 !== 0, 'InternalFailure'),
  last: fake.failSome((at) => at > 5),
  odd: refuseWhole(({ records }) => records.some(({ data }) => /13/.test(data))),
};

describe('createKinesisSink(), whatever happens', () => {
  it('keeps or dead-letters every event, and the order of each key', async () => {
    const event = fc.record({ key: fc.constantFrom('a', 'b', 'c', 'd'), bytes: fc.integer({ min: 1, max: 400 }) });
    const plan = fc.record({
      batches: fc.array(fc.array(event, { maxLength: 40 }), { minLength: 1, maxLength: 3 }),
      faults: fc.array(fc.constantFrom(...Object.keys(FAULTS)), { maxLength: 12 }),
      order: fc.constantFrom('none', 'key'),
      requests: fc.integer({ min: 1, max: 4 }),
    });
    await fc.assert(
      fc.asyncProperty(plan, async ({ batches, faults, order, requests }) => {
        await using service = await fake.startFakeAws({ recordBytesMax: 300, requestBytesMax: 1500 });
        service.faults.push(...faults.map((name) => FAULTS[name] ?? fake.tear));
        const letters = new MemoryDeadLetters();
        const sink = createKinesisSink({
          ...options({ endpoint: service.url, deadLetters: letters, order, requests }),
          partitionKey: 'type',
          recordBytes: 320,
          requestBytes: 1400,
          timeoutMs: SHORT_MS,
        });
        await opened(sink);
        let sequence = 0;
        let refused = 0;
        for (const batch of batches) {
          const spool = batch.map(({ key, bytes }) => {
            sequence += 1;
            return spooled(sequence, `${sequence}:`.padEnd(bytes, 'x'), { type: key });
          });
          refused += (await sink.write(spool, signal)).refused;
        }
        await sink.close('stopped');
        expect(refused).toBe(letters.letters.length);
        const dead = letters.letters.map((letter) => letter.event.data);
        const safe = new Set([...service.records.map(({ data }) => data), ...dead].map((data) => parseInt(data, 10)));
        expect(safe.size).toBe(sequence);
        if (order === 'none') return;
        for (const key of ['a', 'b', 'c', 'd']) {
          const numbers = service.records.filter((each) => each.key === key).map(({ data }) => parseInt(data, 10));
          // What was put twice counts where it was first.
          const first = [...new Set(numbers)];
          expect(first).toEqual(first.toSorted((one, other) => one - other));
        }
      }),
      { numRuns: 40 },
    );
  }, 60_000);
});
