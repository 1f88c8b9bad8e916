import { quote } from '../../protocol/index.js';
import { HubError } from '../errors.js';
import type { PublishEvent } from '../event.js';
import { BATCH_EVENTS_MAX } from '../limits.js';
import type { HubLimits } from '../limits.js';
import { invalidRetry, readRetry } from '../retry.js';
import { onOneLine, readJsonObject } from './json-object.js';
import type { JsonMember } from './json-object.js';

/** An event as JSON has it, and the channels where the form names them. */
interface JsonEvent {
  readonly event: PublishEvent;
  readonly channels: readonly string[] | undefined;
}

const FIELDS = new Set(['id', 'event', 'data', 'retry', 'idempotencyKey']);
const FIELDS_AND_CHANNELS = new Set([...FIELDS, 'channels']);

/** Characters of JSON for one character of text: an escape has six. */
const ESCAPE_CHARACTERS = 6;
/** Characters of an event's JSON for everything but its data. */
const AROUND_CHARACTERS = 16 * 1024;
/** Characters of JSON for the name of a channel: 200, all of them escaped, in quotes, with a comma and a space. */
const CHANNEL_CHARACTERS = 200 * ESCAPE_CHARACTERS + 4;

/** What bounds the JSON of one event. */
export type JsonLimits = Pick<HubLimits, 'eventBytes' | 'channelsPerConnection'>;

/** One event as JSON (PROTOCOL.md, 6.2). @throws HubError. */
export function readJsonEvent(body: string, { eventBytes }: JsonLimits): PublishEvent {
  return readObject(body, FIELDS, charactersFor(eventBytes)).event;
}

/** One event as JSON for the `channels` it names. @throws HubError. */
export function readJsonEventForChannels(body: string, limits: JsonLimits): Required<JsonEvent> {
  const charactersMax = charactersFor(limits.eventBytes) + limits.channelsPerConnection * CHANNEL_CHARACTERS;
  const { event, channels } = readObject(body, FIELDS_AND_CHANNELS, charactersMax);
  if (channels === undefined) throw new HubError('missing-channel', 'Cannot publish: "channels" names none');
  return { event, channels };
}

/** What is read of each line. */
interface LineOptions {
  readonly limits: JsonLimits;
  readonly check: (event: PublishEvent) => void;
}

/** One event a line; empty lines are passed over. @throws HubError `invalid-batch` with the first line at fault, `body-too-large`. */
export function readNdjsonEvents(body: string, options: LineOptions): readonly PublishEvent[] {
  const events: PublishEvent[] = [];
  let number = 0;
  for (let at = 0; at < body.length;) {
    number += 1;
    if (body.charCodeAt(at) === LF) {
      at += 1;
      continue;
    }
    const lineEnd = body.indexOf('\n', at);
    const end = lineEnd === -1 ? body.length : lineEnd;
    const line = body.slice(at, end);
    at = end + 1;
    if (!line.startsWith('{') && BLANK.test(line)) continue;
    if (events.length === BATCH_EVENTS_MAX) {
      throw new HubError('body-too-large', `Cannot publish more than ${BATCH_EVENTS_MAX} events at once`);
    }
    events.push(readLine(line, number, options));
  }
  return events;
}

const LF = 0x0a;
/** White space of JSON, and no other: a byte order mark is none. */
const BLANK = /^[ \t\r]*$/;

function readLine(line: string, number: number, { limits, check }: LineOptions): PublishEvent {
  try {
    const event = readJsonEvent(line, limits);
    check(event);
    return event;
  } catch (error) {
    if (!(error instanceof HubError)) throw error;
    const detail = `Nothing was published: line ${number}: ${error.message} (${error.code})`;
    throw new HubError('invalid-batch', detail, { line: number });
  }
}

function charactersFor(eventBytes: number): number {
  return eventBytes * ESCAPE_CHARACTERS + AROUND_CHARACTERS;
}

function readObject(body: string, fields: ReadonlySet<string>, charactersMax: number): JsonEvent {
  if (body.length > charactersMax) {
    const detail = `Cannot publish an event that takes ${body.length} characters of JSON: ${charactersMax} are allowed`;
    throw new HubError('event-too-large', detail);
  }
  if (body.startsWith(BYTE_ORDER_MARK))
    throw new HubError('invalid-json', 'Cannot read the JSON: it begins with a byte order mark');
  const { members, unknown } = readJsonObject(body, fields);
  if (unknown !== undefined) {
    throw new HubError('unknown-field', `Cannot publish: field ${quote(unknown)} is none of ${[...fields].join(', ')}`);
  }
  const { id, event, data, retry, idempotencyKey, channels } = members;
  if (data === undefined) throw new HubError('missing-data', 'Cannot publish: "data" is missing');
  const retryMs = retry === undefined ? undefined : readRetryField(retry);
  return {
    channels: channels === undefined ? undefined : readChannelList(channels),
    event: {
      data: data.kind === 'text' ? data.text : readDataAsWritten(data),
      ...(id === undefined ? {} : { id: readText(id, 'invalid-id', 'id') }),
      ...(event === undefined ? {} : { event: readText(event, 'invalid-event-type', 'event') }),
      ...(retryMs === undefined ? {} : { retry: retryMs }),
      ...(idempotencyKey === undefined
        ? {}
        : { idempotencyKey: readText(idempotencyKey, 'invalid-idempotency-key', 'idempotencyKey') }),
    },
  };
}

const BYTE_ORDER_MARK = '\ufeff';

/** The data of an event as it was written, on one line; a string keeps its quotes. @throws HubError `invalid-encoding`. */
export function readDataAsWritten(data: JsonMember): string {
  const isBroken = data.kind === 'text' ? !data.text.isWellFormed() : data.hasLoneSurrogate;
  if (!isBroken) return onOneLine(data.json);
  throw new HubError('invalid-encoding', 'Cannot publish data in which an escape is half of a character');
}

type FieldCode = 'invalid-id' | 'invalid-event-type' | 'invalid-idempotency-key';

/** A field that is text or a whole number. @throws HubError with `code`. */
export function readText(member: JsonMember, code: FieldCode, name: string): string {
  if (member.kind === 'text') return member.text;
  // A list or an object is not read: it may be as large as a body.
  const number = NUMBER_LIKE.test(member.json) ? Number(member.json) : Number.NaN;
  if (Number.isSafeInteger(number)) return String(number);
  throw new HubError(code, `Cannot publish: "${name}" is neither text nor a whole number`);
}

/** What begins like a number is one: the JSON is valid. */
const NUMBER_LIKE = /^[-0-9]/;

function readRetryField(member: JsonMember): number | undefined {
  const isNone = member.kind === 'other' && member.json === 'null';
  const isNumber = member.kind === 'other' && NUMBER_LIKE.test(member.json);
  const value = isNone ? null : isNumber ? Number(member.json) : Number.NaN;
  const retryMs = readRetry(value, 'refused');
  if (retryMs !== 'invalid') return retryMs;
  throw invalidRetry();
}

/** The list is no longer than so many names may be; what is in it is looked at later. */
function readChannelList(member: JsonMember): readonly string[] {
  const value: unknown = member.kind === 'other' && member.json.startsWith('[') ? JSON.parse(member.json) : undefined;
  if (Array.isArray(value) && value.every((name) => typeof name === 'string')) return value;
  throw new HubError('invalid-channel', 'Cannot publish: "channels" is no list of names');
}
