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

/** Whether records go to Kinesis as that system wrote them: the data as it is, unless a format is asked for. */
export function isLegacyRecord(origins: Loaded['origins']): boolean {
  const stream = origins.get('sink.kinesis.stream');
  const isTyped = stream?.kind === 'flag' && (stream.name === '-s' || stream.name === '--stream');
  return isTyped && !origins.has('format') && !origins.has('sink.kinesis.format');
}

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
