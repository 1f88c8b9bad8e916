import type { EventParser, EventParserOptions } from '../../protocol/index.js';

/** How the bytes of a stream become events. */
export interface StreamFormat {
  /** What is asked for, as `Accept` says it. */
  readonly accept: string;
  /** Whether a body of this content type can be read; empty where the server named none. */
  isReadable(contentType: string): boolean;
  /** Whether `tidegate.*` events are a hub's own, and no data. */
  readonly hasControlEvents: boolean;
  createParser(options: EventParserOptions): EventParser;
}
