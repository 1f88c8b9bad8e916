import { randomBytes } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { parquetReadObjects } from 'hyparquet';
import { expect, it, vi } from 'vitest';
import { createS3DeadLetters, createS3Sink, verifyS3Archive } from '../../src/ingest/index.js';
import type { DeadLetter, S3SinkOptions, Sink, SpooledEvent } from '../../src/ingest/index.js';
import { createCapturingLogger } from '../support/capturing-logger.js';
import { JumpingClock } from '../support/clocks.js';
import { CuttableLink } from '../support/cuttable-link.js';
import { S3Archive } from '../support/s3-archive.js';
import { S3_CREDENTIALS } from '../support/s3-servers.js';
import type { S3Ability, S3Place, S3Server } from '../support/s3-servers.js';
import { createTemporaryFolder } from '../support/temporary-folder.js';
import { spooled } from './sink.js';

const { signal } = new AbortController();
const MIB = 1024 * 1024;
const IN_PARTS = { multipartBytes: 0 };
const receivedAt = Date.UTC(2026, 10, 21, 7, 8, 9);

function event(sequence: number, fields: Partial<SpooledEvent> = {}): SpooledEvent {
  return spooled(sequence, fields.data ?? `{"n":${sequence}}`, { receivedAt, ...fields });
}

interface Opened {
  readonly place: S3Place;
  readonly link: CuttableLink;
  readonly folder: string;
  readonly lacks: readonly S3Ability[];
}

/** A bucket, a way to it that can be cut, and sinks that write to it one after the other. */
export class S3Bench implements AsyncDisposable {
  readonly link: CuttableLink;
  readonly archive: S3Archive;
  readonly journal: string;
  readonly clock = new JumpingClock();
  readonly logger = createCapturingLogger();
  /** Where the bucket is, past the link or along it. */
  readonly target: { readonly bucket: string; readonly endpoint: string; readonly credentials: typeof S3_CREDENTIALS };
  readonly #lacks: readonly S3Ability[];
  readonly #dispose: () => Promise<void>;

  private constructor({ place, link, folder, lacks }: Opened, dispose: () => Promise<void>) {
    this.link = link;
    this.archive = new S3Archive(place.endpoint, place.bucket, S3_CREDENTIALS);
    this.journal = join(folder, 'journal');
    this.target = { bucket: place.bucket, endpoint: link.url, credentials: S3_CREDENTIALS };
    this.#lacks = lacks;
    this.#dispose = dispose;
  }

  static async open({ createPlace, lacks }: S3Server): Promise<S3Bench> {
    const place = await createPlace();
    const folder = await createTemporaryFolder();
    const link = await CuttableLink.open(() => Number(new URL(place.endpoint).port));
    return new S3Bench({ place, link, folder: folder.path, lacks }, async () => {
      await link[Symbol.asyncDispose]();
      await folder[Symbol.asyncDispose]();
      await place[Symbol.asyncDispose]();
    });
  }

  createSink(options: Partial<S3SinkOptions> = {}): Sink {
    const { target, journal, clock } = this;
    return createS3Sink({ ...target, journal, clock, ...options });
  }

  async openSink(options: Partial<S3SinkOptions> = {}): Promise<Sink> {
    const sink = this.createSink(options);
    await sink.open({ pipeline: 'news', runId: 'run', logger: this.logger });
    return sink;
  }

  /** Uploads of `key` that were left behind; 0 where the server does not list them. */
  uploads(key: string): Promise<number> {
    return this.#lacks.includes('upload rules') ? Promise.resolve(0) : this.archive.uploads(key);
  }

  /** The keys of all data. */
  async keys(): Promise<readonly string[]> {
    return (await this.archive.objects('sse-data')).map(({ key }) => key);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.archive[Symbol.dispose]();
    await this.#dispose();
  }
}

/** What the S3 sink does on every server that speaks S3's protocol, beyond what any sink does. */
export function describeS3Sink(server: S3Server): void {
  objectTests(server);
  lostAnswerTests(server);
  if (server.lacks.includes('conditions')) noConditionTests(server);
  else foreignTests(server);
  crashTests(server);
  deadLetterTests(server);
}

