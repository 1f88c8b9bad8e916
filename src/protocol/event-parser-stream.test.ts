import { expect, test } from 'vitest';

import { EventParserStream } from './event-parser-stream.js';
import type { ParsedEvent } from './parser.js';

async function readAll(stream: ReadableStream<ParsedEvent>): Promise<readonly ParsedEvent[]> {
  const events: ParsedEvent[] = [];
  const reader = stream.getReader();
  for (let next = await reader.read(); !next.done; next = await reader.read()) events.push(next.value);
  return events;
}

function bytes(...parts: readonly string[]): ReadableStream<Uint8Array> {
  return new ReadableStream({
    start(controller) {
      for (const part of parts) controller.enqueue(new TextEncoder().encode(part));
      controller.close();
    },
  });
}

test('EventParserStream turns bytes into events and drops an unterminated block', async () => {
  const events = await readAll(bytes('data: a\n', '\ndata: b\n\nda', 'ta: c\n').pipeThrough(new EventParserStream()));
  expect(events.map(({ data }) => data)).toEqual(['a', 'b']);
});

test('EventParserStream fails on an event that is too large', async () => {
  const stream = bytes(`data: ${'x'.repeat(100)}\n\n`).pipeThrough(new EventParserStream({ maxEventBytes: 50 }));
  await expect(readAll(stream)).rejects.toMatchObject({ code: 'event-too-large' });
});
