import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { array, assert, asyncProperty, constantFrom, nat, pre, property, tuple } from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createEventParser } from '../../protocol/index.js';
import type { ParsedEvent } from '../../protocol/index.js';
import { splitBlocks } from './block.js';
import { generateBlocks } from './generator.js';
import { formatChunk, formatHeader, readRecording } from './recording.js';

let folder = '';
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'tidegate-recording-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

const HEADER = formatHeader({ url: 'http://x/', status: 200, contentType: 'text/event-stream', startedAt: '' });

function parse(chunks: readonly Uint8Array[]): readonly ParsedEvent[] {
  const events: ParsedEvent[] = [];
  const parser = createEventParser({ onEvent: (event) => events.push(event) });
  for (const chunk of chunks) parser.push(chunk);
  parser.end();
  return events;
}

function write(name: string, text: string | Uint8Array): string {
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
}

const line = constantFrom('data: å', 'data:', 'id: 7', 'id', 'event: e', ': c', '', '', 'data: \u{1F30A}', 'junk');
const body = array(tuple(line, constantFrom('\n', '\r\n', '\r')), { maxLength: 30 }).map((lines) =>
  Buffer.from(lines.flat().join('')),
);

describe('splitBlocks()', () => {
  it('changes nothing that a reader would notice, for any body and any line ends', () => {
    assert(
      property(body, (bytes) => {
        const blocks = splitBlocks([{ bytes }]);
        expect(parse(blocks.map((block) => block.bytes))).toEqual(parse([bytes]));
        expect(bytes.subarray(0, Buffer.concat(blocks.map((block) => block.bytes)).length)).toEqual(
          Buffer.concat(blocks.map((block) => block.bytes)),
        );
      }),
    );
  });

  it('knows which blocks are events and which ids they set', () => {
    const blocks = splitBlocks([
      { bytes: Buffer.from('\uFEFF:ok\n\nid: 1\ndata: a\n\nid: 2\n\ndata: b\n\ndata: cut') },
    ]);
    expect(blocks.map(({ isEvent, id }) => [isEvent, id])).toEqual([
      [false, undefined],
      [true, '1'],
      [false, '2'],
      [true, undefined],
    ]);
  });
});

describe('readRecording()', () => {
  it('gets back the bytes and the times, wherever the chunks were cut', async () => {
    await assert(
      asyncProperty(body, array(nat(400), { maxLength: 6 }), async (bytes, cuts) => {
        pre(splitBlocks([{ bytes }]).some((block) => block.isEvent));
        const edges = [0, ...cuts.map((cut) => cut % (bytes.length + 1)).toSorted((a, b) => a - b), bytes.length];
        const chunks = edges.slice(1).map((end, index) => bytes.subarray(edges[index], end));
        const lines = chunks.map((chunk, index) => formatChunk(chunk, index * 10));
        const { blocks, isTimed } = await readRecording(write('any.jsonl', HEADER + lines.join('')));
        expect(isTimed).toBe(true);
        expect(blocks.map((block) => block.bytes)).toEqual(splitBlocks([{ bytes }]).map((block) => block.bytes));
        const times = blocks.map((block) => block.atMs ?? -1);
        expect(times).toEqual(times.toSorted((a, b) => a - b));
        expect(times[0]).toBeGreaterThanOrEqual(0);
      }),
      { numRuns: 60 },
    );
  });

  it('gives a block the time of the chunk that completed it', async () => {
    const lines = [
      formatChunk(Buffer.from('data: a\n\nda'), 5),
      formatChunk(Buffer.from('ta: b\n'), 90),
      formatChunk(Buffer.from('\n'), 200),
    ];
    const { blocks } = await readRecording(write('timed.jsonl', HEADER + lines.join('')));
    expect(blocks.map((block) => block.atMs)).toEqual([5, 200]);
  });

  it('writes bytes that are no UTF-8 by themselves in base64', () => {
    const wave = Buffer.from('🌊');
    expect(JSON.parse(formatChunk(wave, 1))).toEqual({ ms: 1, text: '🌊' });
    expect(JSON.parse(formatChunk(wave.subarray(0, 2), 1))).toEqual({ ms: 1, base64: '8J8=' });
  });

  it('reads any SSE body, without times', async () => {
    const { blocks, isTimed } = await readRecording(write('body.sse', 'data: 1\r\n\r\ndata: 2\r\n\r\n'));
    expect([blocks.length, isTimed, blocks[0]?.atMs]).toEqual([2, false, undefined]);
  });

  it('reads a recording whose last line was never finished', async () => {
    const text = `${HEADER}${formatChunk(Buffer.from('data: 1\n\n'), 1)}{"ms":2,"te`;
    expect((await readRecording(write('torn.jsonl', text))).blocks).toHaveLength(1);
  });

  it.each([
    ['no event in it', 'data: never ended', 'there is no complete event in it'],
    ['another version', '{"tidegate":"recording","version":2}\n', 'its version is 2'],
    ['a line that is no chunk', `${HEADER}{"ms":-1,"text":""}\n`, 'bad.jsonl:2: it is no chunk'],
    ['a line that is no JSON', `${HEADER}{"ms":1,"text":"a"}\nnope\n`, 'bad.jsonl:3: it is no JSON'],
  ])('refuses a file with %s', async (_name, text, sentence) => {
    const reading = readRecording(write('bad.jsonl', text));
    await expect(reading).rejects.toMatchObject({ name: 'CliError', code: 'unreadable-file' });
    await expect(reading).rejects.toThrow(sentence);
  });

  it.skipIf(!existsSync('/proc/self/status'))('counts what it reads, whatever size the system tells', async () => {
    // Its size is said to be 0, as that of a pipe or of /dev/zero, which would fill the memory.
    await expect(readRecording('/proc/self/status', { bytesMax: 100 })).rejects.toMatchObject({
      code: 'unreadable-file',
      message: 'Cannot read "/proc/self/status": it is larger than 100 B',
    });
  });

  it('refuses a file that is not there', async () => {
    await expect(readRecording(join(folder, 'no'))).rejects.toMatchObject({ code: 'unreadable-file' });
  });
});

describe('generateBlocks()', () => {
  it('makes the same events for the same seed, with rising ids and unique meta ids', () => {
    const blocks = generateBlocks({ events: 300, seed: 7 });
    expect(blocks).toEqual(generateBlocks({ events: 300, seed: 7 }));
    expect(blocks[5]?.bytes).not.toEqual(generateBlocks({ events: 300, seed: 8 })[5]?.bytes);
    const events = parse(blocks.map((block) => block.bytes));
    expect(events.map((event) => event.lastEventId)).toEqual(blocks.map((block) => block.id));
    const stamps = blocks.map(({ id }) => (JSON.parse(id ?? '') as [{ timestamp: number }])[0].timestamp);
    expect(stamps).toEqual([...new Set(stamps)].toSorted((a, b) => a - b));
    const metaIds = events.map((event) => (JSON.parse(event.data) as { meta: { id: string } }).meta.id);
    expect(new Set(metaIds).size).toBe(300);
  });
});