function objectTests(server: S3Server): void {
  it('write() puts gzipped lines under a key of their time, and a manifest that tells what is in it', async () => {
    await using bench = await S3Bench.open(server);
    const sink = await bench.openSink();
    await sink.write([event(1), event(2, { receivedAt: receivedAt + 60_000 })], signal);
    await sink.close('stopped');
    const [data, manifest] = await bench.archive.objects();
    const { key = '', body = Buffer.alloc(0), metadata } = data ?? {};
    expect(key).toMatch(/^sse-data2026\/11\/21\/07\/news-2026-11-21-07-08-09-[0-9a-f]{16}\.ndjson\.gz$/);
    expect(gunzipSync(body).toString()).toBe('{"n":1}\n{"n":2}\n');
    expect(data?.contentType).toBe('application/gzip');
    expect(manifest).toMatchObject({ key: `sse-manifest/${key}.json`, contentType: 'application/json' });
    expect(JSON.parse(manifest?.body.toString() ?? '')).toEqual({
      version: 1,
      pipeline: 'news',
      chain: expect.any(String),
      number: 1,
      key,
      format: 'ndjson',
      compression: 'gzip',
      after: '',
      firstId: 'id-1',
      lastId: 'id-2',
      arrivedAt: '2026-11-21T07:08:09.000Z',
      count: 2,
      bytes: body.length,
      sha256: metadata?.['tidegate-sha256'],
      digest: metadata?.['tidegate-digest'],
    });
    expect(await bench.archive.lines()).toEqual(['{"n":1}', '{"n":2}']);
    expect(JSON.stringify(bench.logger.lines)).toContain('no slash at its end');
  });

  it('open() refuses a bucket that is not there', async () => {
    await using bench = await S3Bench.open(server);
    const refusal = { code: 'bucket-missing', message: 'Cannot use S3: the bucket "nowhere" is not there' };
    await expect(bench.openSink({ bucket: 'nowhere' })).rejects.toMatchObject(refusal);
  });

  it.each(['none', 'gzip'] as const)(
    'write() puts Parquet that a reader gets every event from, compressed by %s',
    async (compression) => {
      await using bench = await S3Bench.open(server);
      const sink = await bench.openSink({ format: 'parquet', compression });
      const batch = Array.from({ length: 12_000 }, (_, at) => event(at + 1, { type: at % 2 === 0 ? 'a' : 'ä€😀' }));
      await sink.write(batch, signal);
      await sink.close('stopped');
      const [data] = await bench.archive.objects('sse-data');
      expect(data?.key).toMatch(/\.parquet$/);
      const rows = await parquetReadObjects({
        file: Uint8Array.from(data?.body ?? []).buffer,
        compressors: { GZIP: (bytes) => gunzipSync(bytes) },
      });
      expect(rows).toEqual(
        batch.map(({ id, type, data: own }) => ({ id, type, data: own, receivedAt: new Date(receivedAt) })),
      );
    },
  );

  it('write() sends a large object in parts, and leaves none behind', async () => {
    await using bench = await S3Bench.open(server);
    const sink = await bench.openSink({ multipartBytes: MIB, partBytes: 5 * MIB, compression: 'none' });
    const data = JSON.stringify(randomBytes(5 * MIB).toString('base64'));
    await sink.write([event(1, { data })], signal);
    await sink.close('stopped');
    const [key = ''] = await bench.keys();
    expect((await bench.archive.lines()).map((line) => line === data)).toEqual([true]);
    expect(await bench.uploads(key)).toBe(0);
  });

  it('write() leaves an archive that is verified, object by object', async () => {
    await using bench = await S3Bench.open(server);
    const sink = await bench.openSink();
    for (const sequence of [1, 2, 3, 4, 5]) await sink.write([event(sequence)], signal);
    await sink.close('stopped');
    const sound = await verifyS3Archive({ ...bench.target, readsData: true }, signal);
    expect(sound).toMatchObject({ objects: 5, events: 5, chains: 1, findings: [], isSound: true });
    const [, key = ''] = await bench.keys();
    await bench.archive.delete(key);
    expect((await verifyS3Archive(bench.target, signal)).findings).toEqual([
      { kind: 'missing-object', key, events: 1 },
    ]);
  });
}

function lostAnswerTests(server: S3Server): void {
  it('write() waits for a server that is away', async () => {
    await using bench = await S3Bench.open(server);
    const sink = await bench.openSink();
    bench.link.down();
    const writing = sink.write([event(1), event(2)], signal);
    await vi.waitUntil(() => bench.clock.delays.length > 5);
    bench.link.up();
    await writing;
    await sink.close('stopped');
    expect(await bench.archive.lines()).toEqual(['{"n":1}', '{"n":2}']);
  });

  it.each([
    ['that an object is there', {}, 0],
    ['that a manifest is there', {}, 1],
    ['that parts are one object now', IN_PARTS, 2],
  ])('write() writes once where the answer is lost %s', async (_, options, answersBefore) => {
    await using bench = await S3Bench.open(server);
    const sink = await bench.openSink(options);
    bench.link.loseAnswer(answersBefore);
    expect(await sink.write([event(1), event(2)], signal)).toEqual({ refused: 0, retries: 1 });
    await sink.write([event(3)], signal);
    await sink.close('stopped');
    expect(await bench.archive.lines()).toEqual(['{"n":1}', '{"n":2}', '{"n":3}']);
    expect(await bench.keys()).toHaveLength(2);
  });
}

