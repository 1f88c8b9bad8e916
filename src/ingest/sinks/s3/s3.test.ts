import { randomBytes } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import * as zlib from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { createCapturingLogger } from '../../../../test/support/capturing-logger.js';
import { JumpingClock } from '../../../../test/support/clocks.js';
import { FakeS3 } from '../../../../test/support/fake-s3.js';
import type { Fault } from '../../../../test/support/fake-s3.js';
import { S3Archive } from '../../../../test/support/s3-archive.js';
import { createTemporaryFolder } from '../../../../test/support/temporary-folder.js';
import type { SpooledEvent } from '../../spool/spool.js';
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
    const fake = await FakeS3.start({ partBytesMin: 0 });
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

  it('sends a large object again where an answer says first that it is there, and then that it is not', async () => {
    await using bench = await Bench.start();
    const sink = await bench.open({ multipartBytes: 0 });
    const faults: Fault[] = ['error-in-200', 'error-in-200'];
    bench.fake.onRequest = (request) => {
      if (request.startsWith('POST') && !request.endsWith('?uploads')) bench.fake.failNext(...faults.splice(0, 1));
    };
    expect(await sink.write([event(1)], signal)).toEqual({ refused: 0, retries: 2 });
    await sink.close('stopped');
    expect(await bench.lines()).toEqual(['{"n":1}']);
    expect(bench.dataKeys).toHaveLength(1);
    expect(bench.fake.uploads.size).toBe(0);
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
