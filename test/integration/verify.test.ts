import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { createS3Sink, verifyS3Archive } from '../../src/ingest/index.js';
import { spooled } from '../conformance/sink.js';
import { createCapturingLogger } from '../support/capturing-logger.js';
import { start } from '../support/cli.js';
import { JumpingClock } from '../support/clocks.js';
import { FakeS3 } from '../support/fake-s3.js';
import { freePort } from '../support/free-port.js';
import { createTemporaryFolder } from '../support/temporary-folder.js';

beforeAll(() => {
  vi.stubEnv('AWS_ACCESS_KEY_ID', 'test');
  vi.stubEnv('AWS_SECRET_ACCESS_KEY', 'test');
});
afterAll(() => {
  vi.unstubAllEnvs();
});

const { signal } = new AbortController();

/** A bucket with ten objects of two events each. */
async function archive(): Promise<FakeS3> {
  const fake = await FakeS3.start();
  await using folder = await createTemporaryFolder();
  const journal = join(folder.path, 'journal');
  const sink = createS3Sink({ bucket: 'bucket', endpoint: fake.endpoint, journal, clock: new JumpingClock() });
  await sink.open({ pipeline: 'p', runId: 'r', logger: createCapturingLogger() });
  for (let first = 1; first < 20; first += 2)
    await sink.write([spooled(first, `${first}`), spooled(first + 1, `${first + 1}`)], signal);
  await sink.close('stopped');
  return fake;
}

function dataKeys({ objects }: FakeS3): readonly string[] {
  return [...objects.keys()].filter((key) => key.startsWith('sse-data'));
}

describe('verifyS3Archive()', () => {
  it('finds nothing wrong with what the sink wrote, page by page and through errors', async () => {
    await using fake = await archive();
    fake.failNext('internal-error', 'torn-before', 'slow-down');
    const report = await verifyS3Archive({ bucket: 'bucket', endpoint: fake.endpoint, readsData: true }, signal);
    expect(report).toMatchObject({ objects: 10, events: 20, chains: 1, findings: [], isSound: true });
  });

  it('says which manifest it cannot read, the last one too, and passes over what is named like none', async () => {
    await using fake = await archive();
    const manifests = [...fake.objects.keys()].filter((key) => key.startsWith('sse-manifest/')).toSorted();
    const last = manifests.at(-1) ?? '';
    const before = fake.objects.get(last);
    if (before === undefined) throw new Error('There is no manifest');
    fake.objects.set(last, { ...before, body: before.body.subarray(0, 40) });
    fake.objects.set('sse-manifest/readme.txt', { ...before, body: Buffer.from('Manifests') });
    const report = await verifyS3Archive({ bucket: 'bucket', endpoint: fake.endpoint }, signal);
    expect(report.isSound).toBe(false);
    expect(report.findings).toContainEqual({ kind: 'unreadable-manifest', key: last });
    expect(JSON.stringify(report)).not.toContain('readme');
  });

  it('finds data that is gone, and data that was changed where it reads them', async () => {
    await using fake = await archive();
    const [gone = '', changed = ''] = dataKeys(fake);
    const before = fake.objects.get(changed);
    fake.objects.delete(gone);
    if (before !== undefined) fake.objects.set(changed, { ...before, body: Buffer.alloc(before.body.length) });
    const options = { bucket: 'bucket', endpoint: fake.endpoint };
    const missing = { kind: 'missing-object', key: gone, events: 2 };
    const different = { kind: 'different-object', key: changed, events: 2 };
    expect((await verifyS3Archive(options, signal)).findings).toEqual([missing]);
    expect((await verifyS3Archive({ ...options, readsData: true }, signal)).findings).toEqual(
      expect.arrayContaining([missing, different]),
    );
  });
});

describe('tidegate verify', () => {
  it('exits 0 for a whole archive and 1 for one with a gap, and says which', async () => {
    await using fake = await archive();
    await using whole = start(['verify', '--sink.s3.bucket', 'bucket', '--sink.s3.endpoint', fake.endpoint]);
    expect([await whole.exit, whole.stdout.text]).toEqual([
      0,
      expect.stringMatching(/^10 objects, 20 events, [\d.]+ \w+, 1 chain\nno gap, no duplicate\n$/),
    ]);
    const third = dataKeys(fake)[2] ?? '';
    fake.objects.delete(`sse-manifest/${third}.json`);
    await using broken = start(['verify', '--sink.s3.bucket', 'bucket', '--sink.s3.endpoint', fake.endpoint]);
    expect([await broken.exit, broken.stdout.text]).toEqual([
      1,
      expect.stringContaining('gap: objects 3 to 3 of chain'),
    ]);
    await using json = start(['verify', '--sink.s3.bucket', 'bucket', '--sink.s3.endpoint', fake.endpoint, '--json']);
    expect(await json.exit).toBe(1);
    expect(JSON.parse(json.stdout.text)).toMatchObject({ objects: 9, findings: [{ kind: 'gap', from: 3, to: 3 }] });
  });

  it('does not take an archive that it cannot find for a whole one', async () => {
    await using fake = await archive();
    const place = ['--sink.s3.bucket', 'bucket', '--sink.s3.endpoint', fake.endpoint];
    await using elsewhere = start(['verify', ...place, '--sink.s3.manifestPrefix', 'manifests/']);
    expect([await elsewhere.exit, elsewhere.stdout.text]).toEqual([1, '0 objects, 0 events, 0 B, 0 chains\n']);
    expect(elsewhere.stderr.text).toContain('There is no manifest in bucket under "manifests/"');
  });

  it.each([
    ['is away', (port: number) => ['bucket', `http://127.0.0.1:${port}`], /ECONNREFUSED/, 'archive-unreadable'],
    ['has no such bucket', (_: number, url: string) => ['other', url], /NoSuchBucket/, 'bucket-missing'],
  ])('says in one sentence that S3 %s: nothing is proven then', async (_, at, words, code) => {
    await using fake = await FakeS3.start();
    const [bucket = '', endpoint = ''] = at(await freePort(), fake.endpoint);
    await using run = start(['verify', '--sink.s3.bucket', bucket, '--sink.s3.endpoint', endpoint]);
    expect(await run.exit).toBe(1);
    expect(run.stdout.text).toBe('');
    expect(run.stderr.text).toMatch(
      new RegExp(`^error Cannot read the archive in bucket "${bucket}": .* \\[${code}\\]\n$`),
    );
    expect(run.stderr.text).toMatch(words);
  });

  it('proves nothing by a manifest that it cannot read, and says why', async () => {
    await using fake = await archive();
    fake.failNext(...Array.from({ length: 200 }, () => 'expired-token' as const));
    await using run = start(['verify', '--sink.s3.bucket', 'bucket', '--sink.s3.endpoint', fake.endpoint]);
    expect(await run.exit).toBe(1);
    expect(run.stdout.text).toBe('');
    expect(run.stderr.text).toMatch(/^error Cannot read the archive .* \[access-refused\]\n$/);
  }, 40_000);

  it('says what is missing on the command line', async () => {
    await using run = start(['verify']);
    expect([await run.exit, run.stderr.text]).toEqual([2, expect.stringContaining('--sink.s3.bucket')]);
  });
});
