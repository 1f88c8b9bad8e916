// `npm test`: everything that must hold, in one command. `--full` adds the long suites.
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { ensureInstalled, ensureServices, run, tool } from './setup.mjs';

const isFull = process.argv.includes('--full');
const isCi = process.env.CI === 'true';
const reports = mkdtempSync(join(tmpdir(), 'tidegate-test-'));
const counts = { passed: 0, failed: 0, skipped: 0 };
const failures = [];

/** The Node releases that the built code is tested on besides the one that runs this. */
const OTHER_NODES = ['24'];

function step(name, task) {
  const startedMs = Date.now();
  console.log(`\n▸ ${name}`);
  const isGood = task();
  console.log(`${isGood ? '✓' : '✗'} ${name} (${((Date.now() - startedMs) / 1000).toFixed(1)} s)`);
  if (!isGood) failures.push(name);
  return isGood;
}

/**
 * In the names of tests that CI may skip: recorded data is optional everywhere, and not every container may mount a
 * disk to fill. Anything else that it skips is a check that did not happen.
 */
const EXCUSED = ['[recorded data]', '[mount]'];

/** Runs vitest and adds up what it reports; skipped tests are named. */
function vitest(label, { node = [process.execPath], args = [], env = {} } = {}) {
  const report = join(reports, `${label}.json`);
  const [command, ...prefix] = node;
  const isGood = run(
    command,
    [
      ...prefix,
      join('node_modules', 'vitest', 'vitest.mjs'),
      'run',
      '--reporter=dot',
      '--reporter=json',
      `--outputFile.json=${report}`,
      ...args,
    ],
    { env },
  );
  if (!existsSync(report)) return false;
  const { testResults } = JSON.parse(readFileSync(report, 'utf8'));
  const tests = testResults.flatMap(({ assertionResults }) => assertionResults);
  for (const { status, fullName } of tests) {
    if (status === 'passed') counts.passed += 1;
    else if (status === 'failed') counts.failed += 1;
    else {
      counts.skipped += 1;
      console.log(`  skipped: ${fullName}`);
    }
  }
  const unexcused = tests.filter(
    ({ status, fullName }) =>
      !['passed', 'failed'].includes(status) && !EXCUSED.some((mark) => fullName.includes(mark)),
  );
  if (isCi && unexcused.length > 0) console.log(`  ${unexcused.length} skipped in CI, where a skip is a failure`);
  return isGood && tests.length > 0 && !(isCi && unexcused.length > 0);
}

if (!step('install', ensureInstalled)) process.exit(1);
step('services', () => {
  ensureServices();
  return true;
});
step('format', () => run(tool('oxfmt'), ['--check', '.']));
step('lint', () => run(tool('oxlint'), ['--type-aware', '--deny-warnings']));
step('types', () =>
  ['tsconfig.json', 'tsconfig.browser.json', 'src/ui/tsconfig.json'].every((project) =>
    run(tool('tsc'), ['--noEmit', '-p', project]),
  ),
);
const isBuilt = step('build', () => run(process.execPath, [join('scripts', 'build.mjs')]));
step('unused code', () => run(tool('knip'), []));
if (isBuilt) {
  step('package', () => run(tool('publint'), ['--strict']));
  step('reference up to date', () => run(process.execPath, [join('scripts', 'docs.mjs'), '--check']));
  step('tests', () => vitest('all', { env: isFull ? { TIDEGATE_TEST_SEEDS: '200', TIDEGATE_TEST_LONG: '1' } : {} }));
  if (isFull) {
    step('hub tests on a worker', () =>
      vitest('workers', { args: ['test/integration'], env: { TIDEGATE_TEST_WORKERS: '1' } }),
    );
  }
  for (const version of OTHER_NODES) {
    step(`tests of the built code on Node ${version}`, () =>
      vitest(`node-${version}`, {
        node: ['npx', '-y', '-p', `node@${version}`, 'node'],
        args: ['src', 'test/integration', 'test/conformance'],
        env: { TIDEGATE_TEST_BUILT: '1' },
      }),
    );
  }
}
rmSync(reports, { recursive: true, force: true });

if (failures.length > 0) console.log(`\nFailed: ${failures.join(', ')}`);
console.log(`\n${counts.passed} passed, ${counts.failed} failed, ${counts.skipped} skipped`);
process.exit(failures.length === 0 ? 0 : 1);
