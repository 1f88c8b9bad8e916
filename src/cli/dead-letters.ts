import { join, resolve } from 'node:path';
import { createDeadLetterFile, createS3DeadLetters } from '../ingest/index.js';
import type { DeadLetters } from '../ingest/index.js';
import type { Logger } from '../runtime/index.js';
import type { Settings } from './config/index.js';
import { nameOfSource } from './source-name.js';

export interface PipelineContext {
  readonly settings: Settings;
  readonly cwd: string;
  readonly logger: Logger;
}

export interface SinksOptions extends PipelineContext {
  /** What all sinks of the pipeline share for what they can never take; made when the first of them asks. */
  readonly deadLetters: () => DeadLetters;
}

/** Dead letters that are made once, when somebody asks: not every pipeline needs them. */
export function deadLettersOnce(context: PipelineContext): () => DeadLetters {
  let shared: DeadLetters | undefined;
  return () => (shared ??= createDeadLetters(context));
}

/** A file, or objects in the bucket where there is one and no file is named. */
function createDeadLetters({ settings, cwd, logger }: PipelineContext): DeadLetters {
  const [file, bucket] = [settings['deadLetter.file'], settings['sink.s3.bucket']];
  const pipeline = settings['pipeline.name'];
  const source = nameOfSource(settings);
  if (file === undefined && bucket !== undefined) {
    const s3 = placeOf(settings['sink.s3.region'], settings['sink.s3.endpoint']);
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

/** Where a service of AWS is. */
export function placeOf(
  region: string | undefined,
  endpoint: string | undefined,
): { readonly region?: string; readonly endpoint?: string } {
  return { ...(region === undefined ? {} : { region }), ...(endpoint === undefined ? {} : { endpoint }) };
}
