// What an ingest writes to, in a process of its own: the fakes of the tests, which answer as AWS does:
//   tsx bench/ingest-target.ts '{"service": "kinesis"}'
// Prints its address, one line.
import { startFakeAws } from '../test/support/fake-aws.js';
import { FakeS3 } from '../test/support/fake-s3.js';

export interface IngestTargetOptions {
  readonly service: 'kinesis' | 's3';
}

const FORGET_MS = 200;

const { service } = JSON.parse(process.argv[2] ?? '{}') as IngestTargetOptions;
if (service === 's3') {
  const s3 = await FakeS3.start();
  console.log(s3.endpoint);
} else {
  const aws = await startFakeAws();
  console.log(aws.url);
  // It keeps all records and requests for tests to look at; here nobody does.
  setInterval(() => {
    aws.records.length = 0;
    aws.requests.length = 0;
  }, FORGET_MS);
}
