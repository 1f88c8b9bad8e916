import { formatDefault, groupsOf, keysOf, settingOf, shownFlagsOf, variableOf } from './config/index.js';
import type { Group, Key, VerbName } from './config/index.js';
import type { Paint } from './terminal.js';
import { VERB_TABLE } from './verbs.js';
import type { Verb, VerbArgument } from './verbs.js';

export interface HelpStyle {
  readonly columns: number;
  readonly paint: Paint;
}

const INDENT = '  ';
const TERM_WIDTH = 30;
/** Asks for every option. */
const EVERYTHING = 'all';
const UNBROKEN = '\u00A0';

/** What `tidegate --help` prints. */
export function renderRootHelp({ columns, paint }: HelpStyle): string {
  const rows = Object.entries(VERB_TABLE).map(([name, { summary, alias }]) => {
    return row({ term: name, text: alias === undefined ? summary : `${summary} (also ${alias})`, width: 12 }, columns);
  });
  return [
    `${paint('bold', 'tidegate')} takes Server-Sent Event streams in and lets them out.`,
    '',
    heading('Usage', paint),
    `${INDENT}tidegate VERB [options]`,
    '',
    heading('Verbs', paint),
    ...rows,
    '',
    heading('Try', paint),
    `${INDENT}tidegate demo`,
    `${INDENT}tidegate VERB --help`,
    '',
    heading('Exit codes', paint),
    `${INDENT}0 done, 1 it failed, 2 it was asked for wrongly`,
    '',
  ].join('\n');
}

/**
 * What `tidegate VERB --help` prints, made from the configuration table. Of a verb with more options than anybody reads
 * it shows those to begin with; `words` ask for all that have one of them in their name, or for `all`.
 */
export function renderVerbHelp(name: VerbName, style: HelpStyle, words: readonly string[] = []): string {
  const verb = VERB_TABLE[name];
  const groups = groupsOf(keysOf(name));
  if (words.length > 0 && !words.includes(EVERYTHING)) return renderMatching(name, words, style);
  const isShort = words.length === 0 && verb.first !== undefined;
  const first: readonly Group[] = [{ title: 'Options to begin with', keys: verb.first ?? [] }];
  const examples = [heading('Examples', style.paint), ...verb.examples.map((example) => `${INDENT}${example}`), ''];
  return [
    `${verb.summary}.`,
    ...(verb.description === undefined ? [] : [verb.description]),
    '',
    heading('Usage', style.paint),
    `${INDENT}${usageOf(name, verb)}`,
    ...renderArguments(verb.args, style),
    ...(isShort ? ['', ...examples.slice(0, -1)] : []),
    ...renderGroups(name, isShort ? first : groups, style),
    '',
    ...(isShort ? renderMore(name, groups, style) : examples),
  ].join('\n');
}

function renderGroups(name: VerbName, groups: readonly Group[], style: HelpStyle): readonly string[] {
  return groups.map(({ title, keys }) => {
    const rows = keys.map((key) => renderSetting(key, name, style));
    return `\n${heading(title, style.paint)}\n${rows.join('\n')}`;
  });
}

/** The options that have one of `words` in their name; a heading that has it stands for all below it. */
function renderMatching(name: VerbName, words: readonly string[], style: HelpStyle): string {
  const wanted = words.map((word) => word.toLowerCase().replace(/^-+/, ''));
  const isMeant = (text: string): boolean => wanted.some((word) => text.toLowerCase().includes(word));
  const found = groupsOf(keysOf(name)).flatMap((group) => {
    const keys = isMeant(group.title)
      ? group.keys
      : group.keys.filter((key) => isMeant(key) || shownFlagsOf(key, name).some(isMeant));
    return keys.length === 0 ? [] : [{ title: group.title, keys }];
  });
  const nothing = `No option of ${name} has ${wanted.join(' or ')} in its name; see tidegate ${name} --help ${EVERYTHING}`;
  return `${found.length === 0 ? nothing : renderGroups(name, found, style).join('\n').trimStart()}\n`;
}

