import * as fc from 'fast-check';
import { expect, test } from 'vitest';

import { encodeBody, encodeFrame, frameOf } from '../../frame.js';
import { decodeHeader, decodeMessage, decodeRecord, decodeStored, encodeStored } from './codec.js';

const name = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 40 });
const line = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 40 }).filter((text) => !/[\r\n\0]/.test(text));
const event = fc.record(
  { id: line, event: line, data: fc.string({ unit: 'grapheme', maxLength: 300 }), retry: fc.nat() },
  { requiredKeys: ['data'] },
);
const offset = fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER - 1000 });

/** As the publishing script packs it. */
function messageOf(from: number, timeMs: number, parts: readonly { readonly name: string; readonly bytes: Buffer }[]) {
  const head = Buffer.alloc(20);
  head.writeDoubleLE(from, 0);
  head.writeDoubleLE(timeMs, 8);
  head.writeUInt32LE(parts.length, 16);
  const packed = parts.map((part) => {
    const partHead = Buffer.alloc(6);
    partHead.writeUInt16LE(Buffer.byteLength(part.name), 0);
    partHead.writeUInt32LE(part.bytes.length, 2);
    return Buffer.concat([partHead, Buffer.from(part.name), part.bytes]);
  });
  return Buffer.concat([head, ...packed]);
}

test('decodeStored() reads what encodeStored() wrote, and the frame is the one that a hub alone would make', () => {
  fc.assert(
    fc.property(event, fc.boolean(), offset, (fields, isEnd, at) => {
      const stored = decodeStored(encodeStored({ body: encodeBody(fields), isEnd }));
      expect(stored.isEnd).toBe(isEnd);
      const cursor = `~epoch-${at}`;
      const { bytes, ...marks } = frameOf(stored.body, cursor);
      const { bytes: expected, ...expectedMarks } = encodeFrame(fields, cursor);
      expect(Buffer.compare(bytes, expected)).toBe(0);
      expect(marks).toEqual(expectedMarks);
    }),
  );
});

test('decodeMessage() gives every event its channel and its place, whatever is in it', () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(name, event), { maxLength: 20 }), offset, fc.nat(), (events, from, timeMs) => {
      const parts = events.map(([channel, fields]) => ({
        name: channel,
        bytes: encodeStored({ body: encodeBody(fields), isEnd: false }),
      }));
      const message = decodeMessage(messageOf(from, timeMs, parts));
      expect([message.from, message.to]).toEqual([from, from + events.length]);
      const seen: unknown[] = [];
      message.forEach((channel, placed) => {
        const { body, placement } = placed();
        seen.push([channel, body.id, Buffer.from(body.bytes), placement]);
      });
      const expected = events.map(([channel, fields], at) => {
        const { id, bytes } = encodeBody(fields);
        return [channel, id, Buffer.from(bytes), { offset: from + 1 + at, timeMs, isEnd: false }];
      });
      expect(seen).toEqual(expected);
    }),
  );
});

test('decodeRecord() and decodeHeader() read what the scripts pack', () => {
  const record = Buffer.concat([Buffer.alloc(16), encodeStored({ body: encodeBody({ data: 'x' }), isEnd: true })]);
  record.writeDoubleLE(2 ** 53 - 1, 0);
  record.writeDoubleLE(1_763_700_000_000, 8);
  expect(decodeRecord(record).placement).toEqual({ offset: 2 ** 53 - 1, timeMs: 1_763_700_000_000, isEnd: true });
  const header = Buffer.alloc(73);
  for (const [at, number] of [7, 6, 5, 4, 3, 0].entries()) header.writeDoubleLE(number, at * 8);
  expect(decodeHeader(header)).toEqual({ head: 7, lost: { offset: 5, timeMs: 4 }, endedAtMs: undefined });
  header.writeDoubleLE(9, 40);
  expect(decodeHeader(header).endedAtMs).toBe(9);
});
