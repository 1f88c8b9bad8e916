import { join, resolve } from 'node:path';
import { createFirehoseSink, createKinesisSink, createS3Sink } from '../ingest/index.js';
import type { DeadLetters, Format, PipelineSink, Sink } from '../ingest/index.js';
import type { Settings } from './config/index.js';
import { placeOf as place } from './dead-letters.js';
import type { SinksOptions } from './dead-letters.js';

/** The sinks of AWS that `settings` ask for. */
export function createAwsSinks(options: SinksOptions): readonly PipelineSink[] {
  const { settings, cwd } = options;
  const sinks: PipelineSink[] = [];
  const common = (): { readonly format: Format; readonly deadLetters: DeadLetters } => {
    return { format: settings.format, deadLetters: options.deadLetters() };
  };
  const kinesis = settings['sink.kinesis.stream'];
  if (kinesis !== undefined) {
    const sink = createKinesisSink({
      ...common(),
      format: settings['sink.kinesis.format'] ?? settings.format,
      ...place(settings['sink.kinesis.region'], settings['sink.kinesis.endpoint']),
      stream: kinesis,
      partitionKey: settings['sink.kinesis.partitionKey'],
      order: settings['sink.kinesis.order'],
      recordBytes: settings['sink.kinesis.recordBytes'],
      requestBytes: settings['sink.kinesis.requestBytes'],
      requests: settings['sink.kinesis.requests'],
      timeoutMs: settings['sink.kinesis.timeoutMs'],
    });
    sinks.push({ sink, onFull: settings['sink.kinesis.onFull'] });
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
    sinks.push({ sink, onFull: settings['sink.firehose.onFull'] });
  }
  const bucket = settings['sink.s3.bucket'];
  if (bucket !== undefined)
    sinks.push({ sink: createS3SinkTo(bucket, settings, cwd), onFull: settings['sink.s3.onFull'] });
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
    timeoutMs: settings['sink.s3.timeoutMs'],
    journal: join(resolve(cwd, settings['data.dir']), `${settings['pipeline.name']}.s3-journal`),
    // Another sink may be behind by all that the spool holds, and after a crash those events come again.
    journalEvents: 2 * settings['spool.events'],
  });
}
