import { LOG_FORMATS, LOG_LEVELS } from '../../runtime/index.js';
import { AUTH } from './auth-settings.js';
import { FLAGS } from './flags.js';
import { HTTP } from './http-settings.js';
import { LIMITS } from './limit-settings.js';
import { OTHER_SINKS } from './other-sink-settings.js';
import { PIPELINES } from './pipeline-settings.js';
import { REDIS } from './redis-settings.js';
import { S3 } from './s3-settings.js';
import { boolean, choice, integer, list, string, url } from './setting.js';
import type { FlagAlias, Setting, VerbName } from './setting.js';
import { SOURCES } from './source-settings.js';
import { SINKS } from './sink-settings.js';
import { SPOOL } from './spool-settings.js';
import { WEBHOOKS } from './webhook-settings.js';

const KIB = 1024;
const MIB = 1024 * KIB;

const SERVE = ['serve'] as const;
const HUB = ['serve', 'demo'] as const;
const INGEST = ['ingest'] as const;
const CLIENTS = ['publish', 'subscribe', 'generate'] as const;
const EVERY: readonly VerbName[] = ['serve', 'ingest', 'publish', 'subscribe', 'record', 'replay', 'generate', 'demo'];
const SERVICES: readonly VerbName[] = ['serve', 'ingest', 'replay', 'demo'];

/**
 * Every setting, once (design §7). Key `http.port` is the flag `--http.port`, the variable
 * `TIDEGATE_HTTP_PORT` and `http: {port: }` in `tidegate.yaml`; precedence flag > variable > file >
 * default. Parsing, help, completion and the reference page are all made from this table.
 */
