// Writes the reference pages that are made from code; `--check` says whether they are up to date instead.
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

import { renderSecurity } from './attacks.mjs';
import { root } from './setup.mjs';

const { renderReference } = await import(join(root, 'dist', 'cli', 'config', 'reference.js'));
const { HUB_ERROR_CODES } = await import(join(root, 'dist', 'hub', 'index.js'));

const pages = {
  'docs/reference/configuration.md': renderReference(),
  'docs/reference/errors.md': renderErrors(HUB_ERROR_CODES),
  'SECURITY.md': renderSecurity(),
};

function renderErrors(codes) {
  const rows = Object.entries(codes)
    .toSorted(([a], [b]) => a.localeCompare(b))
    .map(
      ([code, { status, isRetryable, title }]) =>
        `| \`${code}\` | ${status} | ${isRetryable ? 'yes' : 'no'} | ${title} |`,
    );
  return [
    '# Error codes of the hub',
    '',
    'Made from `src/hub/errors.ts` by `npm run docs`. Codes are stable; a refusal is `application/problem+json`',
    'with the code in `code`, or a `tidegate.error` event where a browser could not see a status (PROTOCOL.md, 8).',
    '',
    '| code | status | worth a retry | what it means |',
    '|---|---|---|---|',
    ...rows,
    '',
  ].join('\n');
}

const isCheck = process.argv.includes('--check');
let isStale = false;
for (const [path, text] of Object.entries(pages)) {
  const file = join(root, path);
  if (existsSync(file) && readFileSync(file, 'utf8') === text) continue;
  if (isCheck) {
    console.error(`${path} is not what the code says: run npm run docs`);
    isStale = true;
  } else {
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, text);
    console.log(`Wrote ${path}`);
  }
}
process.exit(isStale ? 1 : 0);
