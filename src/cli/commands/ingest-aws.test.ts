import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { start } from '../../../test/support/cli.js';
import { startFakeAws, throttle } from '../../../test/support/fake-aws.js';
import { createTemporaryFolder } from '../../../test/support/temporary-folder.js';
import { serve, startUpstream } from '../../../test/support/upstream.js';

// The AWS SDK takes them from the environment by itself.
beforeEach(() => {
  vi.stubEnv('AWS_ACCESS_KEY_ID', 'test');
  vi.stubEnv('AWS_SECRET_ACCESS_KEY', 'test');
});
afterEach(() => vi.unstubAllEnvs());

describe('tidegate ingest', () => {
  it('brings a stream to Kinesis, Firehose and files at once, and what is too large to the dead letters', async () => {
    await using folder = await createTemporaryFolder();
    await using upstream = await startUpstream(
      serve(`id: 1\ndata: {"n":1}\n\nid: 2\nevent: big\ndata: {"n":"${'x'.repeat(2000)}"}\n\nid: 3\ndata: {"n":3}\n\n`),
      (response) => response.writeHead(204).end(),
    );
    await using kinesis = await startFakeAws();
    await using firehose = await startFakeAws();
    kinesis.faults.push(throttle);
    const toKinesis = ['-s', 'events', '-r', 'eu-central-1', '--sink.kinesis.endpoint', kinesis.url];
    const toFirehose = ['--sink.firehose.stream', 'events', '--sink.firehose.region', 'eu-west-1'];
    const more = ['--sink.kinesis.recordBytes', '1KiB', '--sink.kinesis.partitionKey', '/n', '--sink.file.dir', 'a'];
    const endpoint = ['--sink.firehose.endpoint', firehose.url];
    const url = upstream.url.replace('http://', 'http://user:hunter2@');
    await using ingest = start(
      ['ingest', '--url', `${url}feed?token=hunter2`, ...toKinesis, ...toFirehose, ...endpoint, ...more],
      { cwd: folder.path },
    );
    expect(await ingest.exit).toBe(0);
    expect(kinesis.records.map(({ key, data }) => [key, data])).toEqual([
      ['1', '{"n":1}'],
      ['3', '{"n":3}'],
    ]);
    expect(firehose.records).toHaveLength(3);
    const [archive = ''] = await readdir(join(folder.path, 'a')).then((names) =>
      names.filter((n) => n.endsWith('.ndjson')),
    );
    expect((await readFile(join(folder.path, 'a', archive), 'utf8')).split('\n')).toHaveLength(4);
    const dead = await readFile(join(folder.path, 'tidegate-data', 'ingest.dead-letters.ndjson'), 'utf8');
    expect(JSON.parse(dead)).toMatchObject({
      attemptsMade: 0,
      lastErrorCode: 'record-too-large',
      eventId: '2',
      eventType: 'big',
      source: `${upstream.url}feed`,
      sink: 'kinesis',
    });
    expect(ingest.stdout.text + ingest.stderr.text + dead).not.toContain('hunter2');
  });

  it('does not start where the stream is missing, and says which', async () => {
    await using folder = await createTemporaryFolder();
    await using aws = await startFakeAws();
    const flags = ['--stream', 'nowhere', '--region', 'eu-central-1', '--sink.kinesis.endpoint', aws.url];
    await using ingest = start(['ingest', '--url', 'http://127.0.0.1:9/', ...flags], { cwd: folder.path });
    expect(await ingest.exit).toBe(1);
    expect(ingest.stderr.text).toContain('Cannot write to stream "nowhere"');
    expect(ingest.stderr.text).toContain('(stream-missing)');
  });

  it('takes the command line of the SSE ingest on Fargate as it was typed', async () => {
    await using folder = await createTemporaryFolder();
    await using upstream = await startUpstream(serve('event: a\ndata: x y\n\ndata: left out\n\n'), (response) =>
      response.writeHead(204).end(),
    );
    await using aws = await startFakeAws();
    const typed = ['-u', upstream.url, '-s', 'events', '-r', 'eu-central-1', '-t', 'a', '-rms', '10', '-rt', '60000'];
    await using ingest = start(
      ['ingest', ...typed, '-h', 'x-one,1,authorization,Bearer hunter2', '--sink.kinesis.endpoint', aws.url],
      { cwd: folder.path },
    );
    await ingest.exit;
    expect(aws.records.map(({ data }) => data)).toEqual(['x y']);
    expect(upstream.requests[0]).toMatchObject({ 'x-one': '1', authorization: 'Bearer hunter2' });
    expect(ingest.stdout.text + ingest.stderr.text).not.toContain('hunter2');
  });

  it('writes records in the format that is asked for, whatever the flags', async () => {
    await using folder = await createTemporaryFolder();
    await using upstream = await startUpstream(serve('data: x\n\n'), (response) => response.writeHead(204).end());
    await using aws = await startFakeAws();
    const typed = ['-u', upstream.url, '-s', 'events', '-r', 'eu-central-1', '--sink.kinesis.endpoint', aws.url];
    await using ingest = start(['ingest', ...typed, '--format', 'ndjson'], { cwd: folder.path });
    await ingest.exit;
    expect(aws.records.map(({ data }) => data)).toEqual(['"x"\n']);
  });

  it.each([
    ['-s events -r eu-central-1', 'without -u URL ['],
    ['-u http://a/ -r eu-central-1', 'without -s STREAM ['],
    ['-u http://a/ -s events', 'without -r REGION ['],
  ])('says what "%s" is missing, prints the help and exits with 1', async (typed, said) => {
    await using ingest = start(['ingest', ...typed.split(' ')]);
    expect(await ingest.exit).toBe(1);
    expect(ingest.stderr.text).toContain(said);
    expect(ingest.stderr.text).toContain('-u, --url <url>');
  });
});
