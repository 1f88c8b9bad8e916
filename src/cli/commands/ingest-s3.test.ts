import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { start } from '../../../test/support/cli.js';
import { startFakeAws } from '../../../test/support/fake-aws.js';
import { FakeS3 } from '../../../test/support/fake-s3.js';
import { S3Archive } from '../../../test/support/s3-archive.js';
import { createTemporaryFolder } from '../../../test/support/temporary-folder.js';
import { serve, startUpstream } from '../../../test/support/upstream.js';

// The AWS SDK takes them from the environment by itself.
beforeEach(() => {
  vi.stubEnv('AWS_ACCESS_KEY_ID', 'test');
  vi.stubEnv('AWS_SECRET_ACCESS_KEY', 'hunter2');
});
afterEach(() => vi.unstubAllEnvs());

const BODY = `id: 1\ndata: {"n":1}\n\nid: 2\nevent: big\ndata: {"n":"${'x'.repeat(2000)}"}\n\nid: 3\ndata: {"n":3}\n\n`;

describe('tidegate ingest', () => {
  it('archives a stream in S3, and there the dead letters of its other sinks too', async () => {
    await using folder = await createTemporaryFolder();
    await using upstream = await startUpstream(serve(BODY), (response) => response.writeHead(204).end());
    await using kinesis = await startFakeAws();
    await using fake = await FakeS3.start();
    const toS3 = ['--sink.s3.bucket', 'bucket', '--sink.s3.endpoint', fake.endpoint, '--sink.s3.prefix', 'data/'];
    const toKinesis = ['-s', 'events', '-r', 'eu-central-1', '--sink.kinesis.endpoint', kinesis.url];
    await using ingest = start(
      ['ingest', '--url', upstream.url, ...toS3, ...toKinesis, '--sink.kinesis.recordBytes', '1KiB'],
      { cwd: folder.path },
    );
    expect(await ingest.exit).toBe(0);
    using archive = new S3Archive(fake.endpoint);
    expect(await archive.lines()).toEqual(['{"n":1}', expect.stringContaining('xxx'), '{"n":3}']);
    expect(await archive.objects('data/')).toHaveLength(1);
    const [dead] = await archive.objects('sse-errorkinesis-failed/');
    expect(JSON.parse(dead?.body.toString() ?? '')).toMatchObject({ eventId: '2', sink: 'kinesis' });
    expect(ingest.stdout.text).toContain('sse-error');
    expect(ingest.stdout.text + ingest.stderr.text).not.toContain('hunter2');
  });

  it('does not start where there is no such bucket, or the prefix is not understood', async () => {
    await using folder = await createTemporaryFolder();
    await using fake = await FakeS3.start();
    const flags = ['ingest', '--url', 'http://127.0.0.1:9/', '--sink.s3.endpoint', fake.endpoint];
    await using nowhere = start([...flags, '--sink.s3.bucket', 'nowhere'], { cwd: folder.path });
    expect(await nowhere.exit).toBe(1);
    expect(nowhere.stderr.text).toContain('the bucket "nowhere" is not there (bucket-missing)');
    const prefix = ['--sink.s3.bucket', 'bucket', '--sink.s3.prefix', 'a/!{hour}/'];
    await using unread = start([...flags, ...prefix], { cwd: folder.path });
    expect(await unread.exit).toBe(2);
    expect(unread.stderr.text).toContain('Cannot read the key expression "!{hour}"');
  });
});
