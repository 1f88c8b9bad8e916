import { IngestError } from '../errors.js';
import { connectKinesis } from './kinesis-client.js';
import { createPartitionKey } from './partition-key.js';
import type { RecordOrder } from './record-queue.js';
import { RecordSink, REQUESTS, sharedOptions } from './record-sink.js';
import type { AwsSinkOptions } from './record-sink.js';
import type { Sink } from './sink.js';

export interface KinesisSinkOptions extends AwsSinkOptions {
  /** `random` (default), `type`, `id` or a JSON pointer into the data; random where an event has no such value. */
  readonly partitionKey?: string;
  /**
   * `key` keeps the order of records with one partition key, one of a key at a time: a stream of few keys
   * is slow then. Default `none`.
   */
  readonly order?: RecordOrder;
  /** Bytes of the largest record with its key (default 1 MiB, at most 10 MiB). */
  readonly recordBytes?: number;
  /** Bytes of the largest request (default 5 MiB, which old endpoints take too; at most 10 MiB). */
  readonly requestBytes?: number;
}

const MIB = 1024 * 1024;
/** Source: PutRecords, Kinesis Data Streams API Reference. */
const RECORDS_MAX = 500;

/**
 * Puts events into a Kinesis data stream. Tries again for ever where AWS is away, throttles, refuses the
 * credentials or has lost the stream; a record that it will never take becomes a dead letter. A record whose
 * answer was lost is put again: Kinesis may then have it twice.
 * @throws IngestError `invalid-option`; its `open` throws `package-missing`, `stream-missing`,
 * `access-refused` where AWS does not know the caller, or `invalid-option`.
 */
export function createKinesisSink(options: KinesisSinkOptions): Sink {
  const { recordBytes = MIB, requestBytes = 5 * MIB, requests = REQUESTS, partitionKey = 'random' } = options;
  if (recordBytes > requestBytes)
    throw new IngestError(
      'invalid-option',
      `Cannot put records of ${recordBytes} bytes in requests of ${requestBytes}: no request could hold one`,
    );
  return new RecordSink({
    ...sharedOptions(options),
    name: options.name ?? 'kinesis',
    order: options.order ?? 'none',
    keyOf: createPartitionKey(partitionKey),
    recordBytesMax: recordBytes,
    request: { recordsMax: RECORDS_MAX, bytesMax: requestBytes },
    connect: () => connectKinesis(options.stream, { ...options, ...regionOf(options), requests }),
  });
}

/** An ARN says its region: `arn:aws:kinesis:REGION:…`. */
function regionOf({ region, stream }: KinesisSinkOptions): { readonly region?: string } {
  const known = region ?? (stream.startsWith('arn:') ? stream.split(':')[3] : undefined);
  return known === undefined ? {} : { region: known };
}
