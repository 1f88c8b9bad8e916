// `npm run test:world`: the suites that need other toolchains. `--write` also writes what they saw into the documents.
import { driverNames, ensureDriver } from './interop-drivers.mjs';
import { ensureBuilt, ensureInstalled, ensureServices, WORLD_SERVICES } from './setup.mjs';
import { Suites } from './suites.mjs';

const isWriting = process.argv.includes('--write');
const suites = new Suites();

if (!suites.step('install', ensureInstalled)) suites.finish();
suites.step('services', () => {
  ensureServices(WORLD_SERVICES);
  return true;
});
if (!suites.step('build', ensureBuilt)) suites.finish();
for (const name of driverNames) suites.step(`interop: clients of ${name}`, () => ensureDriver(name));
suites.step('interop', () =>
  suites.vitest('interop', {
    args: ['--config', 'vitest.world.config.ts', 'test/interop'],
    env: isWriting ? { TIDEGATE_WRITE_DOCS: '1' } : {},
  }),
);
suites.finish();
