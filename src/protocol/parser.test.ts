import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';

import { ProtocolError } from './errors.js';
import { createEventParser } from './parser.js';
import type { ParsedEvent } from './parser.js';

const utf8 = new TextEncoder();

interface Read {
  readonly events: ParsedEvent[];
  readonly comments: string[];
  readonly retries: number[];
  lastEventId: string;
}

function read(chunks: readonly Uint8Array[], maxEventBytes?: number): Read {
  const result: Read = { events: [], comments: [], retries: [], lastEventId: '' };
  const parser = createEventParser({
    onEvent: (event) => result.events.push(event),
    onComment: (comment) => result.comments.push(comment),
    onRetry: (retryMs) => result.retries.push(retryMs),
    ...(maxEventBytes === undefined ? {} : { maxEventBytes }),
  });
  for (const chunk of chunks) parser.push(chunk);
  result.lastEventId = parser.lastEventId;
  parser.end();
  return result;
}

/** A case of the standard: the stream, what it dispatches, and the id it leaves. */
interface Case {
  readonly name: string;
  readonly stream: string | Uint8Array;
  readonly events: readonly (readonly [type: string, data: string, lastEventId: string])[];
  readonly lastEventId?: string;
  readonly comments?: readonly string[];
  readonly retries?: readonly number[];
}

const CASES: readonly Case[] = [
  {
    name: 'the three stock quotes of the standard',
    stream: 'data: YHOO\ndata: +2\ndata: 10\n\n',
    events: [['message', 'YHOO\n+2\n10', '']],
  },
  {
    name: 'a comment, an id, an id reset, a block without data',
    stream: ': test stream\n\ndata: first event\nid: 1\n\ndata:second event\nid\n\ndata:  third event\n\n',
    events: [
      ['message', 'first event', '1'],
      ['message', 'second event', ''],
      ['message', ' third event', ''],
    ],
    comments: ['test stream'],
  },
  {
    name: 'empty data, twice',
    stream: 'data\n\ndata\ndata\n\ndata:',
    events: [
      ['message', '', ''],
      ['message', '\n', ''],
    ],
  },
  {
    name: 'one space is dropped, no more',
    stream: 'data:test\n\ndata: test\n\ndata:  test\n\n',
    events: [
      ['message', 'test', ''],
      ['message', 'test', ''],
      ['message', ' test', ''],
    ],
  },
  {
    name: 'a leading BOM only',
    stream: '\uFEFFdata: a\n\n\uFEFFdata: b\n\ndata: \uFEFFc\n\n',
    events: [
      ['message', 'a', ''],
      ['message', '\uFEFFc', ''],
    ],
  },
  {
    name: 'half a BOM is no BOM',
    stream: Uint8Array.of(0xef, 0xbb, ...utf8.encode('\ndata: a\n\n')),
    events: [['message', 'a', '']],
  },
  {
    name: 'line ends of all three kinds',
    stream: 'data: a\r\rdata: b\n\ndata: c\r\n\r\ndata: d\r\n\rdata: e\n\r',
    events: ['a', 'b', 'c', 'd', 'e'].map((data) => ['message', data, ''] as const),
  },
  { name: 'CRLF is one line end', stream: 'data: a\r\ndata: b\r\n\r\n', events: [['message', 'a\nb', '']] },
  {
    name: 'NUL in an id',
    stream: 'id: 1\ndata: a\n\nid: 2\0\ndata: b\n\n',
    events: [
      ['message', 'a', '1'],
      ['message', 'b', '1'],
    ],
  },
  {
    name: 'an id-only block',
    stream: 'id: 7\n\ndata: a\n\nid: 8\n\n',
    events: [['message', 'a', '7']],
    lastEventId: '8',
  },
  { name: 'an id that no blank line confirms', stream: 'id: 7\n\nid: 8\n', events: [], lastEventId: '7' },
  {
    name: 'digits only in retry',
    stream: 'retry: 3000\nretry: 1x\nretry: -1\nretry:\nretry: 1.5\nretry: 007\n\n',
    events: [],
    retries: [3000, 7],
  },
  {
    name: 'the last of several types',
    stream: 'event: a\nevent: b\ndata: 1\n\nevent:\ndata: 2\n\n',
    events: [
      ['b', '1', ''],
      ['message', '2', ''],
    ],
  },
  { name: 'a type without data does not linger', stream: 'event: a\n\ndata: 1\n\n', events: [['message', '1', '']] },
  {
    name: 'unknown and misspelt fields',
    stream: 'dat: 1\ndatas: 2\n data: 3\nData: 4\nd\nfoo\nevent-x: 1\ndata: ok\n\n',
    events: [['message', 'ok', '']],
  },
  { name: 'an unterminated block', stream: 'data: a\n\ndata: b\n', events: [['message', 'a', '']] },
  { name: 'colons in values', stream: 'data: a:b\ndata::c\n\n', events: [['message', 'a:b\n:c', '']] },
  { name: 'characters of all lengths', stream: 'data: aé€😀\nid: ü\n\n', events: [['message', 'aé€😀', 'ü']] },
  {
    name: 'bytes that are not UTF-8',
    stream: Uint8Array.of(...utf8.encode('data: '), 0xff, 0xe2, 0x82, 10, 10),
    events: [['message', '\uFFFD\uFFFD', '']],
  },
  {
    name: 'comments between and inside blocks',
    stream: ':\n:a\n: b\n\n\n\ndata: 1\n:c\ndata: 2\n\n',
    events: [['message', '1\n2', '']],
    comments: ['', 'a', 'b', 'c'],
  },
];

