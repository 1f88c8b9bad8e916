import type { IncomingMessage } from 'node:http';

import { createEventParser, quote } from '../../protocol/index.js';
import type { EventParser, ParsedEvent } from '../../protocol/index.js';
import { HubError } from '../errors.js';
import { asHubError, checkChannel, checkEvent } from '../event.js';
import type { PublishEvent } from '../event.js';
import { requireChannels } from '../auth/access.js';
import type { Access } from '../auth/access.js';
import { userChannel } from '../auth/user-channel.js';
import type { HubCore } from '../hub.js';
import { refuseMisnamed } from '../query-names.js';
import type { Published } from '../backplane/backplane.js';
import { readRetry } from '../retry.js';
import { withLine } from './ndjson-line.js';
import { NDJSON_TYPES } from './ndjson-types.js';
import { readJsonEvent, readJsonEventForChannels, readNdjsonEvents } from './publish-body.js';
import { publisherOf } from './publisher.js';
import { remoteAddress } from './remote-address.js';
import { readBody, readChunks } from './request-body.js';
import type { Exchange } from './exchange.js';
import { readIdentitySegment } from './identity-segment.js';
import type { PathParameters } from './routes.js';
import { checkChannels, readFlag, readUtf8 } from './target.js';

/** The answer to a publish on one channel: the last event's id, and how many there were. */
interface PublishAnswer {
  readonly channel: string;
  readonly id?: string;
  readonly cursor?: string;
  readonly published: number;
  readonly duplicates: number;
}

/** How a body is read: by its content type, or as it is where the query says `raw=true`. */
type BodyForm = 'json' | 'ndjson' | 'stream' | 'raw';

/** `POST /publish/{channel}` and `POST /publish` (PROTOCOL.md, 6). @throws HubError where it is refused. */
export function handlePublish(exchange: Exchange): Promise<void> {
  return exchange.hub.departure.hold(() => answerPublish(exchange));
}

async function answerPublish(exchange: Exchange): Promise<void> {
  const { hub, request, response, caller: access, parameters, query } = exchange;
  const channel = channelOf(parameters);
  refuseMisnamed(query, 'publish');
  const publisher = publisherOf(hub, request, access);
  const form = bodyForm(request, query);
  if (channel !== undefined && hub.authorizer !== undefined)
    await authorize(hub, request, { access, names: [channel] });
  const answer =
    channel === undefined
      ? await publishToMany(hub, request, { access, publisher, form })
      : await publishToOne(hub, request, { access, channel, publisher, form, query });
  const body = JSON.stringify(answer);
  response.writeHead(200, { 'Content-Type': 'application/json', 'Content-Length': Buffer.byteLength(body) }).end(body);
}

/** The channel that the path names; undefined if the body names them. */
function channelOf({ channel, application, user }: PathParameters): string | undefined {
  if (application !== undefined && user !== undefined)
    return userChannel(readIdentitySegment(application), readIdentitySegment(user));
  return channel === undefined ? undefined : checkChannel(channel);
}

/** Before the body of one channel is read: a publish that is denied costs no memory. A stream is asked about once. */
function authorize(
  hub: HubCore,
  request: IncomingMessage,
  { access, names }: { readonly access: Access; readonly names: readonly string[] },
): Promise<void> {
  return hub.authorize({ action: 'publish', access, channels: names, address: remoteAddress(hub, request) });
}

interface OneTarget {
  readonly access: Access;
  /** Whose rate it counts against. */
  readonly publisher: string;
  readonly channel: string;
  readonly form: BodyForm;
  readonly query: URLSearchParams;
}

interface ManyTarget {
  readonly access: Access;
  readonly publisher: string;
  readonly form: BodyForm;
}

async function publishToOne(hub: HubCore, request: IncomingMessage, target: OneTarget): Promise<PublishAnswer> {
  const { channel, publisher, form, query } = target;
  const isLast = readFlag(query, 'end');
  if (form !== 'raw') refuseFieldsInQuery(query);
  if (form === 'ndjson' || form === 'stream') refuseKeyOfBatch(request);
  const answer =
    form === 'stream'
      ? await publishStream(hub, request, target)
      : answerOf(channel, await publishEvents(hub, request, target));
  if (isLast) await hub.backplane.end(channel, publisher);
  return answer;
}

