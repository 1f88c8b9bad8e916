import { existsSync } from 'node:fs';
import { dirname, resolve, sep } from 'node:path';
import { configDefaults, defineConfig } from 'vitest/config';
import type { Plugin } from 'vitest/config';

const SOURCES = resolve('src') + sep;
const BUILT = resolve('dist') + sep;

/** With `TIDEGATE_TEST_BUILT=1` the tests run against `dist/`, as it ships, instead of `src/`. */
const built: Plugin = {
  name: 'tidegate-built',
  enforce: 'pre',
  resolveId(source, importer) {
    if (importer === undefined || !source.startsWith('.') || !source.endsWith('.js')) return undefined;
    const target = resolve(dirname(importer), source);
    if (!target.startsWith(SOURCES)) return undefined;
    const file = BUILT + target.slice(SOURCES.length);
    return existsSync(file) ? { id: file, external: true } : undefined;
  },
};

export default defineConfig({
  plugins: process.env['TIDEGATE_TEST_BUILT'] === '1' ? [built] : [],
  test: {
    include: ['src/**/*.test.ts', 'test/**/*.test.ts'],
    // Those of `npm run test:world` have a configuration of their own.
    exclude: [...configDefaults.exclude, 'test/interop/**'],
    testTimeout: 20_000,
    hookTimeout: 30_000,
    pool: 'forks',
    maxWorkers: 2,
  },
});
