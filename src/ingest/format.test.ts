import * as fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { formatRecord } from './format.js';

const event = (data: string) => ({ id: 'i', type: 't', data, receivedAt: Date.UTC(2026, 10, 20) });

describe('formatRecord()', () => {
  it.each([
    ['data', 'a\nb', 'a\nb'],
    ['ndjson', '{"a": 1}', '{"a": 1}\n'],
    ['ndjson', '{\n  "a": "x\\ny"\n}', '{   "a": "x\\ny" }\n'],
    ['ndjson', '12345678901234567890', '12345678901234567890\n'],
    ['ndjson', 'hello\nworld', '"hello\\nworld"\n'],
    ['ndjson', '', '""\n'],
    ['envelope', 'a\nb', '{"id":"i","type":"t","data":"a\\nb","receivedAt":"2026-11-20T00:00:00.000Z"}\n'],
  ] as const)('writes %s of %j', (format, data, expected) => {
    expect(formatRecord(event(data), format)).toBe(expected);
  });

  it('makes one line of any data, with the same meaning', () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.string({ unit: 'binary' }),
          fc.json().map((text) => `\n${text}\r\n`),
        ),
        (data) => {
          const line = formatRecord(event(data), 'ndjson');
          expect(line.indexOf('\n')).toBe(line.length - 1);
          let meaning: unknown = data;
          try {
            meaning = JSON.parse(data);
          } catch {}
          expect(JSON.parse(line)).toEqual(meaning);
          expect(JSON.parse(formatRecord(event(data), 'envelope'))).toMatchObject({ data });
        },
      ),
    );
  });
});
