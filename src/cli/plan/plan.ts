import { previewIntake, previewS3, spreadOverShards } from '../../ingest/index.js';
import type { ReceivedEvent, S3Preview, ShardSpread } from '../../ingest/index.js';
import { nameOfCheckpoint } from '../checkpoint-store.js';
import { describeOrigin, settingOf } from '../config/index.js';
import type { PipelineSettings, Settings } from '../config/index.js';
import { placeOfDeadLetters } from '../dead-letters.js';
import { intakeOf } from '../ingest-source.js';
import { nameOfSource, withoutSecrets } from '../source-name.js';
import { spoolOf } from '../spool-options.js';
import { warningsOf } from './warnings.js';
import type { Warning } from './warnings.js';

/** A sink and what is set for it, without secrets. */
export interface PlannedSink {
  readonly name: string;
  readonly settings: Readonly<Record<string, unknown>>;
}

/** What a sample of events was like. */
export interface PlannedSample {
  readonly events: number;
  /** Events that would reach the sinks. */
  readonly kept: number;
  readonly canaries: number;
  /** Events that came again, where that is looked for. */
  readonly repeats: number;
  readonly withoutId: number;
  /** Bytes of data of the largest event. */
  readonly largestBytes: number;
  /** How many events of each type would reach the sinks, most first; ten at most. */
  readonly types: readonly (readonly [type: string, events: number])[];
}

/** A spool that outlives the process. */
export interface SpoolOnDisk {
  readonly folder: string;
  readonly bytes: number;
}

/** What would happen if a pipeline began now. */
export interface PipelinePlan {
  readonly name: string;
  /** What says where events come from, without secrets. */
  readonly source: string;
  /** Which proxy it is asked through, without secrets, and who says so. */
  readonly proxy?: string;
  /** Empty: every event. */
  readonly types: readonly string[];
  /** Conditions that must all hold. */
  readonly match: readonly string[];
  /** What else becomes of events on their way: canaries, repeats, fields. */
  readonly changes: readonly string[];
  readonly checkpoint: string;
  readonly spool: { readonly events: number; readonly bytes: number; readonly disk?: SpoolOnDisk };
  /** Where a sink's refused events go; undefined where no sink refuses any. */
  readonly deadLetters?: string;
  readonly sinks: readonly PlannedSink[];
  readonly s3?: S3Preview;
  readonly kinesis?: ShardSpread & { readonly partitionKey: string };
  readonly sample?: PlannedSample;
  readonly warnings: readonly Warning[];
}

export interface PlanOptions {
  readonly cwd: string;
  /** Shards to spread a sample over. */
  readonly shards: number;
  /** Undefined where none was asked for. */
  readonly sample: readonly ReceivedEvent[] | undefined;
  /** Milliseconds since 1970. */
  readonly now: number;
}

/** Says what a pipeline would do. Pure: nothing is opened. @throws IngestError `invalid-option`. */
export function planPipeline({ name, settings, origins }: PipelineSettings, options: PlanOptions): PipelinePlan {
  const taken = options.sample === undefined ? undefined : previewIntake(options.sample, intakeOf(settings));
  const kept = taken?.kept;
  const s3 = planS3(name, settings, kept?.[0] ?? madeUp(options.now));
  const kinesis = planKinesis(settings, kept, options.shards);
  const sample = taken === undefined ? undefined : describeSample(options.sample?.length ?? 0, taken);
  return {
    name,
    source: nameOfSource(settings),
    ...planProxy(settings, origins),
    types: settings['filter.types'],
    match: settings['filter.match'],
    changes: changesOf(settings),
    checkpoint: nameOfCheckpoint(settings, options.cwd),
    spool: planSpool(settings, options.cwd),
    ...planDeadLetters(settings, options.cwd),
    sinks: planSinks(settings, origins),
    ...(s3 === undefined ? {} : { s3 }),
    ...(kinesis === undefined ? {} : { kinesis }),
    ...(sample === undefined ? {} : { sample }),
    warnings: warningsOf({ settings, s3, kinesis, sample, kept: kept ?? [] }),
  };
}

function planProxy(settings: Settings, origins: PipelineSettings['origins']): { readonly proxy?: string } {
  const [proxy, origin] = [settings['source.proxy'], origins.get('source.proxy')];
  if (proxy === undefined) return {};
  return { proxy: `${withoutSecrets(proxy)}${origin === undefined ? '' : ` (${describeOrigin(origin)})`}` };
}

