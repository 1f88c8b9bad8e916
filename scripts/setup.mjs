// What the two commands need before they can run, on a machine that has Node and nothing else.
// Plain Node: it runs before anything is installed.
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const root = dirname(dirname(fileURLToPath(import.meta.url)));

/** Runs a command, in the project's folder unless told; its output goes where ours goes. Returns whether it exited 0. */
export function run(command, args, { cwd = root, env = {}, quiet = false } = {}) {
  const result = spawnSync(command, args, {
    cwd,
    env: { ...process.env, ...env },
    stdio: quiet ? ['ignore', 'pipe', 'pipe'] : ['ignore', 'inherit', 'inherit'],
  });
  if (result.status === 0) return true;
  if (result.error) console.error(`Cannot run ${command}: ${result.error.message}`);
  if (quiet) console.error(String(result.stdout ?? '') + String(result.stderr ?? ''));
  return false;
}

/** The path of a tool that npm installed here. */
export function tool(name) {
  return join(root, 'node_modules', '.bin', name);
}

/** Installs the dependencies where they are not there, or older than the lock file. */
export function ensureInstalled() {
  const lock = join(root, 'package-lock.json');
  const installed = join(root, 'node_modules', '.package-lock.json');
  if (existsSync(installed) && statSync(installed).mtimeMs >= statSync(lock).mtimeMs) return true;
  console.log('Installing dependencies (once) …');
  return run('npm', ['ci', '--no-audit', '--no-fund', '--loglevel=error'], { quiet: true });
}

/** Builds `dist/` where it is not there, or older than the source. */
export function ensureBuilt() {
  const built = join(root, 'dist', '.built');
  if (existsSync(built) && newest(join(root, 'src')) <= statSync(built).mtimeMs) return true;
  console.log('Building (once) …');
  return run(process.execPath, [join(root, 'scripts', 'build.mjs')], { quiet: true });
}

function newest(folder) {
  const entries = readdirSync(folder, { recursive: true, withFileTypes: true });
  const files = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
  return Math.max(...files.map((file) => statSync(file).mtimeMs));
}

/** Programs that some tests need, from the system's packages. */
const SERVICES = [
  { program: '/usr/bin/chromium', debianPackage: 'chromium' },
  { program: '/usr/bin/redis-server', debianPackage: 'redis-server' },
  { program: '/usr/sbin/nginx', debianPackage: 'nginx-light' },
  { program: '/usr/sbin/ip', debianPackage: 'iproute2' },
];

/** What `npm run test:world` needs beside its toolchains: browsers, and the proxies that stand before hubs. */
export const WORLD_SERVICES = [
  { program: '/usr/bin/chromium', debianPackage: 'chromium' },
  { program: '/usr/bin/firefox-esr', debianPackage: 'firefox-esr' },
  { program: '/usr/bin/curl', debianPackage: 'curl' },
  { program: '/usr/sbin/nginx', debianPackage: 'nginx-light' },
  { program: '/usr/sbin/haproxy', debianPackage: 'haproxy' },
  { program: '/usr/bin/caddy', debianPackage: 'caddy' },
  // The program without the service that the package `apache2` would start.
  { program: '/usr/sbin/apache2', debianPackage: 'apache2-bin' },
];

const MOTO = 'moto[server]==5.2.5';

/** Installs what is missing where that is allowed: as root on Debian. Tests whose program stays missing are skipped by name. */
export function ensureServices(services = SERVICES) {
  if (services === SERVICES) ensureMoto();
  const missing = services.filter(({ program }) => !existsSync(program));
  if (missing.length === 0) return;
  const names = missing.map(({ debianPackage }) => debianPackage);
  const mayInstall = process.getuid?.() === 0 && existsSync('/usr/bin/apt-get');
  if (!mayInstall) {
    console.log(
      `Not here, and not mine to install: ${names.join(', ')}. The tests that need them will be skipped by name.`,
    );
    return;
  }
  console.log(`Installing ${names.join(', ')} …`);
  const env = { DEBIAN_FRONTEND: 'noninteractive' };
  run('apt-get', ['update', '-qq'], { env, quiet: true });
  run('apt-get', ['install', '-y', '-qq', '--no-install-recommends', ...names], { env, quiet: true });
}

/** A server of S3's protocol that keeps to conditional writes, from PyPI: into a folder that npm and tools leave alone. */
function ensureMoto() {
  const folder = join(root, 'node_modules', '.cache', 'moto');
  if (existsSync(join(folder, 'bin', 'moto_server'))) return;
  if (spawnSync('python3', ['-m', 'venv', '--help'], { stdio: 'ignore' }).status !== 0) {
    console.log('No python3 with venv here: the tests that need moto will be skipped by name.');
    return;
  }
  console.log('Installing moto (once) …');
  const isThere = run('python3', ['-m', 'venv', folder], { quiet: true });
  const pip = join(folder, 'bin', 'pip');
  if (isThere) run(pip, ['install', '--quiet', '--disable-pip-version-check', MOTO], { quiet: true });
}
