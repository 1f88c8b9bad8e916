// The table of attacks in SECURITY.md, from the names of the tests in test/attacks.
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join, relative } from 'node:path';

import { root } from './setup.mjs';

/** They also keep the formatter away from what stands between them. */
const MARKS = ['<!-- prettier-ignore-start -->', '<!-- prettier-ignore-end -->'];

/** SECURITY.md with the table as it must be. */
export function renderSecurity() {
  const text = readFileSync(join(root, 'SECURITY.md'), 'utf8');
  const [before, rest] = text.split(MARKS[0]);
  const after = rest?.split(MARKS[1])[1];
  if (after === undefined) throw new Error('Cannot find the table of attacks in SECURITY.md');
  const attacks = listAttacks();
  const rows = attacks.map(({ file, name }, at) => `| ${at + 1} | ${name} | \`${file}\` |`);
  return [
    before,
    MARKS[0],
    '\n\n',
    ['| | attack | test |', '|---|---|---|', ...rows].join('\n'),
    '\n\n',
    MARKS[1],
    after,
  ].join('');
}

function listAttacks() {
  const vitest = join(root, 'node_modules', 'vitest', 'vitest.mjs');
  const { stdout, status, stderr } = spawnSync(process.execPath, [vitest, 'list', 'test/attacks', '--json'], {
    cwd: root,
    encoding: 'utf8',
  });
  if (status !== 0) throw new Error(`Cannot list the tests of test/attacks: ${stderr}`);
  return JSON.parse(stdout.slice(stdout.indexOf('[')))
    .map(({ name, file }) => ({ name: readable(name), file: relative(join(root, 'test', 'attacks'), file) }))
    .toSorted((a, b) => a.file.localeCompare(b.file));
}

/** One line of Markdown: a describe and its test make one sentence. */
function readable(name) {
  return name
    .replaceAll(' > ', ' ')
    .replaceAll('|', '\\|')
    .replaceAll('<', '&lt;')
    .replaceAll('*', '\\*')
    .replaceAll('_', '\\_')
    .replaceAll('`', "'")
    .replace('(fell once)', '**(fell once)**');
}
