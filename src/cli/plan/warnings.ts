import type { ReceivedEvent, S3Preview, ShardSpread } from '../../ingest/index.js';
import { isLocalAddress } from '../../runtime/index.js';
import { formatSize } from '../config/index.js';
import type { Settings } from '../config/index.js';

/** What is allowed and hardly meant; the codes are stable. */
export interface Warning {
  readonly code:
    | 'prefix-without-slash'
    | 'hot-shard'
    | 'no-partition-value'
    | 'too-large'
    | 'nothing-kept'
    | 'no-ids'
    | 'records-without-end'
    | 'local-state'
    | 'local-source'
    | 'plain-http';
  readonly message: string;
}

export interface Findings {
  readonly settings: Settings;
  readonly s3: S3Preview | undefined;
  readonly kinesis: ShardSpread | undefined;
  readonly sample: { readonly events: number; readonly kept: number; readonly withoutId: number } | undefined;
  readonly kept: readonly ReceivedEvent[];
}

/** A shard that gets this many times its part is hot, as far as a sample of some size can tell. */
const HOT = 2;
const HOT_SAMPLE_MIN = 50;

/** What somebody should look at before the pipeline runs. */
export function warningsOf(findings: Findings): readonly Warning[] {
  return [...ofKeys(findings), ...ofShards(findings), ...ofSample(findings), ...ofPlaces(findings)];
}

function ofKeys({ s3 }: Findings): readonly Warning[] {
  return (s3?.warnings ?? []).map((message) => ({ code: 'prefix-without-slash', message }));
}

function ofShards({ kinesis, kept, settings }: Findings): readonly Warning[] {
  if (kinesis === undefined || kept.length === 0) return [];
  const key = settings['sink.kinesis.partitionKey'];
  const warnings: Warning[] = [];
  const most = Math.max(...kinesis.shards);
  if (kinesis.shards.length > 1 && kept.length >= HOT_SAMPLE_MIN && most > (HOT * kept.length) / kinesis.shards.length)
    warnings.push({
      code: 'hot-shard',
      message: `With the partition key ${key}, one of ${kinesis.shards.length} shards gets ${percent(most, kept.length)} of the events; "${kinesis.topKey?.key ?? ''}" alone has ${percent(kinesis.topKey?.events ?? 0, kept.length)}`,
    });
  if (kinesis.withoutValue > 0)
    warnings.push({
      code: 'no-partition-value',
      message: `${percent(kinesis.withoutValue, kept.length)} of the events have nothing at ${key}: their partition key is random`,
    });
  const limit = settings['sink.kinesis.recordBytes'];
  const large = kept.filter(({ data }) => Buffer.byteLength(data) > limit).length;
  if (large > 0)
    warnings.push({
      code: 'too-large',
      message: `${large} of ${kept.length} events are larger than a record of Kinesis may be (${formatSize(limit)}): they become dead letters`,
    });
  return warnings;
}

function ofSample({ sample, settings }: Findings): readonly Warning[] {
  if (sample === undefined) return [];
  const warnings: Warning[] = [];
  if (sample.events > 0 && sample.kept === 0)
    warnings.push({
      code: 'nothing-kept',
      message: `The filter (${rulesOf(settings)}) leaves nothing of ${sample.events} events`,
    });
  if (sample.withoutId > 0)
    warnings.push({
      code: 'no-ids',
      message: `${percent(sample.withoutId, sample.kept)} of the events have no id: the source cannot be resumed, and what comes while nobody listens is lost`,
    });
  return warnings;
}

function rulesOf(settings: Settings): string {
  return [...settings['filter.types'], ...settings['filter.match'], ...settings['filter.canary']].join(', ');
}

function ofPlaces({ settings }: Findings): readonly Warning[] {
  const warnings: Warning[] = [];
  const isWritten = settings['sink.file.dir'] !== undefined || settings['sink.s3.bucket'] !== undefined;
  if (settings.format === 'data' && isWritten && settings['sink.s3.format'] !== 'parquet')
    warnings.push({
      code: 'records-without-end',
      message: 'With the format data nothing is between two events: nobody can tell where one ends',
    });
  if (settings['leases.url'] !== undefined && isWritten)
    warnings.push({
      code: 'local-state',
      message:
        'Files, and the journal of S3, stay on the worker that wrote them: where a pipeline moves, an archive goes on elsewhere, and the last events before it may be in it twice',
    });
  if (settings['leases.url'] !== undefined && settings['source.file'] !== undefined)
    warnings.push({
      code: 'local-source',
      message:
        'source.file is read by whichever worker has the pipeline: where its path does not lead all of them to one file, another one is read from its beginning',
    });
  const url = URL.canParse(settings['source.url'] ?? '') ? new URL(settings['source.url'] ?? '') : undefined;
  const { 'source.headersFile': headersFile, 'source.tokenFile': tokenFile, 'source.tokenCommand': command } = settings;
  const hasSecret = [headersFile, tokenFile, command].some((value) => value !== undefined);
  const hasHeaders = settings['source.headers'].length > 0 || hasSecret;
  if (url?.protocol === 'http:' && !isLocalAddress(url.hostname) && (hasHeaders || url.password !== ''))
    warnings.push({
      code: 'plain-http',
      message: `Headers go to ${url.host} without TLS: whoever is between can read them`,
    });
  return warnings;
}

function percent(part: number, whole: number): string {
  return `${Math.round((part / whole) * 100)} %`;
}