function expected({ events }: Case): readonly ParsedEvent[] {
  return events.map(([type, data, lastEventId]) => ({ type, data, lastEventId }));
}

function bytesOf({ stream }: Case): Uint8Array {
  return typeof stream === 'string' ? utf8.encode(stream) : stream;
}

describe('createEventParser() reads, as the standard says,', () => {
  test.each(CASES)('$name', (known) => {
    const result = read([bytesOf(known)]);
    expect(result.events).toEqual(expected(known));
    expect(result.lastEventId).toBe(known.lastEventId ?? result.lastEventId);
    expect(result.comments).toEqual(known.comments ?? result.comments);
    expect(result.retries).toEqual(known.retries ?? result.retries);
  });

  test.each(CASES)('$name, at every split in two and byte by byte', (known) => {
    const bytes = bytesOf(known);
    const whole = read([bytes]);
    for (let at = 0; at <= bytes.length; at += 1) {
      expect(read([bytes.subarray(0, at), bytes.subarray(at)])).toEqual(whole);
    }
    expect(read(Array.from(bytes, (byte) => Uint8Array.of(byte)))).toEqual(whole);
  });

  test('any bytes, cut anywhere, the same', () => {
    const alphabet = fc.constantFrom(
      'data',
      'event',
      'id',
      'retry',
      ':',
      ' ',
      '\n',
      '\r',
      '\r\n',
      '\0',
      'x',
      'é',
      '😀',
      '\uFEFF',
      '1',
    );
    fc.assert(
      fc.property(fc.array(alphabet, { maxLength: 60 }), fc.array(fc.nat(120), { maxLength: 8 }), (parts, cuts) => {
        const bytes = utf8.encode(parts.join(''));
        const places = [0, ...cuts.map((cut) => Math.min(cut, bytes.length)).toSorted((a, b) => a - b), bytes.length];
        const chunks = places.slice(1).map((end, at) => bytes.subarray(places[at], end));
        expect(read(chunks)).toEqual(read([bytes]));
        expect(read(chunks, 64 * 1024)).toEqual(read([bytes]));
      }),
      { numRuns: 500 },
    );
  });
});

function codeOf(run: () => void): string | undefined {
  try {
    run();
    return undefined;
  } catch (error) {
    return error instanceof ProtocolError ? error.code : String(error);
  }
}

describe('createEventParser() within maxEventBytes', () => {
  test('takes an event of exactly the limit and refuses one byte more, however it is cut', () => {
    for (const data of ['x'.repeat(93), 'é'.repeat(46) + 'x', '€'.repeat(31)]) {
      const block = utf8.encode(`data: ${data}\n\n`);
      const lineBytes = block.length - 1;
      for (const size of [1, 7, 1000]) {
        const chunks: Uint8Array[] = [];
        for (let at = 0; at < block.length; at += size) chunks.push(block.subarray(at, at + size));
        expect(codeOf(() => read(chunks, lineBytes + 1))).toBeUndefined();
        expect(codeOf(() => read(chunks, lineBytes - 1))).toBe('event-too-large');
      }
    }
  });

  test('hands over the events before the one that is too large, and is closed after it', () => {
    const events: ParsedEvent[] = [];
    const parser = createEventParser({ onEvent: (event) => events.push(event), maxEventBytes: 20 });
    expect(codeOf(() => parser.push(utf8.encode(`data: a\n\ndata: b\n\ndata: ${'x'.repeat(30)}\n\n`)))).toBe(
      'event-too-large',
    );
    expect(events.map(({ data }) => data)).toEqual(['a', 'b']);
    expect(codeOf(() => parser.push(utf8.encode('data: c\n\n')))).toBe('parser-closed');
  });

  test('counts an event over many lines, but no heartbeats between events', () => {
    const parser = createEventParser({ onEvent: () => undefined, maxEventBytes: 1000 });
    for (let beat = 0; beat < 1000; beat += 1) parser.push(utf8.encode(':\n'));
    const line = utf8.encode('data: x\n');
    expect(
      codeOf(() => {
        for (let lines = 0; lines < 1000; lines += 1) parser.push(line);
      }),
    ).toBe('event-too-large');
  });

  test('keeps memory bounded on a line that never ends', () => {
    const parser = createEventParser({ onEvent: () => undefined, maxEventBytes: 4 * 1024 * 1024 });
    const chunk = new Uint8Array(64 * 1024).fill(120);
    const before = process.memoryUsage().arrayBuffers;
    let pushed = 0;
    expect(
      codeOf(() => {
        for (; pushed < 50_000; pushed += 1) parser.push(chunk);
      }),
    ).toBe('event-too-large');
    expect(pushed).toBe(64);
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(20 * 1024 * 1024);
  });

  test('does not keep a caller’s buffer, which may be reused', () => {
    const events: ParsedEvent[] = [];
    const parser = createEventParser({ onEvent: (event) => events.push(event) });
    const buffer = Buffer.from('data: one');
    parser.push(buffer);
    buffer.fill(0);
    parser.push(utf8.encode('\n\n'));
    expect(events.map(({ data }) => data)).toEqual(['one']);
  });
});

test('createEventParser() starts from the last event id of the connection before', () => {
  const events: ParsedEvent[] = [];
  const parser = createEventParser({ onEvent: (event) => events.push(event), lastEventId: '41' });
  expect(parser.lastEventId).toBe('41');
  parser.push(utf8.encode('data: a\n\n'));
  expect(events[0]?.lastEventId).toBe('41');
});
