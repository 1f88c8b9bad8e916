// Builds the drivers of `test/interop/drivers/`: small programs around the clients of other people.
// Each is built in node_modules/.cache/interop, in a folder named by a hash of its sources, and only once.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';

import { root, run } from './setup.mjs';

const SOURCES = join(root, 'test', 'interop', 'drivers');
const CACHE = join(root, 'node_modules', '.cache', 'interop');
/** What the tests read: the command of each driver that is here. */
const COMMANDS = join(CACHE, 'drivers.json');

/**
 * How each driver is built: `build` gets the folder with a copy of its sources, `command` names the program to start
 * there, and `tools` must be in PATH, each with an argument that only shows its version.
 */
const DRIVERS = {
  node: {
    tools: [['npm', '--version']],
    build: (cwd) => run('npm', ['ci', '--no-audit', '--no-fund', '--loglevel=error'], { cwd, quiet: true }),
    command: (folder) => [process.execPath, join(folder, 'driver.mjs')],
  },
  curl: {
    tools: [
      ['curl', '--version'],
      ['bash', '--version'],
    ],
    build: () => true,
    command: (folder) => ['bash', join(folder, 'follow.sh')],
  },
  python: {
    tools: [['python3', '-m', 'venv', '--help']],
    build: (cwd) =>
      run('python3', ['-m', 'venv', 'venv'], { cwd, quiet: true }) &&
      run(
        join(cwd, 'venv', 'bin', 'pip'),
        ['install', '--quiet', '--disable-pip-version-check', '-r', 'requirements.txt'],
        { cwd, quiet: true },
      ),
    command: (folder) => [join(folder, 'venv', 'bin', 'python'), join(folder, 'driver.py')],
  },
  go: {
    tools: [['go', 'version']],
    build: (cwd) =>
      run('go', ['build', '-o', 'driver', '.'], {
        cwd,
        quiet: true,
        env: { GOFLAGS: '-buildvcs=false', GOWORK: 'off' },
      }),
    command: (folder) => [join(folder, 'driver')],
  },
  java: {
    tools: [
      ['java', '-version'],
      ['mvn', '-version'],
    ],
    build: (cwd) =>
      run('mvn', ['-q', '-B', 'package', 'dependency:copy-dependencies', '-DoutputDirectory=target/lib'], {
        cwd,
        quiet: true,
      }),
    command: (folder) => [
      'java',
      '-Xshare:auto',
      '-XX:TieredStopAtLevel=1',
      '-cp',
      [join(folder, 'target', 'interop-1.jar'), join(folder, 'target', 'lib', '*')].join(delimiter),
      'tidegate.interop.Driver',
    ],
  },
  rust: {
    tools: [['cargo', '--version']],
    build: (cwd) =>
      run('cargo', ['build', '--quiet', '--locked'], { cwd, quiet: true, env: { CARGO_TARGET_DIR: 'target' } }),
    command: (folder) => [join(folder, 'target', 'debug', 'driver')],
  },
};

/** The names of the drivers, in the order in which they are built. */
export const driverNames = Object.keys(DRIVERS);

/**
 * Builds one driver if it is not in the cache. A driver without its toolchain is left out, so that its tests are
 * skipped by name; returns false only if a build failed.
 */
export function ensureDriver(name) {
  const { tools, build, command } = DRIVERS[name];
  const missing = tools.filter(([tool, ...args]) => spawnSync(tool, args, { stdio: 'ignore' }).status !== 0);
  if (missing.length > 0) {
    console.log(
      `Not here: ${missing.map((tool) => tool.join(' ')).join(', ')}. The clients of ${name} will be skipped.`,
    );
    record(name, undefined);
    return true;
  }
  const folder = join(CACHE, `${name}-${hashOf(join(SOURCES, name))}`);
  const built = join(folder, '.built');
  if (!existsSync(built)) {
    record(name, undefined);
    for (const old of existsSync(CACHE) ? readdirSync(CACHE) : []) {
      if (old.startsWith(`${name}-`)) rmSync(join(CACHE, old), { recursive: true });
    }
    cpSync(join(SOURCES, name), folder, { recursive: true });
    if (!build(folder)) return false;
    writeFileSync(built, '');
  }
  record(name, command(folder));
  return true;
}

function record(name, command) {
  mkdirSync(CACHE, { recursive: true });
  const commands = existsSync(COMMANDS) ? JSON.parse(readFileSync(COMMANDS, 'utf8')) : {};
  writeFileSync(COMMANDS, JSON.stringify({ ...commands, [name]: command }, undefined, 2));
}

function hashOf(folder) {
  const hash = createHash('sha256').update(process.version);
  const entries = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  for (const file of entries.map((entry) => join(entry.parentPath, entry.name)).toSorted()) {
    hash
      .update(`${file.slice(folder.length)}\0`)
      .update(readFileSync(file))
      .update('\0');
  }
  return hash.digest('hex').slice(0, 16);
}
