import { shownFlagsOf, keysOf, settingOf } from './config/index.js';
import type { VerbName } from './config/index.js';
import { VERB_TABLE } from './verbs.js';

export type Shell = 'bash' | 'zsh' | 'fish';

interface Flag {
  readonly flag: string;
  readonly doc: string;
  readonly takesValue: boolean;
  readonly choices: readonly string[];
}

const RENDERERS: Readonly<Record<Shell, () => string>> = { bash: renderBash, zsh: renderZsh, fish: renderFish };

/** A completion script for `shell`, made from the verbs and the configuration table. */
export function renderCompletion(shell: Shell): string {
  return RENDERERS[shell]();
}

function verbs(): readonly (readonly [VerbName, string])[] {
  return Object.entries(VERB_TABLE).map(([name, { summary }]) => [name as VerbName, summary]);
}

function flags(verb: VerbName): readonly Flag[] {
  return keysOf(verb).flatMap((key) => {
    const { doc, type, placeholder } = settingOf(key);
    const choices = type === 'choice' ? placeholder.split('|') : [];
    return shownFlagsOf(key, verb).map((flag) => ({ flag, doc, takesValue: type !== 'boolean', choices }));
  });
}

function choicesOf(verb: VerbName): readonly string[] {
  return VERB_TABLE[verb].args.flatMap(({ choices = [] }) => choices);
}

function isFileVerb(verb: VerbName): boolean {
  return VERB_TABLE[verb].args.some(({ isFile }) => isFile === true);
}

function renderBash(): string {
  const cases = verbs().map(([verb]) => {
    const alias = VERB_TABLE[verb].alias;
    const words = [...flags(verb).map(({ flag }) => flag), ...choicesOf(verb), '--help'].join(' ');
    return `    ${alias === undefined ? verb : `${verb}|${alias}`}) words="${words}" ;;`;
  });
  const values = [
    ...new Set(
      verbs().flatMap(([verb]) =>
        flags(verb).flatMap(({ flag, choices }) =>
          choices.length === 0
            ? []
            : [`    ${flag}) COMPREPLY=($(compgen -W "${choices.join(' ')}" -- "$word")); return ;;`],
        ),
      ),
    ),
  ];
  const free = verbs().flatMap(([verb]) =>
    flags(verb).flatMap(({ flag, takesValue, choices }) => (takesValue && choices.length === 0 ? [flag] : [])),
  );
  // With no reply of ours the shell offers files, which is right for most values.
  values.push(`    ${[...new Set(free)].join('|')}) COMPREPLY=(); return ;;`);
  return `# bash completion for tidegate; source <(tidegate completion bash)
_tidegate() {
  local word="\${COMP_WORDS[COMP_CWORD]}" before="\${COMP_WORDS[COMP_CWORD-1]}" words=""
  if [ "$COMP_CWORD" -eq 1 ]; then
    COMPREPLY=($(compgen -W "${verbs()
      .map(([verb]) => verb)
      .join(' ')} --help --version" -- "$word"))
    return
  fi
  case "$before" in
${values.join('\n')}
  esac
  case "\${COMP_WORDS[1]}" in
${cases.join('\n')}
  esac
  COMPREPLY=($(compgen -W "$words" -- "$word"))
}
complete -o default -F _tidegate tidegate
`;
}

function renderZsh(): string {
  const cases = verbs().map(([verb]) => {
    const specs = flags(verb).map(({ flag, doc, takesValue, choices }) => {
      const action = choices.length === 0 ? '_files' : `(${choices.join(' ')})`;
      return `'*${flag}[${zshText(doc)}]${takesValue ? `:value:${action}` : ''}'`;
    });
    const choices = choicesOf(verb);
    const rest =
      choices.length > 0 ? `'1:choice:(${choices.join(' ')})'` : isFileVerb(verb) ? "'*:file:_files'" : "'*: :'";
    const alias = VERB_TABLE[verb].alias;
    return `    ${alias === undefined ? verb : `${verb}|${alias}`}) _arguments ${[...specs, rest].join(' ')} ;;`;
  });
  return `#compdef tidegate
# zsh completion for tidegate; source <(tidegate completion zsh)
_tidegate() {
  if (( CURRENT == 2 )); then
    local -a verbs=(${verbs()
      .map(([verb, summary]) => `'${verb}:${zshText(summary)}'`)
      .join(' ')})
    _describe verb verbs
    return
  fi
  local verb="\${words[2]}"
  shift words
  (( CURRENT-- ))
  case "$verb" in
${cases.join('\n')}
  esac
}
compdef _tidegate tidegate
`;
}

function renderFish(): string {
  const lines = verbs().map(([verb, summary]) => {
    const isVerb = `'__fish_seen_subcommand_from ${verb}'`;
    const choices = choicesOf(verb);
    return [
      `complete -c tidegate -n __fish_use_subcommand -f -a ${verb} -d ${fishText(summary)}`,
      choices.length === 0 ? '' : `complete -c tidegate -n ${isVerb} -f -a ${fishText(choices.join(' '))}`,
      flags(verb)
        .map((flag) => `complete -c tidegate -n ${isVerb} ${fishFlag(flag)}`)
        .join('\n'),
    ]
      .filter((line) => line !== '')
      .join('\n');
  });
  return `# fish completion for tidegate; tidegate completion fish | source\n${lines.join('\n')}\n`;
}

function fishFlag({ flag, doc, takesValue, choices }: Flag): string {
  const name = flag.startsWith('--') ? `-l ${flag.slice(2)}` : `-s ${flag.slice(1)}`;
  const value = choices.length > 0 ? ` -x -a ${fishText(choices.join(' '))}` : takesValue ? ' -r' : '';
  return `${name}${value} -d ${fishText(doc)}`;
}

/** Text within single quotes and brackets of a zsh spec. */
function zshText(text: string): string {
  return text.replaceAll("'", "'\\''").replace(/[[\]:]/g, '\\$&');
}

function fishText(text: string): string {
  return `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`;
}
