// What `npm test` and `npm run test:world` share: steps with their times, vitest with its counts, the closing line.
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { run } from './setup.mjs';

const isCi = process.env.CI === 'true';

/**
 * In the names of tests that CI may skip: recorded data is optional everywhere, and not every container may mount a
 * disk to fill. Anything else that it skips is a check that did not happen.
 */
const EXCUSED = ['[recorded data]', '[mount]'];

/** One run of several steps. It goes on after a step that failed, and says at the end which those were. */
export class Suites {
  #reports = mkdtempSync(join(tmpdir(), 'tidegate-test-'));
  #counts = { passed: 0, failed: 0, skipped: 0 };
  #failures = [];

  /** Runs a task and prints its time; returns what the task returned: whether it went well. */
  step(name, task) {
    const startedMs = Date.now();
    console.log(`\n▸ ${name}`);
    const isGood = task();
    console.log(`${isGood ? '✓' : '✗'} ${name} (${((Date.now() - startedMs) / 1000).toFixed(1)} s)`);
    if (!isGood) this.#failures.push(name);
    return isGood;
  }

  /** Runs vitest and adds up what it reports; skipped tests are named. */
  vitest(label, { node = [process.execPath], args = [], env = {} } = {}) {
    const report = join(this.#reports, `${label}.json`);
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
      if (status === 'passed') this.#counts.passed += 1;
      else if (status === 'failed') this.#counts.failed += 1;
      else {
        this.#counts.skipped += 1;
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

  /** Prints what failed and the counts, and ends the process: with 0 if every step went well. */
  finish() {
    rmSync(this.#reports, { recursive: true, force: true });
    if (this.#failures.length > 0) console.log(`\nFailed: ${this.#failures.join(', ')}`);
    const { passed, failed, skipped } = this.#counts;
    console.log(`\n${passed} passed, ${failed} failed, ${skipped} skipped`);
    process.exit(this.#failures.length === 0 ? 0 : 1);
  }
}
