import { expect, test } from 'vitest';

import { readRetry } from './retry.js';

test.each([
  [undefined, undefined, undefined],
  [null, undefined, undefined],
  [0, undefined, undefined],
  [-0, undefined, undefined],
  [100, 100, 100],
  [3_600_000, 3_600_000, 3_600_000],
  [99, 'invalid', 100],
  [1, 'invalid', 100],
  [-5, 'invalid', 100],
  [3_600_001, 'invalid', 3_600_000],
  [1e300, 'invalid', 3_600_000],
  [250.5, 'invalid', 'invalid'],
  [Number.NaN, 'invalid', 'invalid'],
  [Number.POSITIVE_INFINITY, 'invalid', 'invalid'],
  ['1000', 'invalid', 'invalid'],
  [true, 'invalid', 'invalid'],
])('readRetry(%j) is %j where bounds refuse, %j where they clamp', (value, refused, clamped) => {
  expect([readRetry(value, 'refused'), readRetry(value, 'clamped')]).toEqual([refused, clamped]);
});
