import type { Loaded, Settings } from './config/index.js';
import { CliError } from './errors.js';

/** Flags that only the command line of the SSE ingest on Fargate has. */
const OWN_FLAGS: ReadonlySet<string> = new Set([
  '-s',
  '--stream',
  '-r',
  '--region',
  '-rms',
  '--reportms',
  '-rt',
  '--readtimeoutms',
]);
/** Short flags of more than one letter, which are no POSIX, and what they are here. */
const LONG: ReadonlyMap<string, string> = new Map([
  ['-rms', '--reportms'],
  ['-rt', '--readtimeoutms'],
]);

const REQUIRED: readonly { readonly flags: readonly string[]; readonly shown: string }[] = [
  { flags: ['-u', '--url', '--source.url'], shown: '-u URL' },
  { flags: ['-s', '--stream'], shown: '-s STREAM' },
  { flags: ['-r', '--region', '--sink.kinesis.region'], shown: '-r REGION' },
];

/** Whether this is a command line as the SSE ingest on Fargate takes it, which Tidegate replaces. */
export function isLegacyIngest(argv: readonly string[]): boolean {
  return argv[0] === 'ingest' && argv.some((word) => OWN_FLAGS.has(nameOf(word)));
}

/**
 * Such a command line in Tidegate's own words; any other is left as it is. With a stream, `-h` and `--headers` mean
 * headers: names and values in turn, with commas between.
 * @throws CliError `bad-value`: a name without a value; the message shows neither.
 */
export function translateLegacyIngest(argv: readonly string[]): readonly string[] {
  if (!isLegacyIngest(argv)) return argv;
  const hasStream = argv.some((word) => ['-s', '--stream'].includes(nameOf(word)));
  const words: string[] = [];
  for (let at = 0; at < argv.length; at += 1) {
    const word = argv[at] ?? '';
    const [name, attached] = [nameOf(word), valueOf(word)];
    if (hasStream && (name === '-h' || name === '--headers')) {
      if (attached === undefined) at += 1;
      words.push(...toHeaderFlags(attached ?? argv[at]));
    } else words.push((LONG.get(name) ?? name) + (attached === undefined ? '' : `=${attached}`));
  }
  return words;
}

/** @throws CliError `missing-value`: that system knew no default for it. */
export function checkLegacyIngest(settings: Settings): void {
  if (settings['sink.kinesis.region'] === undefined)
    throw new CliError('missing-value', 'Cannot put events into a stream without its region: give -r REGION');
}

/**
 * What holds where a stream is given as that system took it, and nothing else is asked for: records are the data as
 * it is, and silence ends no connection (its `-rt` is 0). A peer that is gone is still found, by TCP's keep-alive.
 */
export function withLegacyDefaults(settings: Settings, origins: Loaded['origins']): Settings {
  const stream = origins.get('sink.kinesis.stream');
  if (stream?.kind !== 'flag' || (stream.name !== '-s' && stream.name !== '--stream')) return settings;
  const isFormatGiven = origins.has('format') || origins.has('sink.kinesis.format');
  return {
    ...settings,
    ...(isFormatGiven ? {} : { 'sink.kinesis.format': 'data' as const }),
    ...(origins.has('source.idleTimeoutMs') ? {} : { 'source.idleTimeoutMs': 0 }),
  };
}

/** What that command line cannot do without and does not have; undefined where it has all of it. */
export function missingOfLegacy(argv: readonly string[]): CliError | undefined {
  const names = new Set(argv.map(nameOf));
  const missing = REQUIRED.filter(({ flags }) => !flags.some((flag) => names.has(flag)));
  if (missing.length === 0) return undefined;
  return new CliError('missing-value', `Cannot ingest without ${missing.map(({ shown }) => shown).join(' and ')}`);
}

/** The help of that command line; short, so that the error above it stays on the screen. */
export const LEGACY_HELP = `Usage:
  tidegate ingest -u URL -s STREAM -r REGION [options]

Options:
  -u, --url <url>               The SSE endpoint; required.
  -s, --stream <name>           The Kinesis data stream; required.
  -r, --region <region>         Its region; required.
  -h, --headers <k,v,k,v>       Request headers, names and values in turn. Never logged.
  -t, --types <a,b>             Only events of these types; message stands for untyped ones. [default all]
  -rms, --reportms <ms>         How often a line says how many events came; 0: never. [default 30000]
  -rt, --readtimeoutms <ms>     Reconnect after so long without a byte; 0: never. [default 0]

All options: tidegate ingest --help
`;

function toHeaderFlags(text: string | undefined): readonly string[] {
  if (text === undefined) throw new CliError('missing-value', 'Cannot use --headers without a value');
  const parts = text.split(',').map((part) => part.trim());
  if (parts.length % 2 !== 0)
    throw new CliError('bad-value', 'Cannot use the headers: they must be names and values in turn, such as k,v,k,v');
  const flags: string[] = [];
  for (let at = 0; at < parts.length; at += 2)
    flags.push('--source.headers', `${parts[at] ?? ''}: ${parts[at + 1] ?? ''}`);
  return flags;
}

/** `--name` of `--name=value`. */
function nameOf(word: string): string {
  const equals = word.startsWith('-') ? word.indexOf('=') : -1;
  return equals === -1 ? word : word.slice(0, equals);
}

function valueOf(word: string): string | undefined {
  return nameOf(word) === word ? undefined : word.slice(nameOf(word).length + 1);
}