/** What becomes of an object of somebody else under the key that the sink would take. */
async function writeOverForeign(server: S3Server, options: Partial<S3SinkOptions>) {
  await using bench = await S3Bench.open(server);
  const sink = await bench.openSink();
  await sink.write([event(1)], signal);
  await sink.close('stopped');
  const [key = ''] = await bench.keys();
  await bench.archive.delete(`sse-manifest/${key}.json`);
  await bench.archive.put(key, 'theirs');
  await writeFile(bench.journal, '');
  const again = await bench.openSink(options);
  await again.write([event(1)], signal);
  await again.close('stopped');
  const found = await bench.archive.objects(key);
  return {
    isTheirs: found.map(({ body }) => body.toString()).includes('theirs'),
    keys: (await bench.keys()).length,
    lines: await bench.archive.lines(),
  };
}

const WAYS = [
  ['put', {}],
  ['sent in parts', IN_PARTS],
] as const;

function foreignTests(server: S3Server): void {
  it.each(WAYS)('write() leaves an object of somebody else alone, and takes another key, %s', async (_, options) => {
    const outcome = await writeOverForeign(server, options);
    expect(outcome).toEqual({ isTheirs: true, keys: 2, lines: ['{"n":1}'] });
  });
}

function noConditionTests(server: S3Server): void {
  it.each(WAYS)(
    'write() overwrites an object of somebody else, %s: this server ignores conditions',
    async (_, options) => {
      const outcome = await writeOverForeign(server, options);
      expect(outcome).toEqual({ isTheirs: false, keys: 1, lines: ['{"n":1}'] });
    },
  );
}

/** A crash is an answer that nobody is there for any more, and a sink that is opened again on its journal. */
async function crash(bench: S3Bench, batch: readonly SpooledEvent[], answersBefore: number, options = {}) {
  const sink = await bench.openSink(options);
  const stop = new AbortController();
  bench.link.loseAnswer(answersBefore, () => stop.abort());
  await expect(sink.write(batch, stop.signal)).rejects.toThrow('aborted');
  await sink.close('stopped');
}

function crashTests(server: S3Server): void {
  it.each([
    ['before it knew of the object', {}, 0],
    ['before it knew of the manifest', {}, 1],
    ['before it knew that parts were one object', IN_PARTS, 2],
  ])('open() goes on after a crash %s: each event is there once', async (_, options, answersBefore) => {
    await using bench = await S3Bench.open(server);
    await crash(bench, [event(1), event(2)], answersBefore, options);
    const next = await bench.openSink(options);
    await next.write([event(1), event(2)], signal);
    await next.write([event(3)], signal);
    await next.close('stopped');
    expect(await bench.archive.lines()).toEqual(['{"n":1}', '{"n":2}', '{"n":3}']);
    expect(await bench.keys()).toHaveLength(2);
  });

  it('write() gives the object of a crash its manifest, where the events cannot come again', async () => {
    await using bench = await S3Bench.open(server);
    await crash(bench, [event(1, { id: '' })], 0);
    const next = await bench.openSink();
    // Later, or it would begin with the same key.
    await next.write([event(1, { id: '', data: '"next"', receivedAt: receivedAt + 1000 })], signal);
    await next.close('stopped');
    expect(await bench.archive.lines()).toEqual(['{"n":1}', '"next"']);
  });

  it('open() goes on after a crash between parts, and takes back what is left where the server lists it', async () => {
    await using bench = await S3Bench.open(server);
    await crash(bench, [event(1)], 1, IN_PARTS);
    expect(await bench.keys()).toEqual([]);
    // At once this time: an upload in parts would take back what it finds by itself.
    const next = await bench.openSink();
    await next.write([event(1)], signal);
    await next.close('stopped');
    expect(await bench.archive.lines()).toEqual(['{"n":1}']);
    const [key = ''] = await bench.keys();
    expect(await bench.uploads(key)).toBe(0);
  });
}

function deadLetterTests(server: S3Server): void {
  it('createS3DeadLetters().write() writes once where the answer is lost', async () => {
    await using bench = await S3Bench.open(server);
    const letters = createS3DeadLetters({
      ...bench.target,
      pipeline: 'news',
      errorPrefix: 'sse-error/',
      source: 'http://s',
    });
    const failure = { attemptsMade: 1, errorCode: 'record-too-large', errorMessage: 'too large', endedAt: receivedAt };
    const letter: DeadLetter = { event: event(1), sink: 'kinesis', rawData: Buffer.from('raw'), ...failure };
    bench.link.loseAnswer();
    await expect(letters.write([letter])).rejects.toThrow(/socket|ECONNRESET/);
    await letters.write([letter]);
    const objects = await bench.archive.objects('sse-error/');
    expect(objects.map(({ key }) => key)).toEqual([
      expect.stringMatching(/^sse-error\/kinesis-failed\/2026\/11\/21\/07\//),
    ]);
    expect(JSON.parse(objects[0]?.body.toString() ?? '')).toMatchObject({ eventId: 'id-1', rawData: 'cmF3' });
  });
}
