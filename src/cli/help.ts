import { formatDefault, groupsOf, keysOf, settingOf, shownFlagsOf, variableOf } from './config/index.js';
import type { Key, VerbName } from './config/index.js';
import type { Paint } from './terminal.js';
import { VERB_TABLE } from './verbs.js';
import type { Verb, VerbArgument } from './verbs.js';

export interface HelpStyle {
  readonly columns: number;
  readonly paint: Paint;
}

const INDENT = '  ';
const TERM_WIDTH = 30;
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

/** What `tidegate VERB --help` prints, made from the configuration table. */
export function renderVerbHelp(name: VerbName, { columns, paint }: HelpStyle): string {
  const verb = VERB_TABLE[name];
  const sections = groupsOf(keysOf(name)).map(({ title, keys }) => {
    const rows = keys.map((key) => renderSetting(key, name, { columns, paint }));
    return `\n${heading(title, paint)}\n${rows.join('\n')}`;
  });
  return [
    `${verb.summary}.`,
    ...(verb.description === undefined ? [] : [verb.description]),
    '',
    heading('Usage', paint),
    `${INDENT}${usageOf(name, verb)}`,
    ...renderArguments(verb.args, { columns, paint }),
    ...sections,
    '',
    heading('Examples', paint),
    ...verb.examples.map((example) => `${INDENT}${example}`),
    '',
  ].join('\n');
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