const TABLE = {
  ...FLAGS,

  config: string({
    doc: 'The configuration file; ./tidegate.yaml is read when it is there.',
    verbs: [...EVERY, 'token', 'verify'],
    default: undefined,
    reach: 'flag-and-variable',
    placeholder: 'file',
  }),

  preset: choice(['notifications'], {
    doc: 'Behave as another program did, by default: notifications is JWT_SECRET and its tokens, REDIS_HOST, Redis channels to users, connections read by every token of their application, on all addresses; a secret under 32 bytes is warned of and not refused.',
    verbs: [...SERVE, 'token'],
    default: undefined,
  }),

  ...HTTP,

  auth: choice(['none', 'jwt', 'apiKey'], {
    doc: 'How callers prove who they are: not at all, by a token (or an API key, for servers), or by an API key only.',
    verbs: SERVE,
    default: 'none',
  }),
  insecure: boolean({
    doc: 'Allow auth none on an address that others can reach.',
    verbs: HUB,
    default: false,
  }),

  ...AUTH,
  ...WEBHOOKS,
  ...REDIS,

  'node.id': string({
    doc: 'What this machine is called in the list of connections.',
    verbs: SERVE,
    default: undefined,
    defaultDoc: 'its host name',
    shape: { pattern: /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/, expected: 'letters, digits and . _ -' },
    placeholder: 'name',
  }),
  workers: string({
    doc: 'Processes that hold connections; one more then orders the events. auto: as many as there are cores.',
    verbs: SERVE,
    default: '1',
    shape: { pattern: /^(auto|[1-9]\d{0,2})$/, expected: 'auto or a number from 1 to 999' },
    placeholder: 'number',
  }),

  // --- The hub ------------------------------------------------------------------------------------
  'hub.heartbeatMs': integer({
    doc: 'The longest silence on a stream: an idle one is sent a comment before it has passed.',
    verbs: SERVE,
    default: 15_000,
    unit: 'ms',
    min: 100,
  }),
  'hub.pingMs': integer({
    doc: "How often a user's own stream gets a ping event, to a sixteenth of hub.heartbeatMs; 0: never.",
    verbs: SERVE,
    default: 30_000,
    unit: 'ms',
  }),
  'hub.anonymousChannel': string({
    doc: 'The channel that GET /sse carries with auth none.',
    verbs: SERVE,
    default: 'sse',
    shape: { pattern: /^[A-Za-z0-9._~:-]{1,100}$/, expected: 'letters, digits and . _ ~ : -' },
    placeholder: 'channel',
  }),
  'hub.serverProperty': string({
    doc: 'A property that events get whose data is a JSON object: which node (node.id) delivered them.',
    verbs: SERVE,
    default: undefined,
    shape: { pattern: /^\S{1,100}$/, expected: 'a name without spaces' },
    placeholder: 'name',
  }),
  'hub.retryMs': integer({
    doc: 'How long clients wait before they reconnect.',
    verbs: SERVE,
    default: 2000,
    unit: 'ms',
  }),
  'hub.stallTimeoutMs': integer({
    doc: 'A subscriber whose connection takes nothing for this time is closed; on Linux also one whose client acknowledges nothing.',
    verbs: SERVE,
    default: 60_000,
    unit: 'ms',
    min: 100,
  }),
  'hub.drainMs': integer({
    doc: 'How long subscribers are spread over when the hub stops.',
    verbs: SERVE,
    default: 10_000,
    unit: 'ms',
  }),
  'hub.maxStreamMs': integer({
    doc: 'The longest life of a stream: each ends after 75 to 100 % of it, and its client comes back and goes on; 0: no limit.',
    verbs: SERVE,
    default: 0,
    unit: 'ms',
  }),
  'history.events': integer({ doc: 'Events kept for each channel.', verbs: SERVE, default: 10_000, unit: 'events' }),
  'history.bytes': integer({ doc: 'Bytes kept for each channel.', verbs: SERVE, default: 16 * MIB, unit: 'bytes' }),
  'history.ageMs': integer({
    doc: 'How long events are kept, also after the last subscriber left.',
    verbs: SERVE,
    default: 300_000,
    unit: 'ms',
  }),
  'history.totalBytes': integer({
    doc: 'Bytes kept for all channels together; above it, the publisher with the most loses from its largest channel.',
    verbs: SERVE,
    default: 512 * MIB,
    unit: 'bytes',
  }),
  'channel.slow': list<string>({
    doc: 'What becomes of subscribers too slow for a channel: gap tells them what they lost, disconnect sends them away to come back, latest keeps only the newest event of each key (a JSON pointer into the data, or the event type). * in a name stands for anything; the first that fits counts, else gap.',
    verbs: SERVE,
    default: [],
    placeholder: 'rule',
    expectedItem: 'such as prices.*=latest:/symbol or orders=disconnect',
    item: /^[^\s=]+=(gap|disconnect|latest(:\/\S*)?)$/,
  }),
  'channel.ttlMs': integer({
    doc: 'A channel that nobody publishes to for so long is ended; 0: never.',
    verbs: SERVE,
    default: 0,
    unit: 'ms',
  }),
  ...LIMITS,

  // --- Clients of a hub ---------------------------------------------------------------------------
  url: url({
    doc: 'The hub.',
    verbs: CLIENTS,
    default: 'http://127.0.0.1:8080',
    aliases: [{ flag: '-u' }],
  }),

  token: string({
    doc: 'A token or an API key for the hub; better in a variable or a file than on a command line.',
    verbs: CLIENTS,
    default: undefined,
    reach: 'flag-and-variable',
    isSecret: true,
  }),
  tokenFile: string({
    doc: 'A file that holds it, read again when the hub refuses it.',
    verbs: CLIENTS,
    default: undefined,
    placeholder: 'file',
  }),

  // --- Ingest -------------------------------------------------------------------------------------
  'pipeline.name': string({
    doc: "The pipeline's name, in logs and file names.",
    verbs: INGEST,
    default: 'ingest',
    shape: { pattern: /^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$/, expected: 'letters, digits and . _ -' },
    placeholder: 'name',
  }),
  'source.url': url({
    doc: 'The SSE endpoint to take in.',
    verbs: ['ingest', 'demo'],
    default: undefined,
    aliases: [{ flag: '-u' }, { flag: '--url' }],
  }),
  'source.headers': list<string>({
    doc: 'A request header, "Name: value"; may be repeated. Never logged.',
    verbs: ['ingest', 'demo', 'record'],
    default: [],
    placeholder: 'header',
    expectedItem: '"Name: value"',
    item: /^[!#$%&'*+.^_`|~0-9A-Za-z-]+:[ \t]*[^\r\n\0]*$/,
    separator: '\n',
    aliases: [{ flag: '-H' }, { flag: '--header' }],
    isSecret: true,
  }),
  'source.headersFile': string({
    doc: 'A file with a request header on each line, for secrets.',
    verbs: ['ingest', 'demo', 'record'],
    default: undefined,
    placeholder: 'file',
  }),
  'source.idleTimeoutMs': integer({
    doc: 'Reconnect after so long without a byte; 0: never.',
    verbs: INGEST,
    default: 300_000,
    unit: 'ms',
    aliases: [{ flag: '--readtimeoutms', isLegacy: true }],
  }),
  'source.maxEventBytes': integer({
    doc: 'The largest event that is read.',
    verbs: INGEST,
    default: 16 * MIB,
    unit: 'bytes',
    min: 1,
  }),
  'filter.types': list<string>({
    doc: 'Only events of these types; message stands for untyped ones.',
    verbs: ['ingest', 'demo'],
    default: [],
    placeholder: 'type',
    expectedItem: 'an event type',
    item: /^[^\r\n\0]+$/,
    aliases: [{ flag: '-t' }, { flag: '--types' }],
  }),
  format: choice(['data', 'ndjson', 'envelope'], {
    doc: "What is archived: the data as it is, as one JSON value a line, or with the event's id and type.",
    verbs: INGEST,
    default: 'ndjson',
  }),
  ...SPOOL,
  'data.dir': string({
    doc: 'The folder for checkpoints and, in the demo, the archive.',
    verbs: ['ingest', 'demo'],
    default: './tidegate-data',
    placeholder: 'folder',
  }),

  ...SOURCES,
  ...SINKS,
  ...S3,
  ...OTHER_SINKS,
  ...PIPELINES,

  // --- Log ----------------------------------------------------------------------------------------
  'log.level': choice(LOG_LEVELS, {
    doc: 'The least important lines to write.',
    verbs: EVERY,
    default: 'info',
    verbDefaults: { demo: 'warn' },
    legacy: [{ name: 'APP_MODE', translate: (text) => (text === 'debug' ? 'debug' : 'info') }],
  }),
  'log.reportMs': integer({
    doc: 'How often a line says how many events came; 0: never.',
    verbs: INGEST,
    default: 30_000,
    unit: 'ms',
    aliases: [{ flag: '--reportms', isLegacy: true }],
  }),
  'log.name': string({
    doc: 'A name that each line of the log carries, as app.',
    verbs: SERVICES,
    default: undefined,
    legacy: [{ name: 'APP_NAME' }],
  }),
  'log.format': choice(LOG_FORMATS, {
    doc: 'Lines for machines or for people.',
    verbs: SERVICES,
    default: undefined,
    defaultDoc: 'pretty on a terminal, else json',
  }),
} satisfies Readonly<Record<string, Setting>>;

export type Key = keyof typeof TABLE;

type ValueOf<S> = S extends Setting<infer T> ? T : never;

/** A value for every key. */
export type Settings = { readonly [K in Key]: ValueOf<(typeof TABLE)[K]> };

export const KEYS = Object.keys(TABLE) as readonly Key[];

export function settingOf(key: Key): Setting {
  return TABLE[key];
}

export function isKey(text: string): text is Key {
  return Object.hasOwn(TABLE, text);
}

/** The keys that `verb` takes, in the table's order. */
export function keysOf(verb: VerbName): readonly Key[] {
  return KEYS.filter((key) => {
    const { verbs } = settingOf(key);
    // A plan is of what ingest would do.
    return verbs.includes(verb) || (verb === 'plan' && verbs.includes('ingest'));
  });
}

/** The default of `key` for `verb`. */
export function defaultOf(key: Key, verb: VerbName): unknown {
  const { verbDefaults, default: common } = settingOf(key);
  return verbDefaults?.[verb] ?? common;
}

/** `TIDEGATE_HISTORY_AGE_MS` for `history.ageMs`. */
export function variableOf(key: Key): string {
  return `TIDEGATE_${key
    .replace(/([a-z])([A-Z])/g, '$1_$2')
    .replaceAll('.', '_')
    .toUpperCase()}`;
}

/** Every spelling of the flag of `key` for `verb`, the full one first. */
export function flagsOf(key: Key, verb: VerbName): readonly string[] {
  return [`--${key}`, ...aliasesOf(key, verb).map((alias) => alias.flag)];
}

/** {@link flagsOf} without the spellings of systems that Tidegate replaces. */
export function shownFlagsOf(key: Key, verb: VerbName): readonly string[] {
  const shown = aliasesOf(key, verb).filter((alias) => alias.isLegacy !== true);
  return [`--${key}`, ...shown.map((alias) => alias.flag)];
}

function aliasesOf(key: Key, verb: VerbName): readonly FlagAlias[] {
  return (settingOf(key).aliases ?? []).filter(({ verbs }) => verbs === undefined || verbs.includes(verb));
}
