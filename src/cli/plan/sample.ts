import type { ReceivedEvent, Source } from '../../ingest/index.js';
import { createEventParser, isControlType } from '../../protocol/index.js';
import type { Logger } from '../../runtime/index.js';
import { readRecording } from '../replay/index.js';

export interface SampleLimits {
  readonly events: number;
  /** Seconds to listen. */
  readonly seconds: number;
}

/** The first events of a recording or an SSE body. @throws CliError `unreadable-file`. */
export async function sampleFile(path: string, { events: eventsMax }: SampleLimits): Promise<readonly ReceivedEvent[]> {
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
  { events: eventsMax, seconds }: SampleLimits,
  { logger, signal }: { readonly logger: Logger; readonly signal: AbortSignal },
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
