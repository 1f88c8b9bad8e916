import { parsePointer } from '../../base/index.js';
import { IngestError } from '../errors.js';
import type { EventView } from './event-view.js';

/** What tells an event from all others; undefined where it has nothing of the kind. */
export type EventKeyReader = (view: EventView) => string | undefined;

/**
 * Reads the key of an event: `id`, or a JSON pointer into the data, whose value counts whatever its type is.
 * @throws IngestError `invalid-option`: neither `id` nor a pointer (RFC 6901).
 */
export function createEventKeyReader(key: string): EventKeyReader {
  if (key === 'id') return ({ event: { id } }) => (id === '' ? undefined : id);
  const pointer = key === '' ? undefined : parsePointer(key);
  if (pointer === undefined)
    throw new IngestError(
      'invalid-option',
      `Cannot tell events apart by ${JSON.stringify(key)}: it is no JSON pointer`,
    );
  return (view) => {
    const value = view.jsonAt(pointer);
    return value === 'null' ? undefined : value;
  };
}
