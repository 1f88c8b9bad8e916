// Our parser and eventsource-parser on the same bytes, in turn:  tsx bench/parser-speed.ts
import { pathToFileURL } from 'node:url';

import { createParser } from 'eventsource-parser';

import type { createEventParser as CreateEventParser } from '../src/protocol/index.js';

const { createEventParser } = (await import(pathToFileURL('dist/protocol/index.js').href)) as {
  createEventParser: typeof CreateEventParser;
};

const CHUNK_BYTES = 64 * 1024;
const STREAM_BYTES = 32 * 1024 * 1024;
const ROUNDS = 9;

const BODIES: Readonly<Record<string, string>> = {
  ascii: `id: 12345\nevent: edit\ndata: ${'{"title":"Tide","n":1234567890}'.repeat(32)}\n\n`,
  tiny: 'data: 1\n\n',
  nonAscii: `id: 12345\nevent: edit\ndata: ${'{"title":"Ebbe und Flut – 潮汐","n":1}'.repeat(28)}\n\n`,
};

function chunksOf(body: string): readonly Uint8Array[] {
  const bytes = Buffer.from(body.repeat(Math.ceil(STREAM_BYTES / Buffer.byteLength(body))));
  return Array.from(
    { length: Math.ceil(bytes.length / CHUNK_BYTES) },
    (_, at) => new Uint8Array(bytes.subarray(at * CHUNK_BYTES, (at + 1) * CHUNK_BYTES)),
  );
}

function ours(chunks: readonly Uint8Array[]): number {
  let events = 0;
  const parser = createEventParser({ onEvent: () => (events += 1) });
  for (const chunk of chunks) parser.push(chunk);
  return events;
}

function theirs(chunks: readonly Uint8Array[]): number {
  let events = 0;
  const parser = createParser({ onEvent: () => (events += 1) });
  const decoder = new TextDecoder();
  for (const chunk of chunks) parser.feed(decoder.decode(chunk, { stream: true }));
  return events;
}

function timed(parse: (chunks: readonly Uint8Array[]) => number, chunks: readonly Uint8Array[]): number {
  const startedMs = performance.now();
  parse(chunks);
  return performance.now() - startedMs;
}

const median = (values: readonly number[]): number =>
  values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;

const figures: Record<string, number> = {};
for (const [name, body] of Object.entries(BODIES)) {
  const chunks = chunksOf(body);
  if (ours(chunks) !== theirs(chunks)) throw new Error(`The parsers read ${name} differently`);
  const pairs = Array.from({ length: ROUNDS }, () => [timed(ours, chunks), timed(theirs, chunks)] as const);
  figures[`${name}Ratio`] = median(pairs.map(([our, their]) => their / our));
  figures[`${name}MegabytesPerSecond`] = STREAM_BYTES / 1e3 / median(pairs.map(([our]) => our));
}
process.stdout.write(`${JSON.stringify(figures)}\n`);
