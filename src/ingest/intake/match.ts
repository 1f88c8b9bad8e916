import { parsePointer } from '../../base/index.js';
import { IngestError } from '../errors.js';
import type { EventView } from './event-view.js';

/** Whether an event is meant. */
export type Match = (view: EventView) => boolean;

/**
 * Reads conditions that must all hold. One is a place, `=` or `!=`, and texts with `|` between them: `type=edit|new`,
 * `/meta/domain!=canary`, `/title=Talk:*`. The place is `type`, `id` or a JSON pointer into the data; `*` stands for any
 * characters. Numbers are compared as the data writes them (`1` is not `1.0`), everything else as JSON does, without white space. A place
 * alone, `/user`, asks that it is there; `!/user` that it is not. Nothing equals what is not there.
 * @throws IngestError `invalid-option`: a condition that cannot be read.
 */
export function createMatch(conditions: readonly string[]): Match {
  const matches = conditions.map(createCondition);
  return (view) => matches.every((match) => match(view));
}

const CONDITION = /^(!?)(type|id|\/[^=!]*)(?:(!?)=(.*))?$/s;

function createCondition(condition: string): Match {
  const [, bang, place = '', not, values] = CONDITION.exec(condition) ?? [];
  const read = place === '' ? undefined : createReader(place);
  // `!/a=b` could be meant in two ways.
  if (read === undefined || (bang === '!' && values !== undefined))
    throw new IngestError(
      'invalid-option',
      `Cannot match ${JSON.stringify(condition)}: it must be such as type=edit, /wiki=enwiki|dewiki, /bot!=true, /user or !/user`,
    );
  if (values === undefined) return (view) => (read(view) !== undefined) !== (bang === '!');
  const patterns = values.split('|').map(createPattern);
  return (view) => {
    const text = read(view);
    return (text !== undefined && patterns.some((isLike) => isLike(text))) !== (not === '!');
  };
}

/** Reads the text at a place; undefined where there is nothing. */
function createReader(place: string): ((view: EventView) => string | undefined) | undefined {
  if (place === 'type') return ({ event }) => event.type;
  if (place === 'id') return ({ event }) => (event.id === '' ? undefined : event.id);
  const pointer = parsePointer(place);
  return pointer === undefined ? undefined : (view) => view.textAt(pointer);
}

/** Part by part from the left: no text, however it is made, takes longer than its length. */
function createPattern(pattern: string): (text: string) => boolean {
  const [head = '', ...rest] = pattern.split('*');
  const tail = rest.pop();
  if (tail === undefined) return (text) => text === head;
  return (text) => {
    if (!text.startsWith(head)) return false;
    let at = head.length;
    for (const part of rest) {
      const found = text.indexOf(part, at);
      if (found < 0) return false;
      at = found + part.length;
    }
    return text.length - tail.length >= at && text.endsWith(tail);
  };
}
