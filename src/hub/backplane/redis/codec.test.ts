import * as fc from 'fast-check';
import { expect, test } from 'vitest';

import { encodeBody, encodeFrame, frameOf } from '../../frame.js';
import { decodeHeader, decodeMessage, decodeRecord, decodeStored } from './codec.js';
import type { StoredEvent } from './codec.js';
import { encodePublication } from './encode-publication.js';

const name = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 40 });
const line = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 40 }).filter((text) => !/[\r\n\0]/.test(text));
const event = fc.record(
  { id: line, event: line, data: fc.string({ unit: 'grapheme', maxLength: 300 }), retry: fc.nat() },
  { requiredKeys: ['data'] },
);
const offset = fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER - 1000 });

/** Events one behind the other, each behind its length, as they go to the script and from it to all nodes. */
function encodeEvents(events: readonly StoredEvent[]): Buffer {
  const publication = encodePublication({
    kind: 'publish',
    quietSinceMs: 0,
    publisher: '',
    channels: [],
    events,
    keys: [],
    prints: [],
  });
  // Behind the head and the publisher's length.
  return publication.subarray(23);
}

interface Run {
  readonly name: string;
  readonly events: readonly StoredEvent[];
}

/** As the publishing script packs it. */
function messageOf(from: number, timeMs: number, runs: readonly Run[]): Buffer {
  const head = Buffer.alloc(20);
  head.writeDoubleLE(from, 0);
  head.writeDoubleLE(timeMs, 8);
  head.writeUInt32LE(
    runs.reduce((sum, { events }) => sum + events.length, 0),
    16,
  );
  const packed = runs.map(({ name: channel, events }) => {
    const bytes = encodeEvents(events);
    const runHead = Buffer.alloc(10);
    runHead.writeUInt16LE(Buffer.byteLength(channel), 0);
    runHead.writeUInt32LE(events.length, 2);
    runHead.writeUInt32LE(bytes.length, 6);
    return Buffer.concat([runHead, Buffer.from(channel), bytes]);
  });
  return Buffer.concat([head, ...packed]);
}

test('decodeStored() reads what encodePublication() wrote, and the frame is the one that a hub alone would make', () => {
  fc.assert(
    fc.property(event, fc.boolean(), offset, (fields, isEnd, at) => {
      // Behind its length.
      const stored = decodeStored(encodeEvents([{ body: encodeBody(fields), isEnd }]).subarray(4));
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
  const run = fc.tuple(name, fc.array(event, { minLength: 1, maxLength: 5 }));
  fc.assert(
    fc.property(fc.array(run, { maxLength: 10 }), offset, fc.nat(), (runs, from, timeMs) => {
      const stored = runs.map(([channel, events]) => ({
        name: channel,
        events: events.map((fields) => ({ body: encodeBody(fields), isEnd: false })),
      }));
      const message = decodeMessage(messageOf(from, timeMs, stored));
      const all = stored.flatMap((one) => one.events.map(({ body }) => ({ channel: one.name, body })));
      expect([message.from, message.to]).toEqual([from, from + all.length]);
      const seen: unknown[] = [];
      message.forEach((channel, events) => {
        for (const { body, placement } of events()) seen.push([channel, body.id, Buffer.from(body.bytes), placement]);
      });
      const expected = all.map(({ channel, body }, at) => {
        return [channel, body.id, Buffer.from(body.bytes), { offset: from + 1 + at, timeMs, isEnd: false }];
      });
      expect(seen).toEqual(expected);
    }),
  );
});

test('decodeMessage() passes over a run that nobody asks for', () => {
  const events = [{ body: encodeBody({ data: 'x' }), isEnd: false }];
  const message = decodeMessage(
    messageOf(7, 0, [
      { name: 'a', events },
      { name: 'b', events },
    ]),
  );
  const seen: unknown[] = [];
  message.forEach((channel, run) => {
    if (channel === 'b') seen.push(...run().map(({ placement }) => placement.offset));
  });
  expect(seen).toEqual([9]);
});

/** What a message holds: how many events, or the error with which it is refused. */
function countEvents(bytes: Buffer): unknown {
  let events = 0;
  try {
    decodeMessage(bytes).forEach((_, run) => (events += run().length));
    return events;
  } catch (error) {
    return error;
  }
}

test('decodeMessage() refuses bytes of a stranger, whatever they are, before or while it is read', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
      const found = countEvents(Buffer.from(bytes));
      // It is no message, or one with no more events than there is room for.
      expect(found instanceof RangeError || Number(found) * 4 <= bytes.length).toBe(true);
    }),
  );
  const foreign = ['{"type":"x","data":"a message of something else"}', '', 'x'.repeat(20)];
  for (const text of foreign) expect(countEvents(Buffer.from(text))).toBeInstanceOf(RangeError);
  const cut = messageOf(7, 0, [{ name: 'a', events: [{ body: encodeBody({ data: 'x' }), isEnd: false }] }]);
  expect(countEvents(cut)).toBe(1);
  for (let end = 0; end < cut.length; end += 1) expect(countEvents(cut.subarray(0, end))).toBeInstanceOf(RangeError);
});

test('decodeRecord() and decodeHeader() read what the scripts pack', () => {
  const record = Buffer.concat([
    Buffer.alloc(16),
    encodeEvents([{ body: encodeBody({ data: 'x' }), isEnd: true }]).subarray(4),
  ]);
  record.writeDoubleLE(2 ** 53 - 1, 0);
  record.writeDoubleLE(1_763_700_000_000, 8);
  expect(decodeRecord(record).placement).toEqual({ offset: 2 ** 53 - 1, timeMs: 1_763_700_000_000, isEnd: true });
  const header = Buffer.alloc(79);
  for (const [at, number] of [7, 6, 5, 4, 3, 0].entries()) header.writeDoubleLE(number, at * 8);
  expect(decodeHeader(header)).toEqual({
    head: 7,
    lost: { offset: 5, timeMs: 4 },
    publisher: '000000000000',
    endedAtMs: undefined,
    recentOffsets: [],
  });
  header.writeDoubleLE(9, 40);
  expect(decodeHeader(header).endedAtMs).toBe(9);
  const offsets = Buffer.alloc(16);
  offsets.writeDoubleLE(8, 0);
  offsets.writeDoubleLE(2 ** 53 - 1, 8);
  expect(decodeHeader(Buffer.concat([header, offsets])).recentOffsets).toEqual([8, 2 ** 53 - 1]);
});
