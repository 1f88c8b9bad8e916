import { randomBytes } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import * as zlib from 'node:zlib';
import { parquetReadObjects } from 'hyparquet';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { createCapturingLogger } from '../../../../test/support/capturing-logger.js';
import { JumpingClock } from '../../../../test/support/clocks.js';
import { FakeS3 } from '../../../../test/support/fake-s3.js';
import type { Fault } from '../../../../test/support/fake-s3.js';
import { S3Archive } from '../../../../test/support/s3-archive.js';
import { createTemporaryFolder } from '../../../../test/support/temporary-folder.js';
import type { SpooledEvent } from '../../spool.js';
import type { Sink } from '../sink.js';
import { createS3Sink } from './s3.js';
import type { S3SinkOptions } from './s3.js';

beforeAll(() => {
  vi.stubEnv('AWS_ACCESS_KEY_ID', 'AKIAVISIBLE');
  vi.stubEnv('AWS_SECRET_ACCESS_KEY', 'hush-hush');
});
afterAll(() => {
  vi.unstubAllEnvs();
});

const { signal } = new AbortController();
const receivedAt = Date.UTC(2026, 10, 21, 7, 8, 9);

function event(sequence: number, fields: Partial<SpooledEvent> = {}): SpooledEvent {
  const data = `{"n":${sequence}}`;
  return { id: `id-${sequence}`, type: 'message', data, receivedAt, bytes: data.length, sequence, ...fields };
}

/** A bucket, and sinks that write to it one after the other. */
class Bench implements AsyncDisposable {
  readonly fake: FakeS3;
  readonly journal: string;
  readonly clock = new JumpingClock();
  readonly logger = createCapturingLogger();
  readonly #dispose: () => Promise<void>;

  private constructor(fake: FakeS3, folder: string, dispose: () => Promise<void>) {
    this.fake = fake;
    this.journal = join(folder, 'journal');
    this.#dispose = dispose;
  }

  static async start(): Promise<Bench> {
    const fake = await FakeS3.start();
    const folder = await createTemporaryFolder();
    return new Bench(fake, folder.path, async () => {
      await fake[Symbol.asyncDispose]();
      await folder[Symbol.asyncDispose]();
    });
  }

  async open(options: Partial<S3SinkOptions> = {}): Promise<Sink> {
    const { journal, clock, logger } = this;
    const sink = createS3Sink({ bucket: 'bucket', endpoint: this.fake.endpoint, journal, clock, ...options });
    await sink.open({ pipeline: 'news', runId: 'run', logger });
    return sink;
  }

  async lines(): Promise<readonly string[]> {
    using archive = new S3Archive(this.fake.endpoint);
    return archive.lines();
  }

  get dataKeys(): readonly string[] {
    return [...this.fake.objects.keys()].filter((key) => key.startsWith('sse-data'));
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#dispose();
  }
}

