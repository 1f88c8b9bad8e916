import { createParser } from 'eventsource-parser';
import { describe, expect, test } from 'vitest';

import { createSeededRandom } from '../../src/base/index.js';
import { createEventParser } from '../../src/protocol/index.js';
import { hasRecordedData, RECORDED, recordedStreams } from '../support/recorded-data.js';

interface Event {
  readonly type: string;
  readonly data: string;
}

function ours(chunks: readonly Uint8Array[]): readonly Event[] {
  const events: Event[] = [];
  const parser = createEventParser({ onEvent: ({ type, data }) => events.push({ type, data }) });
  for (const chunk of chunks) parser.push(chunk);
  return events;
}

function theirs(chunks: readonly Uint8Array[]): readonly Event[] {
  const events: Event[] = [];
  const parser = createParser({ onEvent: ({ event = 'message', data }) => events.push({ type: event, data }) });
  const decoder = new TextDecoder();
  for (const chunk of chunks) parser.feed(decoder.decode(chunk, { stream: true }));
  return events;
}

function cut(bytes: Uint8Array, random: () => number): readonly Uint8Array[] {
  const chunks: Uint8Array[] = [];
  for (let at = 0; at < bytes.length;) {
    const end = Math.min(bytes.length, at + 1 + Math.floor(random() ** 4 * 3000));
    chunks.push(bytes.subarray(at, end));
    at = end;
  }
  return chunks;
}

describe.skipIf(!hasRecordedData)(
  `createEventParser() reads recorded streams as eventsource-parser does ${RECORDED}`,
  () => {
    const streams = hasRecordedData ? recordedStreams() : [];

    test(`all of them, whole and cut ${RECORDED}`, () => {
      expect(streams.length).toBeGreaterThan(70);
      const random = createSeededRandom(1);
      let events = 0;
      for (const [name, bytes] of streams) {
        const reference = theirs([bytes]);
        events += reference.length;
        expect([name, ours([bytes])]).toEqual([name, reference]);
        for (let round = 0; round < 5; round += 1) expect([name, ours(cut(bytes, random))]).toEqual([name, reference]);
      }
      expect(events).toBeGreaterThan(3000);
    });
  },
);
