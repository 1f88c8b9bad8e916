import { valueIn } from '../../base/index.js';
import type { Pointer } from '../../base/index.js';
import type { ReceivedEvent } from '../sources/source.js';

/** An event whose data are read as JSON once, when they are first asked for. */
export class EventView {
  readonly event: ReceivedEvent;
  #json: { readonly value: unknown } | undefined;
  #isRead = false;

  constructor(event: ReceivedEvent) {
    this.event = event;
  }

  get isJson(): boolean {
    return this.#read() !== undefined;
  }

  /** The value that `pointer` finds in the data; undefined where there is none. */
  at(pointer: Pointer): unknown {
    const json = this.#read();
    return json === undefined ? undefined : valueIn(json.value, pointer);
  }

  #read(): { readonly value: unknown } | undefined {
    if (this.#isRead) return this.#json;
    this.#isRead = true;
    try {
      this.#json = { value: JSON.parse(this.event.data) as unknown };
    } catch {
      this.#json = undefined;
    }
    return this.#json;
  }
}
