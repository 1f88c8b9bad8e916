import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parsePointer } from '../../base/index.js';
import type { ParsedEvent } from '../../protocol/index.js';
import { createLineParser } from './line-parser.js';
import type { LineFields } from './line-parser.js';

const NO_FIELDS: LineFields = { id: undefined, type: undefined };

function parse(chunks: readonly Uint8Array[], fields = NO_FIELDS, maxEventBytes = 1000): ParsedEvent[] {
  const events: ParsedEvent[] = [];
  const parser = createLineParser({ onEvent: (event) => events.push(event), maxEventBytes }, fields);
  for (const chunk of chunks) parser.push(chunk);
  parser.end();
  return events;
}

function cutAt(bytes: Uint8Array, cuts: readonly number[]): Uint8Array[] {
  const places = [0, ...cuts.map((cut) => cut % (bytes.length + 1)).toSorted((a, b) => a - b), bytes.length];
  return places.slice(1).map((place, index) => bytes.subarray(places[index], place));
}

describe('createLineParser()', () => {
  it('push() reads the same lines wherever the bytes are cut', () => {
    const line = fc.oneof(
      fc.json({ maxDepth: 1 }),
      fc.string({ unit: 'grapheme' }).map((text) => JSON.stringify(text)),
    );
    const ends = fc.constantFrom('\n', '\r\n', '\n\n');
    fc.assert(
      fc.property(
        fc.array(fc.tuple(line, ends)),
        fc.boolean(),
        fc.array(fc.nat(), { maxLength: 8 }),
        (lines, hasBom, cuts) => {
          const text = (hasBom ? '\ufeff' : '') + lines.map((parts) => parts.join('')).join('');
          const events = parse(cutAt(Buffer.from(text), cuts), NO_FIELDS, 1e6);
          expect(events.map(({ data }) => data)).toEqual(lines.map(([data]) => data));
        },
      ),
    );
  });

  it('takes id and type from where they are said to be; an id stays in force', () => {
    const fields = { id: parsePointer('/meta/id'), type: parsePointer('/kind') };
    const text = '{"meta":{"id":"a"},"kind":"edit"}\n{"kind":3}\nno JSON\n{"meta":{"id":7},"kind":""}\n';
    expect(parse([Buffer.from(text)], fields).map(({ lastEventId, type }) => [lastEventId, type])).toEqual([
      ['a', 'edit'],
      ['a', '3'],
      ['a', 'message'],
      ['7', 'message'],
    ]);
  });

  it('end() takes a last line without an end, unless it was cut off', () => {
    expect(parse([Buffer.from('{"a":1}\n{"b":2}')])).toHaveLength(2);
    expect(parse([Buffer.from('{"a":1}\n{"b":')])).toHaveLength(1);
  });

  it.each([
    ['in one piece', [Buffer.from(`${'x'.repeat(1001)}\n`)]],
    ['that never ends', [Buffer.alloc(600, 'x'), Buffer.alloc(600, 'x')]],
    ['of long characters', [Buffer.from(`${'–'.repeat(400)}\n`)]],
  ])('refuses a line %s that is too long', (_, chunks) => {
    expect(() => parse(chunks)).toThrow(expect.objectContaining({ code: 'event-too-large' }));
  });
});
