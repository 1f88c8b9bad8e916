import type { Clock } from '../../base/index.js';
import type { EventParser } from '../../protocol/index.js';
import type { SourceItem } from './source.js';
import type { StreamFormat } from './stream-format.js';

export interface EventReaderOptions {
  readonly format: StreamFormat;
  readonly maxEventBytes: number | undefined;
  readonly clock: Clock;
  /** Events to pass over: they were read before. */
  readonly skip: number;
  /** The id to resume from after so many events. */
  readonly resumeIdAt: (events: number) => string;
}

/** Makes items of bytes that come from no server, and so have no position of their own: events are counted. */
export class EventReader {
  readonly #parser: EventParser;
  #items: SourceItem[] = [];
  /** Those that were passed over, too. */
  events = 0;

  constructor({ format, maxEventBytes, clock, skip, resumeIdAt }: EventReaderOptions) {
    this.#parser = format.createParser({
      ...(maxEventBytes === undefined ? {} : { maxEventBytes }),
      onEvent: ({ type, data, lastEventId: id }) => {
        this.events += 1;
        if (this.events <= skip) return;
        const event = { id, type, data, receivedAt: clock.now() };
        this.#items.push({ kind: 'event', event, resumeId: resumeIdAt(this.events) });
      },
    });
  }

  /** @throws ProtocolError `event-too-large`. */
  push(bytes: Uint8Array): readonly SourceItem[] {
    this.#parser.push(bytes);
    return this.#take();
  }

  end(): readonly SourceItem[] {
    this.#parser.end();
    return this.#take();
  }

  #take(): readonly SourceItem[] {
    const items = this.#items;
    this.#items = [];
    return items;
  }
}
