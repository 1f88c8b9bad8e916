import { Argument, Command as Program, CommanderError, Option } from 'commander';
import { quote } from '../protocol/index.js';
import { didYouMean, flagsOf, keysOf, settingOf } from './config/index.js';
import type { GivenFlag, Key, VerbName } from './config/index.js';
import { CliError } from './errors.js';
import { renderRootHelp, renderVerbHelp } from './help.js';
import type { HelpStyle } from './help.js';
import { VERB_TABLE } from './verbs.js';
import type { Verb } from './verbs.js';

/** What a command line asks for. */
export type Invocation =
  | {
      readonly kind: 'run';
      readonly verb: VerbName;
      readonly args: readonly string[];
      readonly flags: readonly GivenFlag[];
    }
  | { readonly kind: 'print'; readonly text: string };

export interface ProgramOptions {
  readonly version: string;
  readonly style: HelpStyle;
}

const VERB_NAMES = Object.keys(VERB_TABLE) as readonly VerbName[];

/**
 * Reads a command line (without the program's name); runs nothing.
 * @throws CliError `unknown-verb`, `unknown-flag`, `missing-argument`, `missing-value`, `too-many-arguments`, `bad-value`.
 */
export function parseCommandLine(argv: readonly string[], options: ProgramOptions): Invocation {
  const parse: Parse = { printed: '', flags: [], result: undefined };
  const program = createProgram(parse, { ...options, words: wordsAfterHelp(argv) });
  try {
    program.parse(argv.length === 0 ? ['--help'] : [...argv], { from: 'user' });
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    if (error.exitCode !== 0) throw toCliError(error, argv);
  }
  return parse.result ?? { kind: 'print', text: parse.printed };
}

interface Parse {
  printed: string;
  readonly flags: GivenFlag[];
  result: Invocation | undefined;
}

function createProgram(parse: Parse, { version, style, words }: ProgramOptions & Pick<Build, 'words'>): Program {
  const program = new Program('tidegate')
    .exitOverride()
    .configureOutput({
      writeOut: (text) => (parse.printed += text),
      writeErr: () => {},
      // The painter has decided that already.
      getOutHasColors: () => true,
    })
    .configureHelp({ formatHelp: () => renderRootHelp(style) })
    .version(version, '-V, --version')
    .helpCommand('help [verb]');
  for (const name of VERB_NAMES) addVerb(program, name, { parse, style, words });
  return program;
}

/** `s3` of `ingest --help s3` and of `help ingest s3`. */
function wordsAfterHelp(argv: readonly string[]): readonly string[] {
  if (argv[0] === 'help') return argv.slice(2);
  const help = argv.findIndex((word) => word === '--help' || word === '-h');
  return help === -1 ? [] : argv.slice(help + 1);
}

interface Build {
  readonly parse: Parse;
  readonly style: HelpStyle;
  /** What help is asked for; none: as the verb has it. */
  readonly words: readonly string[];
}

function addVerb(program: Program, name: VerbName, { parse, style, words }: Build): void {
  const verb: Verb = VERB_TABLE[name];
  const command = program
    .command(name)
    .configureHelp({ formatHelp: () => renderVerbHelp(name, style, words) })
    .allowExcessArguments(false);
  if (verb.alias !== undefined) command.alias(verb.alias);
  for (const { name: term, isRequired, isVariadic, choices } of verb.args) {
    const text = `${term}${isVariadic === true ? '...' : ''}`;
    const argument = new Argument(isRequired ? `<${text}>` : `[${text}]`);
    command.addArgument(choices === undefined ? argument : argument.choices([...choices]));
  }
  for (const key of keysOf(name)) addFlags(command, key, { name, parse });
  command.action(() => {
    parse.result = { kind: 'run', verb: name, args: command.args, flags: parse.flags };
  });
}

/** One option a spelling, so that an error can name the one that was typed. */
function addFlags(command: Program, key: Key, { name, parse }: { name: VerbName; parse: Parse }): void {
  const isBoolean = settingOf(key).type === 'boolean';
  for (const flag of flagsOf(key, name)) {
    addFlag(command, isBoolean ? flag : `${flag} <value>`, (value) =>
      parse.flags.push({ key, flag, value: value ?? 'true' }),
    );
  }
  if (!isBoolean) return;
  // A file or a variable may say true where this command line means false.
  const negated = `--no-${key}`;
  addFlag(command, negated, () => parse.flags.push({ key, flag: negated, value: 'false' }));
}

function addFlag(command: Program, flags: string, onGiven: (value: string | null) => void): void {
  const option = new Option(flags);
  command.addOption(option).on(`option:${option.name()}`, onGiven);
}

function toCliError(error: CommanderError, argv: readonly string[]): CliError {
  const quoted = /'([^']*)'/.exec(error.message)?.[1] ?? '';
  switch (error.code) {
    case 'commander.unknownCommand':
      return new CliError(
        'unknown-verb',
        `Cannot run ${quote(quoted)}: there is no such verb${didYouMean(quoted, VERB_NAMES)}`,
      );
    case 'commander.unknownOption':
      return unknownFlag(quoted, argv);
    case 'commander.optionMissingArgument':
      return new CliError('missing-value', `Cannot use ${quoted.split(' ')[0]} without a value`);
    case 'commander.invalidArgument':
      return new CliError(
        'bad-value',
        `Cannot use ${quote(quoted)}: ${error.message.replace(/^.*Allowed/, 'allowed').replace(/\.$/, '')}`,
      );
    case 'commander.missingArgument':
      return new CliError(
        'missing-argument',
        `Cannot run without ${quoted.toUpperCase()}; see tidegate ${argv[0]} --help`,
      );
    case 'commander.excessArguments':
      return tooMany(argv);
    default:
      return new CliError('bad-value', error.message.replace(/^error: /, 'Cannot run: '));
  }
}

/** An address without its flag is what somebody types who knows `curl`. */
function tooMany(argv: readonly string[]): CliError {
  const verb = verbOf(argv);
  const url = argv.find((word, at) => /^https?:\/\//.test(word) && !argv[at - 1]?.startsWith('-'));
  const takesUrl = verb !== undefined && keysOf(verb).some((key) => flagsOf(key, verb).includes('--url'));
  const hint = url !== undefined && takesUrl ? `: write --url before ${quote(url)}` : '';
  return new CliError('too-many-arguments', `Cannot use so many arguments${hint}; see tidegate ${argv[0]} --help`);
}

function verbOf(argv: readonly string[]): VerbName | undefined {
  return VERB_NAMES.find((name) => name === argv[0] || VERB_TABLE[name].alias === argv[0]);
}

function unknownFlag(flag: string, argv: readonly string[]): CliError {
  const verb = verbOf(argv);
  const known = verb === undefined ? [] : keysOf(verb).flatMap((key) => flagsOf(key, verb));
  // `--ageMs` is more likely the end of a key than any other word.
  const ending = known.find((candidate) => candidate.toLowerCase().endsWith(`.${flag.slice(2).toLowerCase()}`));
  // `--sink.file` is the beginning of several; the first of them is the one that the others need.
  const meant = ending ?? known.find((candidate) => candidate.startsWith(`${flag}.`));
  const hint = meant === undefined ? didYouMean(flag, known) : ` (did you mean ${meant}?)`;
  return new CliError('unknown-flag', `Cannot use ${flag}: there is no such flag${hint}`);
}
