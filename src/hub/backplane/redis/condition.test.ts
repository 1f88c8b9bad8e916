import { expect, test } from 'vitest';

import { createCapturingLogger } from '../../../../test/support/capturing-logger.js';
import { RedisCondition } from './condition.js';

test('failed() counts by reason, and no more than fifty reasons apart', () => {
  const condition = new RedisCondition(undefined);
  condition.failed('OOM');
  for (let number = 0; number < 100; number += 1) condition.failed(`REASON${number}`);
  condition.failed('OOM');
  expect(condition.errors.get('OOM')).toBe(2);
  expect(condition.errors.get('REASON48')).toBe(1);
  expect(condition.errors.get('other')).toBe(51);
  expect(condition.errors.size).toBe(51);
});

test('skewed() says once that the clocks are far apart, and again when they were not meanwhile', () => {
  const logger = createCapturingLogger();
  const condition = new RedisCondition(logger);
  for (const byMs of [100, -5000]) condition.skewed(byMs);
  expect(logger.lines).toEqual([]);
  for (const byMs of [-6000, -6001]) condition.skewed(byMs);
  expect(logger.lines).toMatchObject([{ level: 'warn', fields: { clockSkewMs: -6000 } }]);
  for (const byMs of [0, 7000]) condition.skewed(byMs);
  expect(logger.lines).toHaveLength(2);
  expect(condition.clockSkewMs).toBe(7000);
});

test('refused() counts every message and says so once', () => {
  const logger = createCapturingLogger();
  const condition = new RedisCondition(logger);
  for (let number = 0; number < 3; number += 1) condition.refused('{p}:events');
  expect(condition.refusedMessages).toBe(3);
  expect(logger.lines).toMatchObject([{ level: 'warn', fields: { channel: '{p}:events' } }]);
});
