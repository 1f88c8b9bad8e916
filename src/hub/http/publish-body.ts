import { quote } from '../../protocol/index.js';
import { HubError } from '../errors.js';
import type { PublishEvent } from '../event.js';
import { BATCH_EVENTS_MAX } from '../limits.js';
import { memberText } from './json-member.js';

/** An event as JSON has it, and the channels where the form names them. */
interface JsonEvent {
  readonly event: PublishEvent;
  readonly channels: readonly string[] | undefined;
}

const FIELDS = new Set(['id', 'event', 'data', 'retry', 'idempotencyKey']);

/** One event as JSON (PROTOCOL.md, 6.2). @throws HubError. */
export function readJsonEvent(body: string): PublishEvent {
  return readObject(body, FIELDS).event;
}

/** One event as JSON for the `channels` it names. @throws HubError. */
export function readJsonEventForChannels(body: string): Required<JsonEvent> {
  const { event, channels } = readObject(body, new Set([...FIELDS, 'channels']));
  if (channels === undefined) throw new HubError('missing-channel', 'Cannot publish: "channels" names none');
  return { event, channels };
}

/** One event a line; empty lines are passed over. @throws HubError `invalid-batch` with the first line at fault, `body-too-large`. */
export function readNdjsonEvents(body: string, check: (event: PublishEvent) => void): readonly PublishEvent[] {
  const events: PublishEvent[] = [];
  let number = 0;
  for (let at = 0; at < body.length;) {
    number += 1;
    const lineEnd = body.indexOf('\n', at);
    const end = lineEnd === -1 ? body.length : lineEnd;
    const line = end === at ? '' : body.slice(at, end);
    at = end + 1;
    if (line.trim() === '') continue;
    if (events.length === BATCH_EVENTS_MAX) {
      throw new HubError('body-too-large', `Cannot publish more than ${BATCH_EVENTS_MAX} events at once`);
    }
    events.push(readLine(line, { number, check }));
  }
  return events;
}

function readLine(
  line: string,
  { number, check }: { readonly number: number; readonly check: (event: PublishEvent) => void },
): PublishEvent {
  try {
    const event = readJsonEvent(line);
    check(event);
    return event;
  } catch (error) {
    if (!(error instanceof HubError)) throw error;
    const detail = `Nothing was published: line ${number}: ${error.message} (${error.code})`;
    throw new HubError('invalid-batch', detail, { line: number });
  }
}

function readObject(body: string, fields: ReadonlySet<string>): JsonEvent {
  const object = parseObject(body);
  const unknown = Object.keys(object).find((name) => !fields.has(name));
  if (unknown !== undefined) {
    throw new HubError('unknown-field', `Cannot publish: field ${quote(unknown)} is none of ${[...fields].join(', ')}`);
  }
  const { id, event, retry, idempotencyKey, channels } = object;
  if (!Object.hasOwn(object, 'data')) throw new HubError('missing-data', 'Cannot publish: "data" is missing');
  return {
    channels: channels === undefined ? undefined : readChannelList(channels),
    event: {
      data: typeof object['data'] === 'string' ? object['data'] : (memberText(body, 'data') ?? ''),
      ...(id === undefined ? {} : { id: readText(id, 'invalid-id', 'id') }),
      ...(event === undefined ? {} : { event: readText(event, 'invalid-event-type', 'event') }),
      ...(retry === undefined ? {} : { retry: readRetry(retry) }),
      ...(idempotencyKey === undefined
        ? {}
        : { idempotencyKey: readText(idempotencyKey, 'invalid-idempotency-key', 'idempotencyKey') }),
    },
  };
}

function parseObject(body: string): Readonly<Record<string, unknown>> {
  let value: unknown;
  try {
    value = JSON.parse(body);
  } catch (error) {
    throw new HubError(
      'invalid-json',
      `Cannot read ${quote(body, 40)} as JSON: ${error instanceof Error ? error.message : ''}`,
    );
  }
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Record<string, unknown>;
  throw new HubError('invalid-json', `Cannot publish ${quote(body, 40)}: it is no JSON object`);
}

type FieldCode = 'invalid-id' | 'invalid-event-type' | 'invalid-idempotency-key';

function readText(value: unknown, code: FieldCode, name: string): string {
  if (typeof value === 'string') return value;
  if (Number.isSafeInteger(value)) return String(value);
  throw new HubError(code, `Cannot publish: "${name}" is neither text nor a whole number`);
}

function readRetry(value: unknown): number {
  if (typeof value === 'number') return value;
  throw new HubError('invalid-retry', 'Cannot publish: "retry" is no number of milliseconds');
}

function readChannelList(value: unknown): readonly string[] {
  if (Array.isArray(value) && value.every((name) => typeof name === 'string')) return value;
  throw new HubError('invalid-channel', 'Cannot publish: "channels" is no list of names');
}
