import { jsonTextIn, plainTextIn, readJson } from '../../base/index.js';
import type { Pointer, ReadJson } from '../../base/index.js';
import type { ReceivedEvent } from '../sources/source.js';

/** An event whose data are read as JSON once, when they are first asked for. */
export class EventView {
  readonly event: ReceivedEvent;
  #json: ReadJson | undefined;
  #isRead = false;

  constructor(event: ReceivedEvent) {
    this.event = event;
  }

  get isJson(): boolean {
    return this.#read() !== undefined;
  }

  /** The value that `pointer` finds in the data as JSON, each number with all its digits; undefined where there is none. */
  jsonAt(pointer: Pointer): string | undefined {
    const json = this.#read();
    return json && jsonTextIn(json, pointer);
  }

  /** As {@link jsonAt}, but a string as it is. */
  textAt(pointer: Pointer): string | undefined {
    const json = this.#read();
    return json && plainTextIn(json, pointer);
  }

  #read(): ReadJson | undefined {
    if (!this.#isRead) this.#json = readJson(this.event.data);
    this.#isRead = true;
    return this.#json;
  }
}