async function publishToMany(
  hub: HubCore,
  request: IncomingMessage,
  { access, publisher, form }: ManyTarget,
): Promise<{ readonly events: readonly PublishAnswer[] }> {
  if (form !== 'json') {
    throw new HubError(
      'unsupported-media-type',
      'Cannot publish to several channels: the body must be application/json',
    );
  }
  const { limits } = hub.settings;
  const { channelsPerConnection, eventBytes } = limits;
  const { event, channels } = readJsonEventForChannels(await readBodyOf(hub, request, publisher), limits);
  const events = [withIdempotencyKey(request, event)];
  for (const one of events) checkEvent(one, eventBytes);
  const names = checkChannels(channels ?? [], channelsPerConnection);
  requireChannels(access, 'publish', names);
  if (hub.authorizer !== undefined) await authorize(hub, request, { access, names });
  const published = await hub.publish({ channels: names, events, publisher });
  return { events: published.map((one) => answerOf(one.channel, [one])) };
}

function readBodyOf(hub: HubCore, request: IncomingMessage, publisher: string): Promise<string> {
  const { settings, bodies: share, departure } = hub;
  const { clock, limits } = settings;
  return readBody(request, { bytesMax: limits.bodyBytes, share, publisher, clock, departure });
}

async function publishEvents(hub: HubCore, request: IncomingMessage, target: OneTarget): Promise<readonly Published[]> {
  const { channel, form, publisher } = target;
  const body = await readBodyOf(hub, request, publisher);
  const events = readEvents(hub, request, { ...target, body });
  try {
    return await hub.publish({ channels: [channel], events, publisher });
  } catch (error) {
    throw form === 'ndjson' ? withLine(error, body) : error;
  }
}

function readEvents(
  hub: HubCore,
  request: IncomingMessage,
  { form, query, body }: OneTarget & { readonly body: string },
): readonly PublishEvent[] {
  const { limits } = hub.settings;
  const { eventBytes } = limits;
  if (form === 'ndjson') return readNdjsonEvents(body, { limits, check: (event) => checkEvent(event, eventBytes) });
  const event = withIdempotencyKey(request, form === 'json' ? readJsonEvent(body, limits) : rawEvent(body, query));
  checkEvent(event, eventBytes);
  return [event];
}

/** Publishes events as they arrive: those of one read are out before the next. */
async function publishStream(
  hub: HubCore,
  request: IncomingMessage,
  { access, channel, publisher }: Pick<OneTarget, 'access' | 'channel' | 'publisher'>,
): Promise<PublishAnswer> {
  const { eventBytes } = hub.settings.limits;
  const arrived: PublishEvent[] = [];
  let count = 0;
  let last: Published | undefined;
  const parser = createArrivalParser(eventBytes, arrived);
  try {
    for await (const chunk of readChunks(request, hub.departure)) {
      // A stream of events may outlive the token that began it.
      hub.requireStillValid(access);
      const fault = attempt(() => parser.push(chunk));
      const events = arrived.splice(0);
      const unsound = events.findIndex((event) => attempt(() => checkEvent(event, eventBytes)) !== undefined);
      const sound = unsound === -1 ? events : events.slice(0, unsound);
      if (sound.length > 0) last = (await hub.publish({ channels: [channel], events: sound, publisher })).at(-1);
      count += sound.length;
      const refused = events[sound.length];
      if (refused !== undefined) checkEvent(refused, eventBytes);
      if (fault !== undefined) throw fault.error;
    }
  } catch (error) {
    const refusal = asHubError(error);
    if (!(refusal instanceof HubError)) throw error;
    throw new HubError(refusal.code, refusal.message, { published: count });
  }
  parser.end();
  return { ...answerOf(channel, last === undefined ? [] : [last]), published: count };
}

/** What `task` throws, for later: events before the fault in the same bytes count. */
function attempt(task: () => void): { readonly error: unknown } | undefined {
  try {
    task();
    return undefined;
  } catch (error) {
    return { error };
  }
}

