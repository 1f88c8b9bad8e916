import { isLocalAddress, readListenAddress } from '../../runtime/index.js';
import { authOfHub, secretOfToken } from './auth-contradictions.js';
import { CliError } from '../errors.js';
import { where } from './contradiction.js';
import type { Origins } from './contradiction.js';
import { source } from './source-contradictions.js';
import type { VerbName } from './setting.js';
import type { Key, Settings } from './table.js';
import { otherSinks } from './sink-contradictions.js';
import { webhooksOfHub } from './webhook-contradictions.js';

/** Whoever sets one of these has a sink. */
const SINKS = [
  'sink.file.dir',
  'sink.kinesis.stream',
  'sink.firehose.stream',
  'sink.s3.bucket',
  'sink.redis.url',
  'sink.http.url',
] as const;

type Check = (settings: Settings, origins: Origins) => CliError | undefined;

const CHECKS: Readonly<Record<VerbName, readonly Check[]>> = {
  serve: [exposure, unixSocket, authOfHub, webhooksOfHub, halfTls, sizes, redisWithWorkers, bridging],
  // The demo asks nobody, whatever a file says of auth.
  demo: [noUnixSocket, (settings, origins) => exposure({ ...settings, auth: 'none' }, origins)],
  ingest: [source, ends, streams, otherSinks, stateOfLease],
  plan: [
    source,
    ends,
    streams,
    otherSinks,
    stateOfLease,
    (settings, origins) => exclusive(settings, origins, ['sample', 'live']),
  ],
  publish: [(settings, origins) => exclusive(settings, origins, ['ndjson', 'sse']), oneToken],
  generate: [oneToken],
  subscribe: [(settings, origins) => exclusive(settings, origins, ['last', 'since']), oneToken],
  replay: [noUnixSocket, endlessEnd],
  record: [],
  token: [secretOfToken],
  verify: [bucketOfArchive],
  completion: [],
};

/** The first reason why these settings cannot all hold; each value by itself is fine. */
export function findContradiction(verb: VerbName, settings: Settings, origins: Origins): CliError | undefined {
  for (const check of CHECKS[verb]) {
    const fault = check(settings, origins);
    if (fault !== undefined) return fault;
  }
  return undefined;
}

/** Without auth, whoever reaches the port reads and publishes everything. */
function exposure(settings: Settings, origins: Origins): CliError | undefined {
  const host = settings['http.host'];
  if (settings.auth !== 'none' || settings.insecure || isLocalAddress(host)) return undefined;
  return new CliError(
    'contradiction',
    `Cannot listen on ${host}${where(origins, 'http.host')} with auth none: anyone could read and publish; ` +
      'listen on 127.0.0.1, or add --insecure if that is meant',
  );
}

function halfTls(settings: Settings, origins: Origins): CliError | undefined {
  const [given, missing] =
    settings['http.tls.key'] === undefined
      ? (['http.tls.cert', 'http.tls.key'] as const)
      : (['http.tls.key', 'http.tls.cert'] as const);
  if (settings[given] === undefined || settings[missing] !== undefined) return undefined;
  return new CliError(
    'contradiction',
    `Cannot use ${given}${where(origins, given)} without ${missing}: TLS needs a certificate and its key`,
  );
}

function redisWithWorkers(settings: Settings, origins: Origins): CliError | undefined {
  if (settings['redis.url'] === undefined || settings.workers === '1') return undefined;
  return contradiction(
    origins,
    ['redis.url', 'workers'],
    'run one hub per core, each with redis.url, behind one balancer',
  );
}

/** Messages that nobody could hear, or that no stream is there for. */
function bridging(settings: Settings, origins: Origins): CliError | undefined {
  const key = settings['redis.bridgeUsers'] ? 'redis.bridgeUsers' : 'redis.bridgeChannels';
  if (!settings['redis.bridgeUsers'] && settings['redis.bridgeChannels'].length === 0) return undefined;
  if (settings['redis.url'] === undefined && settings['redis.sentinels'].length === 0)
    return new CliError(
      'missing-value',
      `Cannot use ${key}${where(origins, key)} without a Redis: give --redis.url URL, or REDIS_HOST`,
    );
  if (key === 'redis.bridgeChannels' || settings.auth === 'jwt') return undefined;
  return contradiction(origins, [key, 'auth'], `only with auth jwt has a user a stream`);
}

/** Each worker accepts for itself, on the same port; the other verbs show an address that browsers can open. */
function unixSocket(settings: Settings, origins: Origins): CliError | undefined {
  const host = settings['http.host'];
  if (readListenAddress(host).kind !== 'unix') return undefined;
  if (settings.workers !== '1')
    return contradiction(origins, ['http.host', 'workers'], 'a Unix socket belongs to one process');
  return undefined;
}