/** What else there is, and how to see it. */
function renderMore(name: VerbName, groups: readonly Group[], { columns, paint }: HelpStyle): readonly string[] {
  const beginnings = groups
    .flatMap(({ keys }) => keys)
    .filter((key) => settingOf(key).reach !== 'flag')
    .map((key) => (/^sink\.[^.]+\./.exec(key)?.[0] ?? key.split('.')[0] ?? key).replace(/\.$/, ''));
  const text = `tidegate ${name} --help WORD, where WORD is ${EVERYTHING}, any part of a name, or one of: ${[...new Set(beginnings)].join(', ')}`;
  return [heading('More', paint), ...wrap(text, columns - INDENT.length).map((line) => `${INDENT}${line}`), ''];
}

function usageOf(name: VerbName, { args }: Verb): string {
  const terms = args.map(({ name: term, isRequired, isVariadic }) => {
    const text = `${term.toUpperCase()}${isVariadic === true ? '...' : ''}`;
    return isRequired ? text : `[${text}]`;
  });
  const hasOptions = keysOf(name).length > 0;
  return ['tidegate', name, ...terms, ...(hasOptions ? ['[options]'] : [])].join(' ');
}

function renderArguments(args: readonly VerbArgument[], { columns, paint }: HelpStyle): readonly string[] {
  if (args.length === 0) return [];
  const rows = args.map(({ name, doc }) => row({ term: name.toUpperCase(), text: doc, width: TERM_WIDTH }, columns));
  return ['', heading('Arguments', paint), ...rows];
}

function renderSetting(key: Key, verb: VerbName, { columns, paint }: HelpStyle): string {
  const { doc, placeholder, type, reach } = settingOf(key);
  // Short spellings come first, as in every other program's help.
  const flags = shownFlagsOf(key, verb).toSorted((a, b) => Number(a.startsWith('--')) - Number(b.startsWith('--')));
  const isChoice = type === 'choice' || placeholder.includes('|') || placeholder.includes(',');
  const value = isChoice ? placeholder : `<${placeholder}>`;
  const term = type === 'boolean' ? flags.join(', ') : `${flags.join(', ')} ${value}`;
  const preset = formatDefault(key, verb);
  const notes = [...(preset === '' ? [] : [`default ${preset}`]), ...(reach === 'flag' ? [] : [variableOf(key)])];
  // The notes stay together: they are what a reader scans for.
  const text = notes.length === 0 ? doc : `${doc} ${`[${notes.join('; ')}]`.replaceAll(' ', UNBROKEN)}`;
  const rendered = row({ term, text, width: TERM_WIDTH }, columns);
  if (notes.length === 0) return rendered;
  return rendered.replaceAll(UNBROKEN, ' ').replace(/\[[^[]*\]$/, (match) => paint('dim', match));
}

function heading(title: string, paint: Paint): string {
  return paint('bold', `${title}:`);
}

interface Row {
  readonly term: string;
  readonly text: string;
  /** Characters kept for the term; a longer one gets a line of its own. */
  readonly width: number;
}

function row({ term, text, width }: Row, columns: number): string {
  const indent = ' '.repeat(INDENT.length + width);
  const [first = '', ...rest] = wrap(text, Math.max(columns - indent.length, 24));
  const lines = rest.map((line) => `${indent}${line}`);
  if (term.length + 2 > width) return [`${INDENT}${term}`, `${indent}${first}`, ...lines].join('\n');
  return [`${INDENT}${term.padEnd(width)}${first}`, ...lines].join('\n');
}

function wrap(text: string, width: number): readonly string[] {
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(' ')) {
    if (line !== '' && line.length + 1 + word.length > width) {
      lines.push(line);
      line = word;
    } else line = line === '' ? word : `${line} ${word}`;
  }
  return [...lines, line];
}
