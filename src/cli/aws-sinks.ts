import { join, resolve } from 'node:path';
import { createDeadLetterFile, createFirehoseSink, createKinesisSink } from '../ingest/index.js';
import type { DeadLetters, PipelineSink } from '../ingest/index.js';
import type { Settings } from './config/index.js';

/** The sinks of AWS that `settings` ask for. */
export function createAwsSinks(settings: Settings, deadLetters: DeadLetters): readonly PipelineSink[] {
  const sinks: PipelineSink[] = [];
  const common = { format: settings.format, deadLetters };
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
  return sinks;
}

/** What all sinks of the pipeline share for what they can never take. */
export function createDeadLetters(settings: Settings, cwd: string): DeadLetters {
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
