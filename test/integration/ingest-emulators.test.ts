import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { start } from '../support/cli.js';
import { Kinesalite } from '../support/kinesalite.js';
import { KinesisStream, REGION } from '../support/kinesis-stream.js';
import { Landing } from '../support/landing.js';
import { hasMoto, MOTO, MotoServer } from '../support/moto-server.js';
import { S3Archive } from '../support/s3-archive.js';
import { createTemporaryFolder } from '../support/temporary-folder.js';
import { cut, serve, startUpstream, status } from '../support/upstream.js';

// The AWS SDK takes them from the environment by itself.
beforeEach(() => {
  vi.stubEnv('AWS_ACCESS_KEY_ID', 'test');
  vi.stubEnv('AWS_SECRET_ACCESS_KEY', 'test');
  vi.stubEnv('AWS_REGION', REGION);
});
afterEach(() => vi.unstubAllEnvs());

/** Events `from` to `to`, as a body. */
function body(from: number, to: number): string {
  const ids = Array.from({ length: to - from + 1 }, (_, at) => from + at);
  return ids.map((id) => `id: ${id}\ndata: {"n":${id}}\n\n`).join('');
}

const numberOf = (line: string): number => (JSON.parse(line) as { readonly n: number }).n;

/** The lines by what they count; neither Kinesis nor Firehose promises an order. */
function inOrder(lines: readonly string[]): readonly string[] {
  return lines.map((line) => line.trim()).toSorted((a, b) => numberOf(a) - numberOf(b));
}

describe('tidegate ingest', () => {
  it.skipIf(!hasMoto)(
    `brings a stream that breaks to kinesalite, and to Firehose and S3 of moto, each event once ${MOTO}`,
    async () => {
      await using folder = await createTemporaryFolder();
      await using kinesalite = await Kinesalite.start();
      await using moto = await MotoServer.start();
      using stream = new KinesisStream(kinesalite.endpoint);
      await stream.create(2);
      using landing = await Landing.create(moto.endpoint, 'landing');
      using archive = new S3Archive(moto.endpoint, 'archive');
      await archive.createBucket();
      await using upstream = await startUpstream(cut(body(1, 700)), serve(body(701, 1500)), status(204));
      const toS3 = ['--sink.s3.bucket', 'archive', '--sink.s3.endpoint', moto.endpoint];
      const toKinesis = ['-s', 'events', '-r', REGION, '--sink.kinesis.endpoint', kinesalite.endpoint];
      const toFirehose = ['--sink.firehose.stream', 'landing', '--sink.firehose.endpoint', moto.endpoint];
      await using ingest = start(['ingest', '--url', upstream.url, ...toS3, ...toKinesis, ...toFirehose], {
        cwd: folder.path,
      });
      expect([await ingest.exit, ingest.stderr.text]).toEqual([0, expect.not.stringContaining('Error')]);
      expect(upstream.requests[1]?.['last-event-id']).toBe('700');
      const all = Array.from({ length: 1500 }, (_, at) => `{"n":${at + 1}}`);
      expect(await archive.lines()).toEqual(all);
      expect(inOrder((await stream.read()).map(({ data }) => data))).toEqual(all);
      expect(inOrder(await landing.lines())).toEqual(all);
      await using verify = start(['verify', ...toS3]);
      expect([await verify.exit, verify.stdout.text]).toEqual([0, expect.stringContaining('no gap, no duplicate')]);
    },
  );
});
