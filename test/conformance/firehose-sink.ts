import { FirehoseClient, PutRecordBatchCommand } from '@aws-sdk/client-firehose';
import { describe, expect, it, vi } from 'vitest';
import { createFirehoseSink } from '../../src/ingest/index.js';
import type { FirehoseSinkOptions, Sink } from '../../src/ingest/index.js';
import { createCapturingLogger } from '../support/capturing-logger.js';
import { JumpingClock } from '../support/clocks.js';
import { CuttableLink } from '../support/cuttable-link.js';
import { CREDENTIALS, REGION } from '../support/kinesis-stream.js';
import { MemoryDeadLetters } from '../support/memory-dead-letters.js';
import type { FirehosePlace, FirehoseServer } from '../support/record-servers.js';
import { describeSink, spooled } from './sink.js';
import type { SinkFixture } from './sink.js';

const { signal } = new AbortController();
const KIB = 1024;

/** A Firehose stream, a way to it that can be cut, and sinks that write to it. */
class FirehoseBench implements AsyncDisposable {
  readonly place: FirehosePlace;
  readonly link: CuttableLink;
  readonly clock = new JumpingClock();
  readonly deadLetters = new MemoryDeadLetters();

  private constructor(place: FirehosePlace, link: CuttableLink) {
    this.place = place;
    this.link = link;
  }

  static async open(server: FirehoseServer): Promise<FirehoseBench> {
    const place = await server.createPlace();
    return new FirehoseBench(place, await CuttableLink.open(() => Number(new URL(place.endpoint).port)));
  }

  createSink(options: Partial<FirehoseSinkOptions> = {}): Sink {
    const access = { region: REGION, credentials: CREDENTIALS, endpoint: this.link.url };
    const { deadLetters, clock } = this;
    const { stream } = this.place;
    return this.place.watch(createFirehoseSink({ stream, deadLetters, clock, ...access, ...options }));
  }

  async openSink(options: Partial<FirehoseSinkOptions> = {}): Promise<Sink> {
    const sink = this.createSink(options);
    await sink.open({ pipeline: 'p', runId: 'r', logger: createCapturingLogger() });
    return sink;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.link[Symbol.asyncDispose]();
    await this.place[Symbol.asyncDispose]();
  }
}

/** What the Firehose sink does on every server, seen in what is delivered. */
export function describeFirehoseSink(server: FirehoseServer): void {
  describeSink('createFirehoseSink()', async (): Promise<SinkFixture> => {
    const bench = await FirehoseBench.open(server);
    return {
      create: () => bench.createSink(),
      read: () => bench.place.lines(),
      failOnce: () => bench.link.refuseNext(),
      [Symbol.asyncDispose]: () => bench[Symbol.asyncDispose](),
    };
  });
  describe('createFirehoseSink()', () => {
    sinkTests(server);
  });
  describe('PutRecordBatch', () => {
    if (server.lacks.includes('Firehose limits')) noLimitTests(server);
    else limitTests(server);
  });
}

function sinkTests(server: FirehoseServer): void {
  it('write() brings more records than a request may have, and more bytes', async () => {
    await using bench = await FirehoseBench.open(server);
    const sink = await bench.openSink();
    const small = Array.from({ length: 1200 }, (_, at) => spooled(at + 1, String(at + 1)));
    expect(await sink.write(small, signal)).toEqual({ refused: 0 });
    expect((await bench.place.lines()).map(Number).toSorted((a, b) => a - b)).toEqual(small.map((_, at) => at + 1));
    const large = Array.from({ length: 6 }, (_, at) => spooled(at + 1, `"${'x'.repeat(900 * KIB)}"`));
    expect(await sink.write(large, signal)).toEqual({ refused: 0 });
    expect(await bench.place.lines()).toHaveLength(1206);
    await sink.close('stopped');
  });

  it('write() makes a dead letter of a record that is too large, and of nothing else', async () => {
    await using bench = await FirehoseBench.open(server);
    const sink = await bench.openSink();
    const batch = ['1', `"${'x'.repeat(1000 * KIB)}"`, '3'].map((data, at) => spooled(at + 1, data));
    expect(await sink.write(batch, signal)).toEqual({ refused: 1 });
    expect(await bench.place.lines()).toEqual(['1', '3']);
    expect(bench.deadLetters.letters).toMatchObject([{ errorCode: 'record-too-large', event: { sequence: 2 } }]);
    await sink.close('stopped');
  });

  it('write() waits for a server that is away', async () => {
    await using bench = await FirehoseBench.open(server);
    const sink = await bench.openSink();
    bench.link.down();
    const writing = sink.write([spooled(1, '1'), spooled(2, '2')], signal);
    await vi.waitUntil(() => bench.clock.delays.length > 5);
    bench.link.up();
    await writing;
    expect(await bench.place.lines()).toEqual(['1', '2']);
    await sink.close('stopped');
  });

  it('write() puts a record again whose answer was lost: it is delivered twice', async () => {
    await using bench = await FirehoseBench.open(server);
    const sink = await bench.openSink();
    bench.link.loseAnswer();
    expect(await sink.write([spooled(1, '1'), spooled(2, '2')], signal)).toEqual({ refused: 0, retries: 1 });
    expect(await bench.place.lines()).toEqual(['1', '2', '1', '2']);
    await sink.close('stopped');
  });

  it('open() refuses a stream that is not there', async () => {
    await using bench = await FirehoseBench.open(server);
    await expect(bench.openSink({ stream: 'nowhere' })).rejects.toMatchObject({ code: 'stream-missing' });
  });
}

async function put({ endpoint, stream }: FirehosePlace, records: readonly string[]): Promise<void> {
  const client = new FirehoseClient({ region: REGION, credentials: CREDENTIALS, endpoint, maxAttempts: 1 });
  const entries = records.map((data) => ({ Data: Buffer.from(data) }));
  const command = new PutRecordBatchCommand({ DeliveryStreamName: stream, Records: entries });
  await client.send(command).finally(() => client.destroy());
}

const TOO_MUCH = [
  ['501 records', Array.from({ length: 501 }, () => 'x\n')],
  ['a record of more than 1,000 KiB', [`${'x'.repeat(1000 * KIB)}\n`]],
  ['more than 4 MiB', Array.from({ length: 5 }, () => `${'x'.repeat(900 * KIB)}\n`)],
] as const;

/** What the sink keeps to, as the service would refuse it. */
function limitTests(server: FirehoseServer): void {
  it.each(TOO_MUCH)('refuses %s', async (_, records) => {
    await using place = await server.createPlace();
    await expect(put(place, records)).rejects.toThrow(
      expect.objectContaining({ name: expect.stringMatching(/^(Validation|InvalidArgument)Exception$/) }),
    );
    expect(await place.lines()).toEqual([]);
  });
}

function noLimitTests(server: FirehoseServer): void {
  it.each(TOO_MUCH)('takes %s, which AWS refuses', async (_, records) => {
    await using place = await server.createPlace();
    await put(place, records);
    expect(await place.lines()).toHaveLength(records.length);
  });
}
