import { describe, expect, it, vi } from 'vitest';
import { createKinesisSink } from '../../src/ingest/index.js';
import type { KinesisSinkOptions, Sink } from '../../src/ingest/index.js';
import { createCapturingLogger } from '../support/capturing-logger.js';
import { JumpingClock } from '../support/clocks.js';
import { CuttableLink } from '../support/cuttable-link.js';
import { CREDENTIALS, KinesisStream, REGION } from '../support/kinesis-stream.js';
import type { KinesisRecord } from '../support/kinesis-stream.js';
import { MemoryDeadLetters } from '../support/memory-dead-letters.js';
import type { KinesisPlace, KinesisServer, RecordAbility } from '../support/record-servers.js';
import { describeSink, spooled } from './sink.js';
import type { SinkFixture } from './sink.js';

const { signal } = new AbortController();
const MIB = 1024 * 1024;

/** A stream, a way to it that can be cut, and sinks that write to it. */
class KinesisBench implements AsyncDisposable {
  readonly place: KinesisPlace;
  readonly link: CuttableLink;
  readonly clock = new JumpingClock();
  readonly deadLetters = new MemoryDeadLetters();

  private constructor(place: KinesisPlace, link: CuttableLink) {
    this.place = place;
    this.link = link;
  }

  static async open(server: KinesisServer): Promise<KinesisBench> {
    const place = await server.createPlace();
    return new KinesisBench(place, await CuttableLink.open(() => Number(new URL(place.endpoint).port)));
  }

  createSink(options: Partial<KinesisSinkOptions> = {}): Sink {
    const access = { region: REGION, credentials: CREDENTIALS, endpoint: this.link.url };
    const { deadLetters, clock } = this;
    const { stream } = this.place;
    return createKinesisSink({ stream, format: 'data', deadLetters, clock, ...access, ...options });
  }

  async openSink(options: Partial<KinesisSinkOptions> = {}): Promise<Sink> {
    const sink = this.createSink(options);
    await sink.open({ pipeline: 'p', runId: 'r', logger: createCapturingLogger() });
    return sink;
  }

  async data(): Promise<readonly string[]> {
    return (await this.place.read()).map(({ data }) => data);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.link[Symbol.asyncDispose]();
    await this.place[Symbol.asyncDispose]();
  }
}

/** What the Kinesis sink does on every server, and what each server refuses. */
export function describeKinesisSink(server: KinesisServer): void {
  async function createFixture(options: Partial<KinesisSinkOptions>): Promise<SinkFixture> {
    const bench = await KinesisBench.open(server);
    return {
      create: () => bench.createSink(options),
      read: () => bench.data(),
      failOnce: () => bench.link.refuseNext(),
      [Symbol.asyncDispose]: () => bench[Symbol.asyncDispose](),
    };
  }
  describeSink('createKinesisSink()', () => createFixture({}));
  describeSink('createKinesisSink() in order', () => createFixture({ order: 'key', partitionKey: 'type' }));
  describe('createKinesisSink()', () => {
    requestTests(server);
    keyTests(server);
    streamTests(server);
    if (server.lacks.includes('ARNs')) noArnTests(server);
    else arnTests(server);
  });
  describe('PutRecords', () => {
    limitTests(server);
  });
}

function requestTests(server: KinesisServer): void {
  it('write() brings more records than a request may have, and more bytes', async () => {
    await using bench = await KinesisBench.open(server);
    const sink = await bench.openSink(server.lacks.includes('concurrency') ? { requests: 1 } : {});
    const small = Array.from({ length: 1200 }, (_, at) => spooled(at + 1, String(at + 1)));
    expect(await sink.write(small, signal)).toEqual({ refused: 0 });
    expect((await bench.data()).map(Number).toSorted((a, b) => a - b)).toEqual(small.map((_, at) => at + 1));
    const large = Array.from({ length: 6 }, (_, at) => spooled(at + 1, String(at).padEnd(MIB - 100, 'x')));
    expect(await sink.write(large, signal)).toEqual({ refused: 0 });
    expect(await bench.data()).toHaveLength(1206);
    await sink.close('stopped');
  });

  it('write() makes a dead letter of what the stream calls too large, and of nothing else', async () => {
    await using bench = await KinesisBench.open(server);
    const sink = await bench.openSink({ recordBytes: 2 * MIB, requests: 1 });
    const batch = ['1', '2', 'x'.repeat(MIB + 1), '4', '5'].map((data, at) => spooled(at + 1, data));
    expect(await sink.write(batch, signal)).toEqual({ refused: 1 });
    expect((await bench.data()).toSorted()).toEqual(['1', '2', '4', '5']);
    expect(bench.deadLetters.letters).toMatchObject([
      { attemptsMade: 1, errorCode: 'ValidationException', event: { sequence: 3 } },
    ]);
    await sink.close('stopped');
  });

  it('write() waits for a server that is away', async () => {
    await using bench = await KinesisBench.open(server);
    const sink = await bench.openSink();
    bench.link.down();
    const writing = sink.write([spooled(1, '1'), spooled(2, '2')], signal);
    await vi.waitUntil(() => bench.clock.delays.length > 5);
    bench.link.up();
    await writing;
    expect(await bench.data()).toEqual(['1', '2']);
    await sink.close('stopped');
  });

  it('write() puts a record again whose answer was lost: it is there twice', async () => {
    await using bench = await KinesisBench.open(server);
    const sink = await bench.openSink();
    bench.link.loseAnswer();
    expect(await sink.write([spooled(1, '1'), spooled(2, '2')], signal)).toEqual({ refused: 0, retries: 1 });
    expect(await bench.data()).toEqual(['1', '2', '1', '2']);
    await sink.close('stopped');
  });
}

