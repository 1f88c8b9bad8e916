import { gunzipSync } from 'node:zlib';

import * as fc from 'fast-check';
import { expect, test } from 'vitest';

import { handedOn } from '../../../test/support/cautious-inflater.js';
import { FlushPacker } from '../compression.js';
import { FlushBytes } from '../flush-bytes.js';
import { KeptPacks } from '../kept-packs.js';
import { createCounters } from '../metrics.js';
import type { Outlet } from '../subscriber.js';
import { createGzipOutlet } from './gzip-outlet.js';

/** Keeps what it is given. */
class CollectingOutlet implements Outlet {
  readonly written: Uint8Array[] = [];
  readonly pendingBytes = 7;
  readonly socket = undefined;
  hasRoom = true;
  isEnded = false;
  isDestroyed = false;
  resume: (() => void) | undefined;

  write(bytes: Uint8Array): boolean {
    this.written.push(bytes);
    return this.hasRoom;
  }

  flush(flush: FlushBytes): boolean {
    return this.write(flush.plain);
  }

  onDrain(resume: () => void): void {
    this.resume = resume;
  }

  end(): void {
    this.isEnded = true;
  }

  destroy(): void {
    this.isDestroyed = true;
  }

  destroyConnection(): void {
    this.isDestroyed = true;
  }

  get bytes(): Buffer {
    return Buffer.concat(this.written);
  }
}

const nothing = (): void => undefined;
const createPacker = (): FlushPacker =>
  new FlushPacker(createCounters(), new KeptPacks({ nowMs: () => 0, roomBytes: () => Infinity }));
/** Bytes of the gzip header, before the blocks. */
const HEADER_BYTES = 10;

test('createGzipOutlet() gives every subscriber a whole gzip member, wherever it joined and whatever it was told', () => {
  // Text that compresses and bytes that do not; around 1 KiB, where the form changes.
  const text = fc.nat(4000).map((length) => Buffer.alloc(length, 'data: {"tide":"low"}\n\n'));
  const bytes = fc.oneof(text, fc.uint8Array({ maxLength: 2000, size: 'max' }));
  const step = fc.record({ flush: bytes, control: fc.option(fc.uint8Array({ maxLength: 60 })) });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 12 }), (steps) => {
      const packer = createPacker();
      const flushes = steps.map(({ flush }) => FlushBytes.of(flush));
      for (let joinedAt = 0; joinedAt <= steps.length; joinedAt += 1) {
        const collected = new CollectingOutlet();
        const outlet = createGzipOutlet(collected, packer);
        const plain: Uint8Array[] = [];
        for (const [at, flush] of [...flushes.entries()].slice(joinedAt)) {
          const control = steps[at]?.control ?? Buffer.alloc(0);
          outlet.write(control);
          outlet.flush(flush);
          plain.push(control, flush.plain);
        }
        outlet.end();
        expect(gunzipSync(collected.bytes).equals(Buffer.concat(plain))).toBe(true);
        expect(collected.isEnded).toBe(true);
      }
    }),
    { numRuns: 60 },
  );
});

test('createGzipOutlet() writes nothing that an inflater holds back until more comes', () => {
  const bytes = fc.oneof(
    fc.uint8Array({ maxLength: 200 }),
    fc.nat(2000).map((length) => Buffer.alloc(length, 'tide ')),
  );
  fc.assert(
    fc.property(fc.array(fc.record({ bytes, isFlush: fc.boolean() }), { maxLength: 6 }), (writes) => {
      const collected = new CollectingOutlet();
      const outlet = createGzipOutlet(collected, createPacker());
      const plain: Uint8Array[] = [];
      for (const write of writes) {
        plain.push(write.bytes);
        if (write.isFlush) outlet.flush(FlushBytes.of(write.bytes));
        else outlet.write(write.bytes);
        expect(handedOn(collected.bytes.subarray(HEADER_BYTES)).equals(Buffer.concat(plain))).toBe(true);
      }
    }),
    { numRuns: 50 },
  );
});

test('createGzipOutlet() hands the very same bytes of a flush to all', () => {
  const packer = createPacker();
  const flush = FlushBytes.of(Buffer.alloc(5000, 'tide'));
  const written = Array.from({ length: 3 }, () => {
    const collected = new CollectingOutlet();
    createGzipOutlet(collected, packer).flush(flush);
    return collected.written.at(-1);
  });
  expect(new Set(written).size).toBe(1);
});

test('createGzipOutlet() passes on how full the way is, and a cut, without a trailer', () => {
  const collected = new CollectingOutlet();
  const outlet = createGzipOutlet(collected, createPacker());
  collected.hasRoom = false;
  expect(outlet.write(Buffer.from('a'))).toBe(false);
  expect(outlet.pendingBytes).toBe(7);
  outlet.onDrain(nothing);
  expect(collected.resume).toBe(nothing);
  const before = collected.bytes.length;
  outlet.destroy();
  expect(collected.isDestroyed).toBe(true);
  expect(collected.bytes.length).toBe(before);
});
