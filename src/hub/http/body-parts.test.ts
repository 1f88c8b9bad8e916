import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';

import { BodyParts } from './body-parts.js';

describe('BodyParts', () => {
  it('gives back every byte in order, however the body was cut', () => {
    const lengths = fc.array(fc.oneof(fc.integer({ min: 0, max: 10 }), fc.integer({ min: 4000, max: 20_000 })));
    fc.assert(
      fc.property(lengths, (cuts) => {
        const parts = new BodyParts();
        const pieces = cuts.map((length, at) => Buffer.alloc(length, at));
        for (const piece of pieces) parts.add(piece);
        expect(Buffer.compare(parts.whole(), Buffer.concat(pieces))).toBe(0);
        expect(parts.bytes).toBe(cuts.reduce((sum, length) => sum + length, 0));
      }),
    );
  });

  it('does not keep an object for each of a million bytes', () => {
    const before = process.memoryUsage();
    const parts = new BodyParts();
    for (let at = 0; at < 1_000_000; at += 1) parts.add(new Uint8Array(1));
    const after = process.memoryUsage();
    expect(after.external + after.heapUsed - before.external - before.heapUsed).toBeLessThan(32 * 1024 * 1024);
    expect(parts.bytes).toBe(1_000_000);
  });
});
