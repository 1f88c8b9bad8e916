import * as fc from 'fast-check';
import { expect, test } from 'vitest';

import { ChunkedBody } from '../../test/support/chunked-body.js';
import { chunkOf, LAST_CHUNK } from './chunk.js';

/** Around the sizes at which a length takes one more digit. */
const size = fc.oneof(
  fc.nat(20),
  fc.integer({ min: 250, max: 260 }),
  fc.integer({ min: 4090, max: 4100 }),
  fc.nat(70_000),
);
const run = size.map((length) => Buffer.alloc(length, 'data: \r\n0\r\n\r\n'));

test('chunkOf() makes chunks that any reader takes apart again, however they are cut', () => {
  fc.assert(
    fc.property(
      fc.array(fc.array(run, { maxLength: 4 }), { maxLength: 6 }),
      fc.array(fc.nat(5000), { minLength: 1, maxLength: 20 }),
      (writes, cuts) => {
        const wire = Buffer.concat([...writes.map((parts) => chunkOf(parts)), LAST_CHUNK]);
        const body = new ChunkedBody();
        let at = 0;
        for (let turn = 0; at < wire.length; turn += 1) {
          const end = at + 1 + (cuts[turn % cuts.length] ?? 0);
          expect(body.isComplete).toBe(false);
          body.push(wire.subarray(at, end));
          at = end;
        }
        expect(body.isComplete).toBe(true);
        expect(body.data.equals(Buffer.concat(writes.flat()))).toBe(true);
        // One chunk a write, and none of no bytes: it would end the body.
        const sizes = writes.map((parts) => parts.reduce((sum, { length }) => sum + length, 0));
        expect(body.sizes).toEqual(sizes.filter((bytes) => bytes > 0));
      },
    ),
  );
});

test('chunkOf() of nothing is nothing', () => {
  expect(chunkOf([])).toHaveLength(0);
  expect(chunkOf([Buffer.alloc(0), Buffer.alloc(0)])).toHaveLength(0);
});
