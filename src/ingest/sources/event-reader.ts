import type { Clock } from '../../base/index.js';
import type { EventParser } from '../../protocol/index.js';
import { IngestError, messageOf } from '../errors.js';
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
  #failure: IngestError | undefined;
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

  /** What comes before an event that is too large is given first: the next call throws. @throws IngestError `source-refused`. */
  push(bytes: Uint8Array): readonly SourceItem[] {
    return this.#parse(() => this.#parser.push(bytes));
  }

  /** @throws IngestError as {@link push}. */
  end(): readonly SourceItem[] {
    return this.#parse(() => this.#parser.end());
  }

  #parse(parse: () => void): readonly SourceItem[] {
    if (this.#failure !== undefined) throw this.#failure;
    try {
      parse();
    } catch (error) {
      this.#failure = toRefusal(error);
      if (this.#items.length === 0) throw this.#failure;
    }
    return this.#take();
  }

  #take(): readonly SourceItem[] {
    const items = this.#items;
    this.#items = [];
    return items;
  }
}

/** The source cannot be read, or read further: nothing but another source will help. */
export function toRefusal(error: unknown): IngestError {
  if (error instanceof IngestError) return error;
  return new IngestError('source-refused', `Cannot read the source: ${messageOf(error)}`, { cause: error });
}
