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

type DeadLettersPlace =
  | { readonly kind: 's3'; readonly bucket: string }
  | { readonly kind: 'file'; readonly path: string };

/** A file, or objects in the bucket where there is one and no file is named. */
export function placeOfDeadLetters(settings: Settings, cwd: string): DeadLettersPlace {
  const [file, bucket] = [settings['deadLetter.file'], settings['sink.s3.bucket']];
  if (file !== undefined) return { kind: 'file', path: resolve(cwd, file) };
  if (bucket !== undefined) return { kind: 's3', bucket };
  const name = `${settings['pipeline.name']}.dead-letters.ndjson`;
  return { kind: 'file', path: join(resolve(cwd, settings['data.dir']), name) };
}

function createDeadLetters({ settings, cwd, logger }: PipelineContext): DeadLetters {
  const place = placeOfDeadLetters(settings, cwd);
  const source = nameOfSource(settings);
  if (place.kind === 'file')
    return createDeadLetterFile({ path: place.path, source, bytesMax: settings['deadLetter.bytes'] });
  const s3 = placeOf(settings['sink.s3.region'], settings['sink.s3.endpoint']);
  const [pipeline, errorPrefix] = [settings['pipeline.name'], settings['sink.s3.errorPrefix']];
  return createS3DeadLetters({ bucket: place.bucket, ...s3, pipeline, errorPrefix, source, logger });
}

/** Where a service of AWS is. */
export function placeOf(
  region: string | undefined,
  endpoint: string | undefined,
): { readonly region?: string; readonly endpoint?: string } {
  return { ...(region === undefined ? {} : { region }), ...(endpoint === undefined ? {} : { endpoint }) };
}
