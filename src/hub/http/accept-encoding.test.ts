import { expect, test } from 'vitest';

import { isGzipAccepted } from './accept-encoding.js';

test.each([
  ['gzip', true],
  ['gzip, deflate, br, zstd', true],
  ['GZIP', true],
  ['x-gzip', true],
  ['br;q=1.0, gzip;q=0.8, *;q=0.1', true],
  ['gzip ; Q = 0.001', true],
  ['*', true],
  ['identity;q=0', false],
  ['gzip;q=0.5, identity;q=0.5', true],
  [undefined, false],
  ['', false],
  ['br', false],
  ['gzip;q=0', false],
  ['gzip;q=0.000', false],
  ['*, gzip;q=0', false],
  ['*;q=0', false],
  ['gzip;q=0.5, identity', false],
  ['identity;q=1, *;q=0', false],
  ['gzip;q=soon', false],
  ['gzipped', false],
])('isGzipAccepted(%j) is %s', (header, isAccepted) => {
  expect(isGzipAccepted(header)).toBe(isAccepted);
});
