import { createEventParser } from './parser.js';
import type { EventParser, EventParserOptions, ParsedEvent } from './parser.js';

/**
 * Bytes in, events out, for `response.body.pipeThrough(new EventParserStream())`.
 * An event over `maxEventBytes` errors the stream with a `ProtocolError`.
 */
export class EventParserStream extends TransformStream<Uint8Array, ParsedEvent> {
  constructor(options: Omit<EventParserOptions, 'onEvent'> = {}) {
    let parser: EventParser;
    super({
      start(controller) {
        parser = createEventParser({ ...options, onEvent: (event) => controller.enqueue(event) });
      },
      transform(bytes) {
        parser.push(bytes);
      },
      flush() {
        parser.end();
      },
    });
  }
}
