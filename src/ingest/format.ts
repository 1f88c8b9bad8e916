import type { ReceivedEvent } from './sources/source.js';

/**
 * How an event becomes text in a sink.
 * - `data`: the event's data as it is, nothing added, not even a line end.
 * - `ndjson`: one JSON value a line: data that is JSON as it is, anything else as a JSON string.
 * - `envelope`: `{"id","type","data","receivedAt"}` a line, data as a string, the time in RFC 3339.
 */
export type Format = 'data' | 'ndjson' | 'envelope';

/** The text of `event` in `format`; all but `data` end with the one line feed in it. */
export function formatRecord(event: ReceivedEvent, format: Format): string {
  switch (format) {
    case 'data':
      return event.data;
    case 'ndjson':
      return `${toJsonLine(event.data)}\n`;
    case 'envelope': {
      const { id, type, data } = event;
      return `${JSON.stringify({ id, type, data, receivedAt: new Date(event.receivedAt).toISOString() })}\n`;
    }
  }
}

/** A line end in valid JSON stands between tokens only, so a space means the same. */
function toJsonLine(data: string): string {
  return isJson(data) ? data.replaceAll(/[\r\n]+/g, ' ') : JSON.stringify(data);
}

function isJson(data: string): boolean {
  try {
    JSON.parse(data);
    return true;
  } catch {
    return false;
  }
}
