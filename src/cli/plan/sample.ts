import { open } from 'node:fs/promises';
import type { ReceivedEvent, Source } from '../../ingest/index.js';
import { createEventParser, isControlType, quote } from '../../protocol/index.js';
import type { Logger } from '../../runtime/index.js';
import { fileFault } from '../config/index.js';
import type { Settings } from '../config/index.js';
import { CliError } from '../errors.js';
import { isRecordingStart, readRecording } from '../replay/index.js';

export interface SampleLimits {
  readonly events: number;
  /** Seconds to listen. */
  readonly seconds: number;
}

export interface SampleOptions {
  readonly limits: SampleLimits;
  readonly logger: Logger;
  readonly signal: AbortSignal;
}

const START_BYTES = 64;

/** What a file of events is read as. */
export interface SampleFormat {
  /** Undefined where the file itself shall say: lines begin with JSON. */
  readonly format: Settings['source.format'];
  /** The file as a source of such events. @throws IngestError as that does. */
  readonly open: (format: Settings['source.format']) => Source;
}

/** The first events of a recording, an SSE body, or lines; compressed as a source's file may be. @throws CliError `unreadable-file`. */
export async function sampleFile(
  path: string,
  { format: given, open: openSource }: SampleFormat,
  options: SampleOptions,
): Promise<readonly ReceivedEvent[]> {
  const start = await readStart(path);
  // Of packed bytes nothing can be told: then as ingest reads a file of that name. No event stream begins as JSON.
  const isCompressed = /\.(gz|br|zst)$/.test(path);
  const format = given ?? (isCompressed ? undefined : guessFormat(start));
  if (isRecordingStart(start) || (format === 'sse' && !isCompressed)) return sampleRecording(path, options.limits);
  try {
    return await sampleLive(openSource(format), options);
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new CliError('unreadable-file', `Cannot take a sample of ${quote(path)}: ${reason}`, { cause: error });
  }
}

function guessFormat(start: string): 'sse' | 'ndjson' {
  return /^\s*[{["]/.test(start) ? 'ndjson' : 'sse';
}

async function readStart(path: string): Promise<string> {
  try {
    await using file = await open(path);
    const { bytesRead, buffer } = await file.read(Buffer.alloc(START_BYTES), 0, START_BYTES, 0);
    return buffer.toString('utf8', 0, bytesRead);
  } catch (error) {
    throw new CliError('unreadable-file', `Cannot read ${quote(path)}: ${fileFault(error)}`, { cause: error });
  }
}

async function sampleRecording(path: string, { events: eventsMax }: SampleLimits): Promise<readonly ReceivedEvent[]> {
  const { blocks } = await readRecording(path);
  const events: ReceivedEvent[] = [];
  const receivedAt = Date.now();
  const parser = createEventParser({
    maxEventBytes: Number.MAX_SAFE_INTEGER,
    onEvent: ({ type, data, lastEventId }) => {
      if (!isControlType(type)) events.push({ id: lastEventId, type, data, receivedAt });
    },
  });
  for (const { bytes } of blocks) {
    if (events.length >= eventsMax) break;
    parser.push(bytes);
  }
  return events.slice(0, eventsMax);
}

/** What the source gives to somebody who was never there; nothing is kept. @throws IngestError as the source does. */
export async function sampleLive(
  source: Source,
  { limits: { events: eventsMax, seconds }, logger, signal }: SampleOptions,
): Promise<readonly ReceivedEvent[]> {
  const enough = new AbortController();
  const until = AbortSignal.any([signal, enough.signal, AbortSignal.timeout(seconds * 1000)]);
  const events: ReceivedEvent[] = [];
  for await (const items of source.read({ lastEventId: '', signal: until, logger })) {
    for (const item of items) if (item.kind === 'event') events.push(item.event);
    if (events.length >= eventsMax) enough.abort();
  }
  return events.slice(0, eventsMax);
}
