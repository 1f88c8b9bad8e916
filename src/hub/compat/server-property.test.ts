import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { formatCursor } from '../../protocol/index.js';
import { readFrame } from '../form.js';
import { encodeFrame } from '../frame.js';
import type { FrameFields } from '../frame.js';
import { createServerStamp } from './server-property.js';

const CURSOR = formatCursor('~aaaaaaaa', 7);
const stamp = createServerStamp('server', 'node "1"');

function stamped(fields: FrameFields) {
  return readFrame(stamp(encodeFrame(fields, CURSOR), CURSOR));
}

describe('createServerStamp()', () => {
  it.each([
    ['{}', '{"server":"node \\"1\\""}'],
    ['{"a":1}', '{"a":1,"server":"node \\"1\\""}'],
    ['{"a":12345678901234567890}', '{"a":12345678901234567890,"server":"node \\"1\\""}'],
    [' { "a" : 1 } ', ' { "a" : 1,"server":"node \\"1\\""}'],
  ])('says who delivered %s', (data, expected) => {
    expect(stamped({ data })).toEqual({ id: CURSOR, event: 'message', data: expected });
  });

  it.each(['', 'text', '[1]', '1', '"{}"', '{"a":', '{} {}'])('leaves %j as it is', (data) => {
    expect(stamped({ data }).data).toBe(data);
  });

  it('keeps id, event type and retry, and whatever else the object has', () => {
    const fields = { id: 'own', event: 'tick', retry: 5, data: '{"server":"mine"}' };
    expect(stamped(fields)).toMatchObject({ id: 'own', event: 'tick', retry: 5 });
    fc.assert(
      fc.property(fc.dictionary(fc.string(), fc.jsonValue()), fc.boolean(), (value, isPretty) => {
        const data = JSON.stringify(value, null, isPretty ? 2 : 0);
        expect(JSON.parse(stamped({ data }).data)).toEqual({ ...(JSON.parse(data) as object), server: 'node "1"' });
      }),
    );
  });
});
