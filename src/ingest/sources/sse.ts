import { createEventParser } from '../../protocol/index.js';
import type { Source } from './source.js';
import { HttpSource } from './http-source.js';
import type { HttpSourceOptions } from './http-source.js';
import type { StreamFormat } from './stream-format.js';

export type SseSourceOptions = HttpSourceOptions;

/** Events as the HTML standard has them on the wire. */
export const SSE_FORMAT: StreamFormat = {
  accept: 'text/event-stream',
  isReadable: (contentType) => /^text\/event-stream\s*(;|$)/i.test(contentType),
  hasControlEvents: true,
  createParser: createEventParser,
};

/**
 * Server-Sent Events over HTTP(S): reconnects on anything but a deliberate end, resumes with Last-Event-ID.
 * @throws IngestError `invalid-option`: the URL, a header or another option cannot be used.
 */
export function createSseSource(options: SseSourceOptions): Source {
  return new HttpSource(options, SSE_FORMAT);
}
