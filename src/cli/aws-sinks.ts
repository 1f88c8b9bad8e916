import { join, resolve } from 'node:path';
import {
  createDeadLetterFile,
  createFirehoseSink,
  createKinesisSink,
  createS3DeadLetters,
  createS3Sink,
} from '../ingest/index.js';
import type { DeadLetters, Format, PipelineSink, Sink } from '../ingest/index.js';
import type { Logger } from '../runtime/index.js';
import type { Settings } from './config/index.js';

export interface AwsSinksOptions {
  readonly settings: Settings;
  readonly cwd: string;
  readonly logger: Logger;
}

/** The sinks of AWS that `settings` ask for. */
export function createAwsSinks(options: AwsSinksOptions): readonly PipelineSink[] {
  const { settings, cwd } = options;
  const sinks: PipelineSink[] = [];
  let shared: DeadLetters | undefined;
  const common = (): { readonly format: Format; readonly deadLetters: DeadLetters } => {
    shared ??= createDeadLetters(options);
    return { format: settings.format, deadLetters: shared };
  };
  const kinesis = settings['sink.kinesis.stream'];
  if (kinesis !== undefined) {
    const sink = createKinesisSink({
      ...common(),
      ...place(settings['sink.kinesis.region'], settings['sink.kinesis.endpoint']),
      stream: kinesis,
      partitionKey: settings['sink.kinesis.partitionKey'],
      order: settings['sink.kinesis.order'],
      recordBytes: settings['sink.kinesis.recordBytes'],
      requestBytes: settings['sink.kinesis.requestBytes'],
      requests: settings['sink.kinesis.requests'],
      timeoutMs: settings['sink.kinesis.timeoutMs'],
    });
    sinks.push({ sink });
  }
  const firehose = settings['sink.firehose.stream'];
  if (firehose !== undefined) {
    const sink = createFirehoseSink({
      ...common(),
      ...place(settings['sink.firehose.region'], settings['sink.firehose.endpoint']),
      stream: firehose,
      requests: settings['sink.firehose.requests'],
      timeoutMs: settings['sink.firehose.timeoutMs'],
    });
    sinks.push({ sink });
  }
  const bucket = settings['sink.s3.bucket'];
  if (bucket !== undefined) sinks.push({ sink: createS3SinkTo(bucket, settings, cwd) });
  return sinks;
}

function createS3SinkTo(bucket: string, settings: Settings, cwd: string): Sink {
  return createS3Sink({
    bucket,
    ...place(settings['sink.s3.region'], settings['sink.s3.endpoint']),
    prefix: settings['sink.s3.prefix'],
    manifestPrefix: settings['sink.s3.manifestPrefix'],
    format: settings['sink.s3.format'] ?? settings.format,
    compression: settings['sink.s3.compression'],
    rotateBytes: settings['sink.s3.rotateBytes'],
    rotateMs: settings['sink.s3.rotateMs'],
    journal: join(resolve(cwd, settings['data.dir']), `${settings['pipeline.name']}.s3-journal`),
    // Another sink may be behind by all that the spool holds, and after a crash those events come again.
    journalEvents: 2 * settings['spool.events'],
  });
}

/**
 * What the sinks of the pipeline share for what they can never take: a file, or objects in the bucket where there
 * is one and no file is named.
 */
function createDeadLetters({ settings, cwd, logger }: AwsSinksOptions): DeadLetters {
  const [file, bucket] = [settings['deadLetter.file'], settings['sink.s3.bucket']];
  const pipeline = settings['pipeline.name'];
  const url = new URL(settings['source.url'] ?? '');
  // Without user and query: they may hold a secret.
  const source = `${url.origin}${url.pathname}`;
  if (file === undefined && bucket !== undefined) {
    const s3 = place(settings['sink.s3.region'], settings['sink.s3.endpoint']);
    const errorPrefix = settings['sink.s3.errorPrefix'];
    return createS3DeadLetters({ bucket, ...s3, pipeline, errorPrefix, source, logger });
  }
  const name = `${pipeline}.dead-letters.ndjson`;
  return createDeadLetterFile({
    path: file === undefined ? join(resolve(cwd, settings['data.dir']), name) : resolve(cwd, file),
    source,
    bytesMax: settings['deadLetter.bytes'],
  });
}

function place(
  region: string | undefined,
  endpoint: string | undefined,
): { readonly region?: string; readonly endpoint?: string } {
  return { ...(region === undefined ? {} : { region }), ...(endpoint === undefined ? {} : { endpoint }) };
}
