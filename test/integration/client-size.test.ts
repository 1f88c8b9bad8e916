import { gzipSync } from 'node:zlib';

import { expect, test } from 'vitest';

import { bundleClient } from '../support/client-bundle.js';

const gzippedBytes = (code: string): number => gzipSync(code, { level: 9 }).length;

test('subscribe() takes no more than 5 KB of a page, minified and gzipped', async () => {
  const code = await bundleClient(['subscribe']);
  expect(code).toContain('Last-Event-ID');
  expect(gzippedBytes(code)).toBeLessThanOrEqual(5 * 1024);
});
