import { expect, test } from 'vitest';

import { checkChannelName } from './channel-name.js';

test.each([
  'a',
  'prices',
  'app:channel:user',
  'straße',
  'комната',
  '日本',
  'a.b',
  "a_b~c@d!e$f&g'h(i)j+k,l;m=n-o",
  'x'.repeat(200),
  '...',
])('checkChannelName() takes %j', (name) => {
  expect(checkChannelName(name)).toBe(name);
});

test.each([
  ['nothing', ''],
  ['a path segment', '.'],
  ['the way out of a path', '..'],
  ['a slash', 'a/b'],
  ['a wildcard, which belongs to grants', 'a*'],
  ['a space', 'a b'],
  ['a line end', 'a\nb'],
  ['a NUL', 'a\0'],
  ['percent, so that nothing is decoded twice', '%2e%2e'],
  ['a query', 'a?b'],
  ['201 bytes', 'x'.repeat(201)],
  ['202 bytes in fewer characters', 'é'.repeat(101)],
  ['letters that only look the same', 'e\u0301'],
])('checkChannelName() refuses %s', (_what, name) => {
  expect(() => checkChannelName(name)).toThrow(expect.objectContaining({ code: 'invalid-channel' }) as Error);
});
