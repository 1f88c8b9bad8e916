import { checkChannelName, isControlType, isCursorLike, ProtocolError, quote } from '../protocol/index.js';
import { HubError } from './errors.js';
import { IDEMPOTENCY_KEY_BYTES_MAX, OWN_ID_BYTES_MAX } from './limits.js';
import { invalidRetry, readRetry } from './retry.js';

/** An event as a publisher gives it. */
export interface PublishEvent {
  /** The publisher's own id: goes on the wire as it is, 512 bytes at most. Without it the cursor is the id. */
  readonly id?: string;
  /** The event type; none means `message`. */
  readonly event?: string;
  readonly data: string;
  /** Milliseconds a client waits before it reconnects: 100 to 3,600,000; 0: what the hub says. */
  readonly retry?: number;
  /** A second event with this key is not published while history holds the first; 256 bytes at most. */
  readonly idempotencyKey?: string;
}

// oxlint-disable-next-line no-control-regex -- control characters are what is looked for
const LINE_BREAKING = /[\r\n\0]/;
// oxlint-disable-next-line no-control-regex -- control characters are what is looked for
const CONTROL_CHARACTER = /[\u0000-\u001f\u007f]/;

/**
 * Refuses what cannot be published, before anything is (PROTOCOL.md, 6.3).
 * @throws HubError with the code of the field at fault.
 */
export function checkEvent(event: PublishEvent, eventBytesMax: number): void {
  if (event.id !== undefined) checkOwnId(event.id);
  if (event.event !== undefined) checkEventType(event.event);
  if (readRetry(event.retry, 'refused') === 'invalid') throw invalidRetry();
  if (event.idempotencyKey !== undefined) checkIdempotencyKey(event.idempotencyKey);
  if (!event.data.isWellFormed())
    throw new HubError('invalid-encoding', 'Cannot publish data that holds half of a character: it has no UTF-8');
  const bytes = wireBytes(event.data, eventBytesMax) + byteLength(event.event) + byteLength(event.id);
  if (bytes > eventBytesMax) {
    throw new HubError('event-too-large', `Cannot publish an event of ${bytes} bytes: ${eventBytesMax} are allowed`);
  }
}

/** The event, as it is kept: a retry of 0 is none. It must have been checked. */
export function withoutEmptyRetry(event: PublishEvent): PublishEvent {
  if (event.retry !== 0) return event;
  const { retry: _, ...rest } = event;
  return rest;
}

/** Bytes that data takes on the wire: a line break begins another `data: ` line. The count ends once it is over `bytesMax`. */
function wireBytes(data: string, bytesMax: number): number {
  let bytes = Buffer.byteLength(data);
  if (bytes * (1 + DATA_LINE_BYTES) <= bytesMax) return bytes;
  for (let at = data.indexOf('\n'); at !== -1 && bytes <= bytesMax; at = data.indexOf('\n', at + 1))
    bytes += DATA_LINE_BYTES;
  for (let at = data.indexOf('\r'); at !== -1 && bytes <= bytesMax; at = data.indexOf('\r', at + 1))
    // A CRLF is one line break.
    if (data[at + 1] !== '\n') bytes += DATA_LINE_BYTES;
  return bytes;
}

const DATA_LINE_BYTES = 'data: '.length;

function byteLength(text: string | undefined): number {
  return text === undefined ? 0 : Buffer.byteLength(text);
}

/** The name, where a channel may have it. @throws HubError `invalid-channel`. */
export function checkChannel(name: string): string {
  try {
    return checkChannelName(name);
  } catch (error) {
    throw asHubError(error);
  }
}

/** The hub's error for one of the encoder's. */
export function asHubError(error: unknown): unknown {
  if (!(error instanceof ProtocolError) || error.code === 'parser-closed') return error;
  return new HubError(error.code, error.message);
}

function checkOwnId(id: string): void {
  if (id === '')
    throw new HubError('invalid-id', 'Cannot publish with an empty id: leave it out to get the cursor as id');
  if (LINE_BREAKING.test(id))
    throw new HubError('invalid-id', `Cannot publish with id ${quote(id)}: it holds CR, LF or NUL`);
  if (!id.isWellFormed())
    throw new HubError('invalid-id', `Cannot publish with id ${quote(id)}: it holds half of a character`);
  if (isCursorLike(id)) throw new HubError('invalid-id', `Cannot publish with id ${quote(id)}: it looks like a cursor`);
  if (Buffer.byteLength(id) > OWN_ID_BYTES_MAX) {
    throw new HubError(
      'invalid-id',
      `Cannot publish with id ${quote(id)}: it takes more than ${OWN_ID_BYTES_MAX} bytes`,
    );
  }
}

function checkEventType(type: string): void {
  if (LINE_BREAKING.test(type)) {
    throw new HubError('invalid-event-type', `Cannot publish event type ${quote(type)}: it holds CR, LF or NUL`);
  }
  if (!type.isWellFormed()) {
    throw new HubError('invalid-event-type', `Cannot publish event type ${quote(type)}: it holds half of a character`);
  }
  if (isControlType(type)) {
    throw new HubError('invalid-event-type', `Cannot publish event type ${quote(type)}: "tidegate." is reserved`);
  }
}

function checkIdempotencyKey(key: string): void {
  const isSound = key !== '' && key.isWellFormed() && !CONTROL_CHARACTER.test(key);
  if (isSound && Buffer.byteLength(key) <= IDEMPOTENCY_KEY_BYTES_MAX) return;
  throw new HubError(
    'invalid-idempotency-key',
    `Cannot publish with idempotency key ${quote(key)}: it must hold 1 to ${IDEMPOTENCY_KEY_BYTES_MAX} bytes of UTF-8 and no control character`,
  );
}
