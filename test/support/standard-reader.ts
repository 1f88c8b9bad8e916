/** One event as the HTML standard dispatches it. */
export interface StandardEvent {
  readonly type: string;
  readonly data: string;
  readonly lastEventId: string;
}

export interface StandardReading {
  readonly events: readonly StandardEvent[];
  /** What a client sends as Last-Event-ID from here on. */
  readonly lastEventId: string;
  readonly retries: readonly number[];
}

/**
 * Reads a stream step by step as the HTML standard says it ("Interpreting an event stream"), for streams whose lines end
 * with LF. A reader of its own, so that a fault of the project's parser cannot hide one of its encoder.
 */
export function readByStandard(stream: string, startId = ''): StandardReading {
  const events: StandardEvent[] = [];
  const retries: number[] = [];
  let lastEventId = startId;
  let buffers = { id: startId, type: '', data: '' };
  for (const line of stream.split('\n').slice(0, -1)) {
    if (line === '') {
      lastEventId = buffers.id;
      if (buffers.data !== '')
        events.push({ type: buffers.type || 'message', data: buffers.data.slice(0, -1), lastEventId });
      buffers = { id: buffers.id, type: '', data: '' };
      continue;
    }
    const colon = line.indexOf(':');
    if (colon === 0) continue;
    const field = colon === -1 ? line : line.slice(0, colon);
    const value = colon === -1 ? '' : line.slice(colon + 1).replace(/^ /, '');
    if (field === 'event') buffers.type = value;
    else if (field === 'data') buffers.data += `${value}\n`;
    else if (field === 'id' && !value.includes('\0')) buffers.id = value;
    else if (field === 'retry' && /^\d+$/.test(value)) retries.push(Number(value));
  }
  return { events, lastEventId, retries };
}
