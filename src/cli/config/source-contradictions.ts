import { CliError } from '../errors.js';
import { both, contradiction, given, where } from './contradiction.js';
import type { Origins } from './contradiction.js';
import type { Key, Settings } from './table.js';

/** Settings of which one names the source. */
const SOURCES = ['source.url', 'source.file', 'source.redis.stream', 'source.redis.channel'] as const;
/** Settings that mean something for HTTP only. */
const HTTP_ONLY = [
  ...(['source.method', 'source.body', 'source.bodyFile', 'source.startQuery', 'source.resumeQuery'] as const),
  ...(['source.tokenFile', 'source.tokenCommand', 'source.proxy', 'source.tls.ca', 'source.tls.cert'] as const),
] as const;

/** What is wrong with where events come from. */
export function source(settings: Settings, origins: Origins): CliError | undefined {
  const named: readonly Key[] = [
    ...given(settings, SOURCES),
    ...(settings['source.stdin'] ? ['source.stdin' as const] : []),
  ];
  if (named.length === 0)
    return new CliError(
      'missing-value',
      'Cannot ingest without a source: give --source.url URL, --source.file FILE, --source.stdin or --source.redis.stream KEY',
    );
  return (
    both(origins, named) ?? ofHttp(settings, origins) ?? ofRedis(settings, origins) ?? ofRepeats(settings, origins)
  );
}

function ofHttp(settings: Settings, origins: Origins): CliError | undefined {
  const [stray] = settings['source.url'] === undefined ? given(settings, HTTP_ONLY) : [];
  if (stray !== undefined)
    return contradiction(`Cannot use ${stray}${where(origins, stray)} without source.url: it is for HTTP`);
  const [cert, key] = ['source.tls.cert', 'source.tls.key'] as const;
  const half = given(settings, [cert, key]);
  if (half.length === 1)
    return contradiction(`Cannot use ${half.join()} alone: ${cert} and ${key} are needed together`);
  if (settings['source.method'] === 'GET' && given(settings, ['source.body', 'source.bodyFile']).length > 0)
    return contradiction(`Cannot send a body with GET${where(origins, 'source.method')}`);
  return (
    both(origins, given(settings, ['source.body', 'source.bodyFile'])) ??
    both(origins, given(settings, ['source.tokenFile', 'source.tokenCommand']))
  );
}

function ofRedis(settings: Settings, origins: Origins): CliError | undefined {
  const [read] = given(settings, ['source.redis.stream', 'source.redis.channel']);
  if (read !== undefined && settings['source.redis.url'] === undefined)
    return new CliError(
      'missing-value',
      `Cannot use ${read}${where(origins, read)} without Redis: give --source.redis.url URL`,
    );
  return undefined;
}

/** Going back means that events come twice, and only a key tells which. */
function ofRepeats(settings: Settings, origins: Origins): CliError | undefined {
  const needing = (['source.overlapMs', 'source.renewAfterMs'] as const).find((key) => settings[key] > 0);
  if (needing === undefined || settings['dedupe.key'] !== undefined) return undefined;
  return contradiction(`Cannot use ${needing}${where(origins, needing)} without dedupe.key: events would come twice`);
}