function noUnixSocket(settings: Settings, origins: Origins): CliError | undefined {
  const host = settings['http.host'];
  if (readListenAddress(host).kind !== 'unix') return undefined;
  return new CliError(
    'contradiction',
    `Cannot listen on ${host}${where(origins, 'http.host')}: only tidegate serve can use a Unix socket`,
  );
}

function sizes(settings: Settings, origins: Origins): CliError | undefined {
  const pairs: readonly (readonly [small: Key, large: Key])[] = [
    ['limits.eventBytes', 'limits.bodyBytes'],
    ['limits.bodyBytes', 'limits.bodiesBytes'],
    ['limits.eventBytes', 'history.bytes'],
    ['history.bytes', 'history.totalBytes'],
  ];
  for (const [small, large] of pairs) {
    if (Number(settings[small]) > Number(settings[large]))
      return contradiction(
        origins,
        [small, large],
        `${String(settings[small])} bytes are more than ${String(settings[large])}`,
      );
  }
  return undefined;
}

function endlessEnd(settings: Settings, origins: Origins): CliError | undefined {
  if (!settings.loop || settings.end === 'stay') return undefined;
  return contradiction(origins, ['loop', 'end'], 'a stream that loops has no end');
}

function ends(settings: Settings): CliError | undefined {
  const hubUrl = settings['sink.hub.url'];
  const hubChannel = settings['sink.hub.channel'];
  if (hubUrl === undefined && hubChannel !== undefined)
    return new CliError('missing-value', 'Cannot publish to a hub channel without a hub: give --sink.hub.url URL');
  if (hubUrl !== undefined && hubChannel === undefined)
    return new CliError('missing-value', 'Cannot publish to a hub without a channel: give --sink.hub.channel NAME');
  const hasOther = settings['sink.stdout'] || SINKS.some((key) => settings[key] !== undefined);
  if (hubUrl === undefined && !hasOther)
    return new CliError(
      'missing-value',
      'Cannot ingest without a sink: give --sink.file.dir FOLDER, --sink.hub.url URL, --sink.kinesis.stream NAME, --sink.s3.bucket BUCKET, --sink.redis.url URL, --sink.http.url URL or --sink.stdout',
    );
  return undefined;
}

/** Another worker could not go on from what is on this machine, and this one not from what it left behind there. */
function stateOfLease(settings: Settings, origins: Origins): CliError | undefined {
  if (settings['leases.url'] === undefined) return undefined;
  const checkpoint = [...origins.keys()].find((key) => /^checkpoint\.(?!intervalMs$)/.test(key));
  if (checkpoint !== undefined)
    return contradiction(origins, [checkpoint, 'leases.url'], 'checkpoints are kept beside the leases');
  const spool = [...origins.keys()].find((key) => /^spool\.dir$/.test(key));
  if (spool !== undefined)
    return contradiction(origins, [spool, 'leases.url'], 'a spool on disk stays behind where a pipeline moves');
  if (!settings['source.stdin']) return undefined;
  return contradiction(origins, ['source.stdin', 'leases.url'], 'no other worker can go on with standard input');
}

/** Settings of a stream that nobody named, and records that no request could hold. */
function streams(settings: Settings, origins: Origins): CliError | undefined {
  for (const service of ['kinesis', 'firehose'] as const) {
    const stream = `sink.${service}.stream` as const;
    const keys = [`sink.${service}.region`, `sink.${service}.endpoint`] as const;
    const given = keys.find((key) => settings[key] !== undefined);
    if (given !== undefined && settings[stream] === undefined)
      return new CliError(
        'missing-value',
        `Cannot use ${given}${where(origins, given)} without a stream: give --${stream} NAME`,
      );
  }
  const [record, request] = ['sink.kinesis.recordBytes', 'sink.kinesis.requestBytes'] as const;
  if (settings[record] <= settings[request]) return undefined;
  return contradiction(origins, [record, request], `${settings[record]} bytes are more than ${settings[request]}`);
}

function bucketOfArchive(settings: Settings): CliError | undefined {
  if (settings['sink.s3.bucket'] !== undefined) return undefined;
  return new CliError('missing-value', 'Cannot verify without an archive: give --sink.s3.bucket BUCKET');
}

function oneToken(settings: Settings, origins: Origins): CliError | undefined {
  return exclusive(settings, origins, ['token', 'tokenFile']);
}

function exclusive(settings: Settings, origins: Origins, keys: readonly [Key, Key]): CliError | undefined {
  const areBoth = keys.every((key) => settings[key] !== undefined && settings[key] !== false);
  return areBoth ? contradiction(origins, keys, 'only one of the two can hold') : undefined;
}

function contradiction(origins: Origins, [first, second]: readonly [Key, Key], reason: string): CliError {
  const both = `${first}${where(origins, first)} together with ${second}${where(origins, second)}`;
  return new CliError('contradiction', `Cannot use ${both}: ${reason}`);
}
