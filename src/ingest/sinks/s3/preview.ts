import type { ReceivedEvent } from '../../sources/source.js';
import { parseErrorPrefix, parsePrefix } from './key-expressions.js';
import { manifestKeyOf } from './manifest.js';
import { extensionOf } from './object-encoder.js';
import type { Encoding } from './object-encoder.js';
import { keyOf } from './object-key.js';

export interface S3PreviewOptions extends Encoding {
  readonly pipeline: string;
  readonly prefix: string;
  readonly errorPrefix: string;
  readonly manifestPrefix: string;
}

/** How keys come out. */
export interface S3Preview {
  /** Of an object that begins with the event. */
  readonly key: string;
  readonly manifestKey: string;
  /** How the keys of dead letters begin. */
  readonly errorPrefix: string;
  readonly warnings: readonly string[];
}

/**
 * The keys that the S3 sink would choose for an object that begins with `first`; nothing is written.
 * @throws IngestError `invalid-option`: a prefix is not understood.
 */
export function previewS3(options: S3PreviewOptions, first: ReceivedEvent): S3Preview {
  const { pipeline, manifestPrefix } = options;
  const [prefix, errors] = [parsePrefix(options.prefix), parseErrorPrefix(options.errorPrefix)];
  const naming = { prefix, pipeline, runId: 'preview', extension: extensionOf(options) };
  const key = keyOf(naming, { ...first, sequence: 1, bytes: 0 });
  const moment = { atMs: first.receivedAt, seed: 'preview', errorType: 'kinesis-failed' };
  return {
    key,
    manifestKey: manifestKeyOf(manifestPrefix, key),
    errorPrefix: errors.evaluate(moment),
    warnings: [...prefix.warnings, ...errors.warnings],
  };
}