describe('createS3Sink() on a fake of S3', () => {
  it('writes an object under a key of its time, and a manifest that tells what is in it', async () => {
    await using bench = await Bench.start();
    const sink = await bench.open();
    await sink.write([event(1), event(2, { receivedAt: receivedAt + 60_000 })], signal);
    await sink.close('stopped');
    const [key = ''] = bench.dataKeys;
    expect(key).toMatch(/^sse-data2026\/11\/21\/07\/news-2026-11-21-07-08-09-[0-9a-f]{16}\.ndjson\.gz$/);
    const object = bench.fake.objects.get(key);
    expect(zlib.gunzipSync(object?.body ?? Buffer.alloc(0)).toString()).toBe('{"n":1}\n{"n":2}\n');
    expect(object?.contentType).toBe('application/gzip');
    const manifest = bench.fake.objects.get(`sse-manifest/${key}.json`);
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
      bytes: object?.body.length,
      sha256: object?.metadata['tidegate-sha256'],
      digest: object?.metadata['tidegate-digest'],
    });
    expect(await bench.lines()).toEqual(['{"n":1}', '{"n":2}']);
    expect(JSON.stringify(bench.logger.lines)).toContain('no slash at its end');
  });

  it.each<readonly [readonly Fault[]]>([
    [['slow-down', 'slow-down']],
    [['internal-error']],
    [['torn-before', 'torn-after']],
    [['torn-after', 'torn-after', 'torn-after']],
    [['conflict']],
    [['expired-token']],
    [['silent']],
  ])('writes once through %j', async (faults) => {
    await using bench = await Bench.start();
    const sink = await bench.open({ timeoutMs: 100 });
    bench.fake.failNext(...faults);
    expect(await sink.write([event(1), event(2)], signal)).toEqual({ refused: 0, retries: faults.length });
    bench.fake.failNext('internal-error');
    await sink.write([event(3)], signal);
    await sink.close('stopped');
    expect(bench.fake.faultsLeft).toBe(0);
    expect(await bench.lines()).toEqual(['{"n":1}', '{"n":2}', '{"n":3}']);
    expect(bench.dataKeys).toHaveLength(2);
    expect(bench.clock.delays.length).toBeGreaterThanOrEqual(faults.length);
    expect(JSON.stringify(bench.logger.lines)).not.toMatch(/hush|AKIA/);
  });

  it.each<readonly [readonly Fault[]]>([
    [[]],
    [['slow-down']],
    [['torn-after']],
    [['internal-error', 'torn-after', 'torn-before']],
  ])('sends a large object in parts, leaving none behind, through %j', async (faults) => {
    await using bench = await Bench.start();
    const large = { multipartBytes: 1000, partBytes: 300, compression: 'none', prefix: 'sse-data/' } as const;
    const sink = await bench.open(large);
    const data = JSON.stringify(randomBytes(1200).toString('base64'));
    bench.fake.failNext(...faults);
    await sink.write([event(1, { data })], signal);
    await sink.close('stopped');
    expect(await bench.lines()).toEqual([data]);
    expect(bench.fake.uploads.size).toBe(0);
    expect(bench.fake.requests.filter((request) => request.startsWith('POST')).length).toBeGreaterThan(1);
  });

  it('aborts at the start what a crash left of a large object', async () => {
    await using bench = await Bench.start();
    const large = { multipartBytes: 100, partBytes: 300, compression: 'none' } as const;
    const first = await bench.open(large);
    const stop = new AbortController();
    const batch = [event(1, { data: JSON.stringify('x'.repeat(500)) })];
    bench.fake.onRequest = (request) => {
      if (bench.fake.uploads.size > 0 && request.startsWith('PUT')) stop.abort();
    };
    await expect(first.write(batch, stop.signal)).rejects.toThrow('aborted');
    await first.close('stopped');
    expect(bench.fake.uploads.size).toBe(1);
    const second = await bench.open(large);
    await second.write(batch, signal);
    await second.close('stopped');
    expect(bench.fake.uploads.size).toBe(0);
    expect(await bench.lines()).toEqual(batch.map(({ data }) => data));
  });

  it.each([
    ['put', {}],
    ['sent in parts', { multipartBytes: 0 }],
  ])('leaves an object of somebody else alone, and takes another key, %s', async (_, options) => {
    await using bench = await Bench.start();
    const sink = await bench.open();
    await sink.write([event(1)], signal);
    await sink.close('stopped');
    const [key = ''] = bench.dataKeys;
    const foreign = { body: Buffer.from('theirs'), metadata: {}, contentType: 'text/plain' };
    bench.fake.objects.clear();
    bench.fake.objects.set(key, foreign);
    await writeFile(bench.journal, '');
    const again = await bench.open(options);
    await again.write([event(1)], signal);
    await again.close('stopped');
    expect(bench.fake.objects.get(key)).toBe(foreign);
    expect(bench.dataKeys).toHaveLength(2);
    expect(await bench.lines()).toEqual(['{"n":1}']);
  });

  it('writes the manifest that a crash kept from an object whose events cannot come again', async () => {
    await using bench = await Bench.start();
    const first = await bench.open();
    const stop = new AbortController();
    bench.fake.onRequest = (request) => {
      if (request.startsWith('PUT sse-manifest')) stop.abort();
    };
    bench.fake.failNext('torn-after', 'torn-before', 'torn-before');
    await expect(first.write([event(1, { id: '' })], stop.signal)).rejects.toThrow('aborted');
    await first.close('stopped');
    bench.fake.onRequest = undefined;
    bench.fake.objects.forEach((_, key) => key.startsWith('sse-manifest') && bench.fake.objects.delete(key));
    const second = await bench.open();
    await second.write([event(1, { id: '', data: '"next"' })], signal);
    await second.close('stopped');
    expect(await bench.lines()).toEqual(['{"n":1}', '"next"']);
  });

  it('keeps the same bytes for the same events', async () => {
    await using bench = await Bench.start();
    const bodies: (Buffer | undefined)[] = [];
    for (const journal of [`${bench.journal}-1`, `${bench.journal}-2`]) {
      const sink = await bench.open({ journal });
      await sink.write([event(1), event(2)], signal);
      await sink.close('stopped');
      bodies.push(bench.fake.objects.get(bench.dataKeys[0] ?? '')?.body);
      bench.fake.objects.clear();
    }
    expect(bodies[0]).toEqual(bodies[1]);
    expect(bodies[0]?.length).toBeGreaterThan(0);
  });

  it('open() refuses a bucket that is not there', async () => {
    await using bench = await Bench.start();
    const refusal = { code: 'bucket-missing', message: 'Cannot use S3: the bucket "other" is not there' };
    await expect(bench.open({ bucket: 'other' })).rejects.toMatchObject(refusal);
  });

  it('open() refuses to go on without credentials or a region', async () => {
    await using bench = await Bench.start();
    vi.stubEnv('AWS_ACCESS_KEY_ID', '');
    vi.stubEnv('AWS_EC2_METADATA_DISABLED', 'true');
    vi.stubEnv('HOME', bench.journal);
    await expect(bench.open()).rejects.toMatchObject({ code: 'access-refused' });
    vi.stubEnv('AWS_ACCESS_KEY_ID', 'AKIAVISIBLE');
    vi.stubEnv('AWS_REGION', undefined);
    const open = async (): Promise<void> =>
      createS3Sink({ bucket: 'bucket', journal: bench.journal }).open({
        pipeline: 'news',
        runId: 'run',
        logger: bench.logger,
      });
    await expect(open()).rejects.toMatchObject({ code: 'invalid-option', message: /no region is set/ });
    vi.stubEnv('AWS_REGION', '');
    await expect(open()).rejects.toMatchObject({ code: 'invalid-option', message: /region="" is not a valid/ });
  });

  it('open() does not mind that S3 is away, and the write waits for it', async () => {
    await using bench = await Bench.start();
    const away = await FakeS3.start();
    const { endpoint } = away;
    await away[Symbol.asyncDispose]();
    const sink = await bench.open({ endpoint });
    const stop = new AbortController();
    const write = sink.write([event(1)], stop.signal);
    await vi.waitUntil(() => bench.clock.delays.length > 2);
    stop.abort();
    await expect(write).rejects.toThrow(/aborted|ECONNREFUSED/);
    expect(JSON.stringify(bench.logger.lines)).toContain('ECONNREFUSED');
    await sink.close('stopped');
  });

  it('open() refuses a journal that another sink writes, and one that is no journal', async () => {
    await using bench = await Bench.start();
    const sink = await bench.open();
    await expect(bench.open()).rejects.toMatchObject({ code: 'archive-locked' });
    await sink.close('stopped');
    await writeFile(bench.journal, 'something else\n');
    await expect(bench.open()).rejects.toMatchObject({ code: 'journal-unreadable' });
    expect(await readFile(bench.journal, 'utf8')).toBe('something else\n');
  });

  it.each(['none', 'gzip'] as const)(
    'writes Parquet that a reader gets every event from, compressed by %s',
    async (compression) => {
      await using bench = await Bench.start();
      const sink = await bench.open({ format: 'parquet', compression });
      const batch = Array.from({ length: 12_000 }, (_, index) =>
        event(index + 1, { type: index % 2 === 0 ? 'a' : 'ä€😀' }),
      );
      await sink.write(batch, signal);
      await sink.close('stopped');
      const [key = ''] = bench.dataKeys;
      expect(key).toMatch(/\.parquet$/);
      const body = bench.fake.objects.get(key)?.body ?? Buffer.alloc(0);
      const rows = await parquetReadObjects({
        file: body.buffer.slice(body.byteOffset, body.byteOffset + body.length) as ArrayBuffer,
        compressors: { GZIP: (bytes) => zlib.gunzipSync(bytes) },
      });
      expect(rows).toEqual(batch.map(({ id, type, data }) => ({ id, type, data, receivedAt: new Date(receivedAt) })));
      expect(bench.fake.objects.get(`sse-manifest/${key}.json`)?.body.toString()).toContain('"count":12000');
    },
  );

  it('does not write to the key of another format what a crash left to be written', async () => {
    await using bench = await Bench.start();
    const first = await bench.open();
    const stop = new AbortController();
    bench.fake.onRequest = () => stop.abort();
    bench.fake.failNext('torn-before');
    await expect(first.write([event(1)], stop.signal)).rejects.toThrow('aborted');
    await first.close('stopped');
    const second = await bench.open({ compression: 'none' });
    await second.write([event(1)], signal);
    await second.close('stopped');
    expect(bench.dataKeys).toEqual([expect.stringMatching(/\.ndjson$/)]);
    expect(await bench.lines()).toEqual(['{"n":1}']);
  });

  it('compresses with zstd where Node can, and says so where it cannot', async () => {
    await using bench = await Bench.start();
    const write = async (): Promise<string | undefined> => {
      const sink = await bench.open({ compression: 'zstd' });
      await sink.write([event(1)], signal);
      await sink.close('stopped');
      return bench.dataKeys[0];
    };
    const outcome = await write().catch(String);
    expect(outcome).toMatch('createZstdCompress' in zlib ? /\.ndjson\.zst$/ : /it needs Node 22\.15 or newer/);
  });
});
