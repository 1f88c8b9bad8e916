import { defineConfig } from 'vitest/config';

/** The suites of `npm run test:world`: real programs of other people, one file at a time. */
export default defineConfig({
  test: {
    include: ['test/interop/**/*.test.ts'],
    testTimeout: 180_000,
    hookTimeout: 300_000,
    pool: 'forks',
    maxWorkers: 1,
  },
});