function keyTests(server: KinesisServer): void {
  it('write() takes partition keys from the data, as long as they may be', async () => {
    await using bench = await KinesisBench.open(server);
    const sink = await bench.openSink({ partitionKey: '/k' });
    const keys = ['a', 'ä€😀', 'k'.repeat(256), 'k'.repeat(257), ''];
    const batch = keys.map((k, at) => spooled(at + 1, JSON.stringify({ k })));
    expect(await sink.write(batch, signal)).toEqual({ refused: 0 });
    const kept = await bench.place.read();
    expect(kept.map(({ data }) => data)).toEqual(batch.map(({ data }) => data));
    expect(kept.slice(0, 3).map(({ key }) => key)).toEqual(keys.slice(0, 3));
    for (const { key } of kept) expect(key).toMatch(/^.{1,256}$/s);
    await sink.close('stopped');
  });

  it('write() keeps the order of each key where asked, through torn connections', async () => {
    await using bench = await KinesisBench.open(server);
    const sink = await bench.openSink({ order: 'key', partitionKey: 'type' });
    // Two of each key, and more than one request takes: without order the second request is there before the first.
    const batch = Array.from({ length: 520 }, (_, at) => spooled(at + 1, String(at + 1), { type: `${at % 260}` }));
    bench.link.refuseNext();
    bench.link.refuseNext();
    await sink.write(batch, signal);
    const kept = await bench.place.read();
    const numbers = Array.from({ length: 260 }, (_, key) =>
      kept.filter((record) => record.key === String(key)).map(({ data }) => Number(data)),
    );
    expect(numbers).toEqual(numbers.map((_, key) => [key + 1, key + 261]));
    await sink.close('stopped');
  });
}

function streamTests(server: KinesisServer): void {
  it('open() refuses a stream that is not there', async () => {
    await using bench = await KinesisBench.open(server);
    await expect(bench.openSink({ stream: 'nowhere' })).rejects.toMatchObject({ code: 'stream-missing' });
  });
}

const arnOf = ({ stream }: KinesisPlace): string => `arn:aws:kinesis:${REGION}:123456789012:stream/${stream}`;

function arnTests(server: KinesisServer): void {
  it('write() writes to a stream by its ARN', async () => {
    await using bench = await KinesisBench.open(server);
    const sink = await bench.openSink({ stream: arnOf(bench.place) });
    await sink.write([spooled(1, '1')], signal);
    expect(await bench.data()).toEqual(['1']);
    await sink.close('stopped');
  });
}

function noArnTests(server: KinesisServer): void {
  it('open() refuses an ARN: this server knows none', async () => {
    await using bench = await KinesisBench.open(server);
    const opening = bench.openSink({ stream: arnOf(bench.place) });
    await expect(opening).rejects.toMatchObject({ code: 'invalid-option' });
  });
}

function records(count: number, data = 'x', key = 'k'): readonly KinesisRecord[] {
  return Array.from({ length: count }, () => ({ key, data }));
}

type Case = readonly [name: string, records: readonly KinesisRecord[], ability: RecordAbility | undefined];

/** What the sink keeps to, as the service would refuse it. */
function limitTests(server: KinesisServer): void {
  const inLine = records(5, 'x'.repeat(MIB - 10));

  const cases: readonly Case[] = [
    ['501 records', records(501), undefined],
    ['a record of more than 1 MiB', records(1, 'x'.repeat(MIB + 1)), undefined],
    ['more than 5 MiB', [...inLine, ...records(1, 'x'.repeat(2000))], 'request bytes'],
    ['no records', [], 'lengths'],
    ['a key of 257 characters', records(1, 'x', 'k'.repeat(257)), undefined],
    ['an empty key', records(1, 'x', ''), 'lengths'],
  ];
  const isRefused = ([, , ability]: Case): boolean => ability === undefined || !server.lacks.includes(ability);

  it.each(cases.filter(isRefused))('refuses %s', async (_, refused) => {
    await using place = await server.createPlace();
    using stream = new KinesisStream(place.endpoint, place.stream);
    await expect(stream.put(refused)).rejects.toThrow(
      expect.objectContaining({ name: expect.stringMatching(/^(Validation|InvalidArgument)Exception$/) }),
    );
    expect(await place.read()).toEqual([]);
  });

  it.each(cases.filter((each) => !isRefused(each)))('takes %s, which AWS refuses', async (_, taken) => {
    await using place = await server.createPlace();
    using stream = new KinesisStream(place.endpoint, place.stream);
    await stream.put(taken);
    expect(await place.read()).toHaveLength(taken.length);
  });

  it.each([
    ['500 records', records(500)],
    ['5 MiB', inLine],
    ['a key of 256 characters', records(1, 'x', 'k'.repeat(256))],
  ])('takes %s', async (_, taken) => {
    await using place = await server.createPlace();
    using stream = new KinesisStream(place.endpoint, place.stream);
    await stream.put(taken);
    expect(await place.read()).toHaveLength(taken.length);
  });
}