/** Reads an event stream into `arrived`; a `retry:` goes with the event that follows it, within the bounds of a publisher's. */
function createArrivalParser(eventBytesMax: number, arrived: PublishEvent[]): EventParser {
  let retry: number | undefined;
  return createEventParser({
    maxEventBytes: eventBytesMax,
    onRetry(retryMs) {
      const read = readRetry(retryMs, 'clamped');
      retry = read === 'invalid' ? undefined : read;
    },
    onEvent(event) {
      arrived.push({ ...fieldsOf(event), ...(retry === undefined ? {} : { retry }) });
      retry = undefined;
    },
  });
}

function fieldsOf({ type, data, lastEventId }: ParsedEvent): PublishEvent {
  return { data, ...(type === 'message' ? {} : { event: type }), ...(lastEventId === '' ? {} : { id: lastEventId }) };
}

function answerOf(channel: string, events: readonly Published[]): PublishAnswer {
  const duplicates = events.filter(({ isDuplicate }) => isDuplicate).length;
  const last = events.at(-1);
  const ids = last === undefined ? {} : { id: last.id, cursor: last.cursor };
  return { channel, ...ids, published: events.length - duplicates, duplicates };
}

function rawEvent(data: string, query: URLSearchParams): PublishEvent {
  const id = query.get('id');
  const event = query.get('event');
  if (id?.includes(REPLACEMENT)) throw notUtf8('invalid-id', 'id');
  if (event?.includes(REPLACEMENT)) throw notUtf8('invalid-event-type', 'event type');
  return { data, ...(id === null ? {} : { id }), ...(event === null ? {} : { event }) };
}

/** Stands in a query for what is not UTF-8: two different ids would be one. */
const REPLACEMENT = '\ufffd';

function notUtf8(code: 'invalid-id' | 'invalid-event-type' | 'invalid-idempotency-key', what: string): HubError {
  return new HubError(code, `Cannot publish: the ${what} is not UTF-8`);
}

function refuseFieldsInQuery(query: URLSearchParams): void {
  const misplaced = ['id', 'event'].find((name) => query.has(name));
  if (misplaced === undefined) return;
  throw new HubError('invalid-query', `Cannot take ${quote(misplaced)} from the query: this body has a field for it`);
}

/** One key for many events would make all but the first repeats. */
function refuseKeyOfBatch({ headers }: IncomingMessage): void {
  if (headers['idempotency-key'] === undefined) return;
  throw new HubError(
    'invalid-idempotency-key',
    'Cannot take the header Idempotency-Key for several events: give each event its own "idempotencyKey", as NDJSON',
  );
}

function withIdempotencyKey(request: IncomingMessage, event: PublishEvent): PublishEvent {
  const key = request.headers['idempotency-key'];
  if (key === undefined || event.idempotencyKey !== undefined) return event;
  const idempotencyKey = readUtf8(String(key));
  if (idempotencyKey.includes(REPLACEMENT)) throw notUtf8('invalid-idempotency-key', 'idempotency key');
  return { ...event, idempotencyKey };
}

const MEDIA_TYPE = /^[\w.!#$&^+-]+\/[\w.!#$&^+-]+$/;
const CHARSET = /;\s*charset\s*=\s*"?([^\s;"]+)/i;

function bodyForm({ headers }: IncomingMessage, query: URLSearchParams): BodyForm {
  const encoding = headers['content-encoding'] ?? 'identity';
  if (encoding !== 'identity')
    throw new HubError('unsupported-media-type', `Cannot read a body with Content-Encoding ${quote(encoding)}`);
  const contentType = headers['content-type'] ?? 'text/plain';
  const mediaType = (contentType.split(';', 1)[0] ?? '').trim().toLowerCase();
  const charset = CHARSET.exec(contentType)?.[1] ?? 'utf-8';
  if (!/^(utf-?8|us-ascii)$/i.test(charset) || !MEDIA_TYPE.test(mediaType) || mediaType.startsWith('multipart/')) {
    throw new HubError(
      'unsupported-media-type',
      `Cannot publish a body of type ${quote(contentType)}. It must be a media type other than multipart, and its charset UTF-8`,
    );
  }
  if (readFlag(query, 'raw')) return 'raw';
  if (mediaType === 'application/json') return 'json';
  if (NDJSON_TYPES.includes(mediaType)) return 'ndjson';
  return mediaType === 'text/event-stream' ? 'stream' : 'raw';
}
