import type { S3SinkOptions } from '../../src/ingest/index.js';
import { describeOnS3 } from '../support/s3-servers.js';
import { describeS3Sink, S3Bench } from './s3-sink.js';
import { describeStrictUploads, describeUploadRules } from './s3-uploads.js';
import { describeSink } from './sink.js';
import type { SinkFixture } from './sink.js';

describeOnS3('createS3Sink()', (server) => {
  async function createFixture(options: Partial<S3SinkOptions>, fail: (bench: S3Bench) => void): Promise<SinkFixture> {
    const bench = await S3Bench.open(server);
    return {
      create: () => bench.createSink(options),
      read: () => bench.archive.lines(),
      failOnce: () => fail(bench),
      [Symbol.asyncDispose]: () => bench[Symbol.asyncDispose](),
    };
  }

  describeSink('with a torn connection', () => createFixture({}, ({ link }) => link.refuseNext()));
  describeSink('in parts, with a lost answer', () =>
    createFixture({ multipartBytes: 0 }, ({ link }) => link.loseAnswer(2)),
  );
  describeS3Sink(server);
  if (!server.lacks.includes('upload rules')) describeUploadRules(server);
  if (!server.lacks.includes('strict uploads')) describeStrictUploads(server);
});
