// `npm test`: everything that must hold, in one command. `--full` adds the long suites.
import { join } from 'node:path';

import { ensureInstalled, ensureServices, run, tool } from './setup.mjs';
import { Suites } from './suites.mjs';

const isFull = process.argv.includes('--full');
const suites = new Suites();

/** The Node releases that the built code is tested on besides the one that runs this. */
const OTHER_NODES = ['24'];

if (!suites.step('install', ensureInstalled)) suites.finish();
suites.step('services', () => {
  ensureServices();
  return true;
});
suites.step('format', () => run(tool('oxfmt'), ['--check', '.']));
suites.step('lint', () => run(tool('oxlint'), ['--type-aware', '--deny-warnings']));
suites.step('types', () =>
  ['tsconfig.json', 'tsconfig.browser.json', 'src/ui/tsconfig.json'].every((project) =>
    run(tool('tsc'), ['--noEmit', '-p', project]),
  ),
);
const isBuilt = suites.step('build', () => run(process.execPath, [join('scripts', 'build.mjs')]));
suites.step('unused code', () => run(tool('knip'), []));
if (isBuilt) {
  suites.step('package', () => run(tool('publint'), ['--strict']));
  suites.step('reference up to date', () => run(process.execPath, [join('scripts', 'docs.mjs'), '--check']));
  suites.step('tests', () =>
    suites.vitest('all', { env: isFull ? { TIDEGATE_TEST_SEEDS: '200', TIDEGATE_TEST_LONG: '1' } : {} }),
  );
  if (isFull) {
    suites.step('hub tests on a worker', () =>
      suites.vitest('workers', { args: ['test/integration'], env: { TIDEGATE_TEST_WORKERS: '1' } }),
    );
  }
  for (const version of OTHER_NODES) {
    suites.step(`tests of the built code on Node ${version}`, () =>
      suites.vitest(`node-${version}`, {
        node: ['npx', '-y', '-p', `node@${version}`, 'node'],
        args: ['src', 'test/integration', 'test/conformance'],
        env: { TIDEGATE_TEST_BUILT: '1' },
      }),
    );
  }
}
suites.finish();