/** Stands for the first event where there is no sample: keys show the time and some random part. */
function madeUp(now: number): ReceivedEvent {
  return { id: '1', type: 'message', data: '{}', receivedAt: now };
}

/** Settings that were given under `sink.`, without the key's first part. */
function givenUnder(
  prefix: string,
  settings: Settings,
  origins: PipelineSettings['origins'],
): readonly (readonly [key: string, value: unknown])[] {
  return [...origins.keys()]
    .filter((key) => key.startsWith(prefix) && settings[key] !== undefined && settings[key] !== false)
    .map((key) => {
      const value = settingOf(key).isSecret === true ? '(secret)' : shown(settings[key]);
      return [key.slice(prefix.length), value] as const;
    });
}

function planSinks(settings: Settings, origins: PipelineSettings['origins']): readonly PlannedSink[] {
  const sinks = new Map<string, Record<string, unknown>>();
  for (const [key, value] of givenUnder('sink.', settings, origins)) {
    const [name = '', ...rest] = key.split('.');
    const own = sinks.get(name) ?? {};
    own[rest.join('.')] = value;
    sinks.set(name, own);
  }
  return Array.from(sinks, ([name, own]) => ({ name, settings: own }));
}

function shown(value: unknown): unknown {
  return typeof value === 'string' && /^[a-z]+:\/\//i.test(value) ? withoutSecrets(value) : value;
}

function changesOf(settings: Settings): readonly string[] {
  const named: readonly (readonly [string, readonly string[]])[] = [
    ['canaries', settings['filter.canary']],
    ['dropped fields', settings['filter.dropFields']],
    ['masked fields', settings['filter.maskFields']],
    ['repeats by', settings['dedupe.key'] === undefined ? [] : [settings['dedupe.key']]],
  ];
  return named.flatMap(([what, items]) => (items.length === 0 ? [] : [`${what} ${items.join(', ')}`]));
}

function planSpool(settings: Settings, cwd: string): PipelinePlan['spool'] {
  const { eventsMax: events, bytesMax: bytes, disk } = spoolOf(settings, cwd);
  return { events, bytes, ...(disk === undefined ? {} : { disk: { folder: disk.folder, bytes: disk.bytesMax } }) };
}

/** Sinks that may find an event that they can never take. */
const REFUSING = [
  'sink.kinesis.stream',
  'sink.firehose.stream',
  'sink.s3.bucket',
  'sink.http.url',
  'sink.hub.url',
] as const;

function planDeadLetters(settings: Settings, cwd: string): Pick<PipelinePlan, 'deadLetters'> {
  if (REFUSING.every((key) => settings[key] === undefined)) return {};
  const place = placeOfDeadLetters(settings, cwd);
  return { deadLetters: place.kind === 'file' ? place.path : `s3://${place.bucket}, see errors` };
}

function planS3(pipeline: string, settings: Settings, first: ReceivedEvent): S3Preview | undefined {
  if (settings['sink.s3.bucket'] === undefined) return undefined;
  const options = {
    pipeline,
    prefix: settings['sink.s3.prefix'],
    errorPrefix: settings['sink.s3.errorPrefix'],
    manifestPrefix: settings['sink.s3.manifestPrefix'],
    format: settings['sink.s3.format'] ?? settings.format,
    compression: settings['sink.s3.compression'],
  };
  return previewS3(options, first);
}

function planKinesis(
  settings: Settings,
  kept: readonly ReceivedEvent[] | undefined,
  shards: number,
): PipelinePlan['kinesis'] {
  if (settings['sink.kinesis.stream'] === undefined || kept === undefined) return undefined;
  const partitionKey = settings['sink.kinesis.partitionKey'];
  return { partitionKey, ...spreadOverShards(kept, { partitionKey, shards }) };
}

function describeSample(events: number, { kept, stats }: ReturnType<typeof previewIntake>): PlannedSample {
  return {
    events,
    kept: kept.length,
    canaries: stats.canaries,
    repeats: stats.repeats,
    withoutId: kept.filter(({ id }) => id === '').length,
    largestBytes: kept.reduce((most, { data }) => Math.max(most, Buffer.byteLength(data)), 0),
    types: countTypes(kept),
  };
}

const TYPES_MAX = 10;

function countTypes(events: readonly ReceivedEvent[]): PlannedSample['types'] {
  const counts = new Map<string, number>();
  for (const { type } of events) counts.set(type, (counts.get(type) ?? 0) + 1);
  return [...counts].toSorted(([, a], [, b]) => b - a).slice(0, TYPES_MAX);
}
