import * as fc from 'fast-check';
import { expect, test } from 'vitest';

import { encodeComment, encodeEvent } from './encoder.js';
import type { ProtocolError } from './errors.js';
import { createEventParser } from './parser.js';
import type { ParsedEvent } from './parser.js';

const text = new TextDecoder();
const safe = fc.string({ unit: 'grapheme', maxLength: 40 }).filter((value) => !/[\r\n\0]/.test(value));
const anyText = fc.string({
  unit: fc.constantFrom('a', ' ', ':', '\n', '\r', '\r\n', 'é', '😀', '\uFEFF', '\0', 'data: '),
  maxLength: 60,
});

function parse(bytes: Uint8Array): readonly ParsedEvent[] {
  const events: ParsedEvent[] = [];
  createEventParser({ onEvent: (event) => events.push(event) }).push(bytes);
  return events;
}

test('encodeEvent() writes what the parser reads back', () => {
  fc.assert(
    fc.property(
      fc.option(safe, { nil: undefined }),
      fc.option(safe, { nil: undefined }),
      anyText,
      (id, event, data) => {
        const fields = { data, ...(id === undefined ? {} : { id }), ...(event === undefined ? {} : { event }) };
        expect(parse(encodeEvent(fields))).toEqual([
          { type: event || 'message', data: data.replaceAll(/\r\n|\r/g, '\n'), lastEventId: id ?? '' },
        ]);
      },
    ),
    { numRuns: 500 },
  );
});

test('encodeEvent() writes one field a line and a blank line', () => {
  expect(text.decode(encodeEvent({ id: '1', event: 'price', retry: 5, data: 'a\nb' }))).toBe(
    'id: 1\nevent: price\nretry: 5\ndata: a\ndata: b\n\n',
  );
});

test.each([
  ['CR in an id would forge a field', { id: 'a\rdata: forged', data: '' }, 'invalid-id'],
  ['LF in an id would forge a field', { id: 'a\ndata: forged', data: '' }, 'invalid-id'],
  ['NUL in an id makes readers ignore it', { id: 'a\0', data: '' }, 'invalid-id'],
  ['LF in a type would forge a field', { event: 'a\nid: 9', data: '' }, 'invalid-event-type'],
  ['CR in a type would forge a field', { event: 'a\r', data: '' }, 'invalid-event-type'],
  ['a negative retry', { retry: -1, data: '' }, 'invalid-retry'],
  ['half a millisecond', { retry: 0.5, data: '' }, 'invalid-retry'],
])('encodeEvent() refuses: %s', (_harm, fields, code) => {
  expect(() => encodeEvent(fields)).toThrow(expect.objectContaining({ code }) as ProtocolError);
});

test('encodeComment() makes every line a comment', () => {
  expect(text.decode(encodeComment())).toBe(':\n\n');
  expect(text.decode(encodeComment('a\ndata: forged'))).toBe(': a\n: data: forged\n\n');
});
