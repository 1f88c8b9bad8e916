import * as fc from 'fast-check';
import { expect, test } from 'vitest';

import { checkChannelName } from '../../protocol/index.js';
import { isUserChannel, userChannel } from './user-channel.js';

/** What could break out of an encoding, halves of surrogate pairs included. */
const hostile = fc.string({
  unit: fc.constantFrom(
    'a',
    'A',
    '0',
    '/',
    '%',
    ':',
    '.',
    '..',
    '~',
    '%2f',
    '%002f',
    '*',
    '\0',
    '\r\n',
    ' ',
    'ac',
    '€',
    'é',
    'e\u0301',
    '\ud800',
    '\udc00',
    '😀',
  ),
  maxLength: 6,
});
const name = fc.oneof(hostile, fc.string({ unit: 'binary', maxLength: 20 }));
const pair = fc.tuple(name, name);

test('userChannel() gives no two pairs the same name, also as UTF-8 and in NFC', () => {
  fc.assert(
    fc.property(pair, pair, ([application, user], other) => {
      fc.pre(application !== other[0] || user !== other[1]);
      const [one, two] = [userChannel(application, user), userChannel(...other)];
      expect(one).not.toBe(two);
      expect(Buffer.from(one.normalize('NFC'))).not.toEqual(Buffer.from(two.normalize('NFC')));
    }),
    {
      numRuns: 5000,
      // With digits of no fixed width, a space and "ac" would be the euro.
      examples: [
        [
          ['shop', ' ac'],
          ['shop', '€'],
        ],
      ],
    },
  );
});

test('userChannel() keeps where one part ends and the other begins', () => {
  fc.assert(
    fc.property(name, name, name, (a, b, c) => {
      fc.pre(b !== '');
      expect(userChannel(a + b, c)).not.toBe(userChannel(a, b + c));
      expect(userChannel(`${a}/${b}`, c)).not.toBe(userChannel(a, `${b}/${c}`));
    }),
  );
});

test('userChannel() makes no name that /subscribe could name', () => {
  fc.assert(
    fc.property(pair, ([application, user]) => {
      const channel = userChannel(application, user);
      expect(() => checkChannelName(channel)).toThrow(expect.objectContaining({ code: 'invalid-channel' }));
      expect(isUserChannel(channel)).toBe(true);
      expect(channel).toMatch(/^\/users\/[A-Za-z0-9._~@%-]*\/[A-Za-z0-9._~@%-]*$/);
    }),
  );
});
