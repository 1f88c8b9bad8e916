import { CliError } from '../errors.js';
import { both, contradiction, given, where } from './contradiction.js';
import type { Origins } from './contradiction.js';
import type { Key, Settings } from './table.js';

/** What holds only with another setting, and what that is. */
const NEEDS: readonly (readonly [keys: readonly Key[], needed: Key])[] = [
  [['sink.redis.stream', 'sink.redis.channel', 'sink.redis.timeoutMs', 'sink.redis.onFull'], 'sink.redis.url'],
  [['sink.redis.entries'], 'sink.redis.stream'],
  [
    [
      'sink.http.secret',
      'sink.http.secretFile',
      'sink.http.headers',
      'sink.http.format',
      'sink.http.events',
      'sink.http.bytes',
      'sink.http.waitMs',
      'sink.http.timeoutMs',
      'sink.http.onFull',
    ],
    'sink.http.url',
  ],
  [['spool.diskBytes'], 'spool.dir'],
  [['checkpoint.s3.key', 'checkpoint.s3.region', 'checkpoint.s3.endpoint'], 'checkpoint.s3.bucket'],
  [['checkpoint.redis.key'], 'checkpoint.redis.url'],
];
const CHECKPOINTS = ['checkpoint.file', 'checkpoint.s3.bucket', 'checkpoint.redis.url'] as const;

/** Why spool, checkpoint or the sinks to Redis and HTTP could not be had, or would not although it looks so. */
export function otherSinks(settings: Settings, origins: Origins): CliError | undefined {
  return (
    idle(settings, origins) ?? withoutTarget(settings) ?? doubled(settings, origins) ?? credentials(settings, origins)
  );
}

function idle(settings: Settings, origins: Origins): CliError | undefined {
  for (const [keys, needed] of NEEDS) {
    const key = keys.find((each) => origins.has(each));
    if (key !== undefined && settings[needed] === undefined)
      return contradiction(`Cannot use ${key}${where(origins, key)} without ${needed}`);
  }
  return undefined;
}

function withoutTarget(settings: Settings): CliError | undefined {
  const hasTarget = given(settings, ['sink.redis.stream', 'sink.redis.channel']).length > 0;
  if (settings['sink.redis.url'] === undefined || hasTarget) return undefined;
  return new CliError(
    'missing-value',
    'Cannot write to Redis without a name: give --sink.redis.stream KEY or --sink.redis.channel NAME',
  );
}

function doubled(settings: Settings, origins: Origins): CliError | undefined {
  return (
    both(origins, given(settings, ['sink.redis.stream', 'sink.redis.channel'])) ??
    both(origins, given(settings, ['sink.http.secret', 'sink.http.secretFile'])) ??
    both(origins, given(settings, CHECKPOINTS))
  );
}

/** Such a URL ends up in logs of proxies, and `fetch` refuses it. */
function credentials(settings: Settings, origins: Origins): CliError | undefined {
  const url = settings['sink.http.url'];
  if (url === undefined) return undefined;
  const { username, password } = new URL(url);
  if (username === '' && password === '') return undefined;
  const key = 'sink.http.url';
  return new CliError(
    'bad-value',
    `Cannot use ${key}${where(origins, key)}: credentials belong into sink.http.headers`,
  );
}
