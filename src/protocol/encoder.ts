import { ProtocolError, quote } from './errors.js';

/** The fields of one event, as they go on the wire. */
export interface EventFields {
  readonly id?: string;
  /** The event type. */
  readonly event?: string;
  /** Any text; CRLF, CR and LF each end a line, and a reader gets LF for all three. */
  readonly data: string;
  /** Milliseconds a client waits before it reconnects. */
  readonly retry?: number;
}

const encoder = new TextEncoder();
const LINE_END = /\r\n|\r|\n/;
// oxlint-disable-next-line no-control-regex -- NUL is one of the three characters to refuse
const FORBIDDEN = /[\r\n\0]/;

/**
 * The event as bytes, ended by its blank line (PROTOCOL.md, 1).
 * @throws ProtocolError `invalid-id`, `invalid-event-type` (CR, LF or NUL in it), `invalid-retry`.
 */
export function encodeEvent(fields: EventFields): Uint8Array {
  return encoder.encode(formatEvent(fields));
}

/** {@link encodeEvent} before its characters become bytes. */
export function formatEvent({ id, event, data, retry }: EventFields): string {
  let head = '';
  if (id !== undefined) head += `id: ${checked(id, 'invalid-id', 'id')}\n`;
  if (event !== undefined && event !== '') head += `event: ${checked(event, 'invalid-event-type', 'event type')}\n`;
  if (retry !== undefined) head += `retry: ${checkedRetry(retry)}\n`;
  if (!data.includes('\n') && !data.includes('\r')) return `${head}data: ${data}\n\n`;
  // Most line breaks are LF alone, and splitting at a character takes half as long as at a pattern.
  const lines = data.split(data.includes('\r') ? LINE_END : '\n');
  return `${head}data: ${lines.join('\ndata: ')}\n\n`;
}

/** A comment, which readers skip; a heartbeat is an empty one. */
export function encodeComment(text = ''): Uint8Array {
  return encoder.encode(
    `${text
      .split(LINE_END)
      .map((line) => `: ${line}`.trimEnd())
      .join('\n')}\n\n`,
  );
}

function checked(value: string, code: 'invalid-id' | 'invalid-event-type', what: string): string {
  if (FORBIDDEN.test(value))
    throw new ProtocolError(code, `Cannot encode ${what} ${quote(value)}: it holds CR, LF or NUL`);
  return value;
}

function checkedRetry(retry: number): number {
  if (!Number.isSafeInteger(retry) || retry < 0)
    throw new ProtocolError('invalid-retry', `Cannot encode retry ${retry}: it is no whole number of milliseconds`);
  return retry;
}
