import { connectFirehose } from './firehose-client.js';
import { RecordSink, REQUESTS, sharedOptions } from './record-sink.js';
import type { AwsSinkOptions } from './record-sink.js';
import type { Sink } from './sink.js';

export type FirehoseSinkOptions = AwsSinkOptions;

const KIB = 1024;
/** Source: PutRecordBatch, Amazon Data Firehose API Reference. */
const LIMITS = { recordsMax: 500, bytesMax: 4 * KIB * KIB, recordBytesMax: 1000 * KIB };

/**
 * Puts events into a Firehose stream, as {@link createKinesisSink} does into Kinesis. Firehose writes records
 * one behind the other: with format `data` nothing stands between them.
 * @throws IngestError its `open` throws `package-missing`, `stream-missing`, `access-refused` where AWS does
 * not know the caller, or `invalid-option`.
 */
export function createFirehoseSink(options: FirehoseSinkOptions): Sink {
  const { recordBytesMax, ...request } = LIMITS;
  return new RecordSink({
    ...sharedOptions(options),
    name: options.name ?? 'firehose',
    order: 'none',
    keyOf: () => '',
    recordBytesMax,
    request,
    connect: () => connectFirehose(options.stream, { ...options, requests: options.requests ?? REQUESTS }),
  });
}
