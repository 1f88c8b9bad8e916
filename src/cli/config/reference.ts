import type { Setting } from './setting.js';
import { groupsOf } from './groups.js';
import { formatDefault } from './describe.js';
import { settingOf, variableOf } from './table.js';
import type { Key } from './table.js';
import { KEYS } from './table.js';

/** The text of `docs/reference/configuration.md`, made from the table. */
export function renderReference(): string {
  const settings = KEYS.filter((key) => settingOf(key).reach === 'all');
  const sections = groupsOf(settings).map(({ title, keys }) => renderSection(title, keys));
  return [HEAD, ...sections, renderLegacy(settings)].join('\n');
}

const HEAD = `# Configuration

<!-- Made from src/cli/config/table.ts; do not edit. -->

Every setting can be given as a flag, as a variable or in \`tidegate.yaml\` (or the file that \`--config\`
or \`TIDEGATE_CONFIG\` names). The key \`http.port\` is the flag \`--http.port\`, the variable
\`TIDEGATE_HTTP_PORT\` and, in the file, \`http: {port: 8080}\`. A flag beats a variable, a variable
beats the file, the file beats the default. An empty variable counts as not set.

Milliseconds can be written \`500\`, \`30s\`, \`5m\`, \`2h\` or \`1d\`; bytes \`1024\`, \`64KiB\` or \`16MiB\`.
A list is a repeated flag, a comma-separated variable or a YAML list.
`;

function renderSection(title: string, keys: readonly Key[]): string {
  const rows = keys.map((key) => {
    const setting = settingOf(key);
    return `| \`${key}\` | \`${variableOf(key)}\` | ${typeOf(setting)} | ${cell(formatDefault(key))} | ${cell(setting.doc)} | ${setting.verbs.join(', ')} |`;
  });
  return [
    `## ${title}`,
    '',
    '| key | variable | type | default | what | verbs |',
    '|---|---|---|---|---|---|',
    ...rows,
    '',
  ].join('\n');
}

function renderLegacy(keys: readonly Key[]): string {
  const rows = keys.flatMap((key) => namesOf(key).map((name) => `| \`${name}\` | \`${key}\` |`));
  return [
    '## Variables of systems that Tidegate replaces',
    '',
    "They rank below Tidegate's own variable.",
    '',
    '| variable | key |',
    '|---|---|',
    ...rows,
    '',
  ].join('\n');
}

function namesOf(key: Key): readonly string[] {
  const { legacy = [] } = settingOf(key);
  return [...legacy.map(({ name }) => name), ...legacy.flatMap((variable) => variable.with ?? [])];
}

function typeOf({ type, unit, placeholder }: Setting): string {
  if (type === 'choice') return cell(placeholder);
  if (type === 'list') return `list of ${cell(placeholder)}`;
  return unit === undefined ? type : unit;
}

/** Text that cannot end its table cell. */
function cell(text: string): string {
  return text.replaceAll('|', '\\|').replaceAll('<', '&lt;').replaceAll('*', '\\*');
}
