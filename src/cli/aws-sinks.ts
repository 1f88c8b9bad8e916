import { join, resolve } from 'node:path';
import { createDeadLetterFile, createFirehoseSink, createKinesisSink, createS3Sink } from '../ingest/index.js';
import type { DeadLetters, PipelineSink, Sink } from '../ingest/index.js';
import type { Settings } from './config/index.js';

/** The sinks of AWS that `settings` ask for. */
export function createAwsSinks(settings: Settings, cwd: string): readonly PipelineSink[] {
  const sinks: PipelineSink[] = [];
  const common = { format: settings.format, deadLetters: createDeadLetters(settings, cwd) };
  const kinesis = settings['sink.kinesis.stream'];
  if (kinesis !== undefined) {
    const sink = createKinesisSink({
      ...common,
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
      ...common,
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
    format: settings.format,
    compression: settings['sink.s3.compression'],
    rotateBytes: settings['sink.s3.rotateBytes'],
    rotateMs: settings['sink.s3.rotateMs'],
    journal: join(resolve(cwd, settings['data.dir']), `${settings['pipeline.name']}.s3-journal`),
    // Another sink may be behind by all that the spool holds, and after a crash those events come again.
    journalEvents: 2 * settings['spool.events'],
  });
}

/** What all sinks of the pipeline share for what they can never take. */
function createDeadLetters(settings: Settings, cwd: string): DeadLetters {
  const file = settings['deadLetter.file'];
  const name = `${settings['pipeline.name']}.dead-letters.ndjson`;
  const url = new URL(settings['source.url'] ?? '');
  return createDeadLetterFile({
    path: file === undefined ? join(resolve(cwd, settings['data.dir']), name) : resolve(cwd, file),
    // Without user and query: they may hold a secret.
    source: `${url.origin}${url.pathname}`,
    bytesMax: settings['deadLetter.bytes'],
  });
}

function place(
  region: string | undefined,
  endpoint: string | undefined,
): { readonly region?: string; readonly endpoint?: string } {
  return { ...(region === undefined ? {} : { region }), ...(endpoint === undefined ? {} : { endpoint }) };
}
