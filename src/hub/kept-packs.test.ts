import { expect, test } from 'vitest';

import { ManualClock } from '../../test/support/clocks.js';
import { KeptPacks } from './kept-packs.js';

const OVERHEAD_BYTES = 1024;
const packOf = (byteCount: number) => ({ bytes: Buffer.alloc(byteCount), crc: byteCount, shift: new Uint32Array() });

function createPacks(roomBytes = Infinity) {
  const clock = new ManualClock();
  const room = { bytes: roomBytes };
  return { clock, room, packs: new KeptPacks({ nowMs: () => clock.now(), roomBytes: () => room.bytes }) };
}

test('KeptPacks gives back what it keeps, by segment and by digest, and counts it', () => {
  const { packs } = createPacks();
  const segment = {};
  const [a, b] = [packOf(10), packOf(20)];
  packs.keep(segment, a);
  packs.keep('digest', b);
  expect(packs.find(segment)).toBe(a);
  expect(packs.find('digest')).toBe(b);
  expect(packs.find({})).toBeUndefined();
  expect(packs.find('another')).toBeUndefined();
  expect(packs.bytes).toBe(30 + 2 * OVERHEAD_BYTES);
});

test('KeptPacks keeps nothing for which history leaves no room', () => {
  const { packs, room } = createPacks(100 + OVERHEAD_BYTES);
  packs.keep('large', packOf(101));
  expect(packs.find('large')).toBeUndefined();
  packs.keep('fits', packOf(100));
  expect(packs.find('fits')).toBeDefined();
  packs.keep('one more', packOf(1));
  expect(packs.find('one more')).toBeUndefined();
  room.bytes = Infinity;
  packs.keep('one more', packOf(1));
  expect(packs.find('one more')).toBeDefined();
});

test('KeptPacks.shrinkTo() lets go of the longest unused first, and of no more than it must', () => {
  const { packs } = createPacks();
  const segments = [{}, {}, {}];
  for (const segment of segments) packs.keep(segment, packOf(100));
  packs.find(segments[0] ?? {});
  packs.shrinkTo(2 * (100 + OVERHEAD_BYTES));
  expect(segments.map((segment) => packs.find(segment) !== undefined)).toEqual([true, false, true]);
  packs.shrinkTo(0);
  expect(segments.map((segment) => packs.find(segment))).toEqual([undefined, undefined, undefined]);
  expect(packs.bytes).toBe(0);
  packs.keep(segments[0] ?? {}, packOf(7));
  expect(packs.bytes).toBe(7 + OVERHEAD_BYTES);
});

test('KeptPacks.forgetUnused() lets go of what nobody has read for a minute', () => {
  const { packs, clock } = createPacks();
  packs.keep('a', packOf(1));
  packs.keep('b', packOf(2));
  clock.advance(40_000);
  packs.find('a');
  clock.advance(40_000);
  packs.forgetUnused();
  expect(packs.find('a')).toBeDefined();
  expect(packs.find('b')).toBeUndefined();
  expect(packs.bytes).toBe(1 + OVERHEAD_BYTES);
});
