import type { IncomingMessage } from 'node:http';

import { createEventParser, quote } from '../../protocol/index.js';
import type { ParsedEvent } from '../../protocol/index.js';
import { HubError } from '../errors.js';
import { asHubError, checkEvent } from '../event.js';
import type { PublishEvent } from '../event.js';
import { requireChannels, requirePublishToUsers } from '../auth/access.js';
import type { Access } from '../auth/access.js';
import { userChannel } from '../auth/user-channel.js';
import type { HubCore } from '../hub.js';
import type { Published } from '../backplane/backplane.js';
import { readJsonEvent, readJsonEventForChannels, readNdjsonEvents } from './publish-body.js';
import { remoteAddress } from './remote-address.js';
import { readBody, readChunks } from './request-body.js';
import type { Exchange } from './exchange.js';
import { channelSegment, checkChannels, readChannel, readFlag, readSegment, readUtf8 } from './target.js';

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
export async function handlePublish({ hub, request, response, target }: Exchange, access: Access): Promise<void> {
  const channel = channelFor(access, target.segments);
  const publisher = access.rateKey ?? remoteAddress(hub, request);
  const form = bodyForm(request, target.query);
  if (channel !== undefined && hub.authorizer !== undefined)
    await authorize(hub, request, { access, names: [channel] });
  const answer =
    channel === undefined
      ? await publishToMany(hub, request, { access, publisher, form })
      : await publishToOne(hub, request, { channel, publisher, form, query: target.query });
  const body = JSON.stringify(answer);
  response.writeHead(200, { 'Content-Type': 'application/json', 'Content-Length': Buffer.byteLength(body) }).end(body);
}

/** The channel that the path names, where `access` may publish; undefined where the body names them. */
function channelFor(access: Access, segments: readonly string[]): string | undefined {
  const [, room, application, user, ...more] = segments;
  if (room === 'users' && application !== undefined && user !== undefined && more.length === 0) {
    const [who, whom] = [readSegment(application), readSegment(user)];
    requirePublishToUsers(access, who);
    return userChannel(who, whom);
  }
  const segment = channelSegment(segments);
  if (segment === undefined) return undefined;
  const channel = readChannel(segment);
  requireChannels(access, 'publish', [channel]);
  return channel;
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
  const answer =
    form === 'stream'
      ? await publishStream(hub, request, { channel, publisher })
      : answerOf(channel, await publishEvents(hub, request, target));
  if (isLast) await hub.backplane.end(channel);
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
  const { bodyBytes, channelsPerConnection, eventBytes } = hub.settings.limits;
  const { event, channels } = readJsonEventForChannels(
    await readBody(request, { bytesMax: bodyBytes, share: hub.bodies, publisher, clock: hub.settings.clock }),
  );
  const events = [withIdempotencyKey(request, event)];
  for (const one of events) checkEvent(one, eventBytes);
  const names = checkChannels(channels ?? [], channelsPerConnection);
  requireChannels(access, 'publish', names);
  if (hub.authorizer !== undefined) await authorize(hub, request, { access, names });
  const published = await hub.publish({ channels: names, events, publisher });
  return { events: published.map((one) => answerOf(one.channel, [one])) };
}

async function publishEvents(hub: HubCore, request: IncomingMessage, target: OneTarget): Promise<readonly Published[]> {
  const events = await readEvents(hub, request, target);
  return hub.publish({ channels: [target.channel], events, publisher: target.publisher });
}

async function readEvents(
  hub: HubCore,
  request: IncomingMessage,
  { form, query, publisher }: OneTarget,
): Promise<readonly PublishEvent[]> {
  const { limits, clock } = hub.settings;
  const { bodyBytes, eventBytes } = limits;
  const body = await readBody(request, { bytesMax: bodyBytes, share: hub.bodies, publisher, clock });
  if (form === 'ndjson') return readNdjsonEvents(body, (event) => checkEvent(event, eventBytes));
  const event = withIdempotencyKey(request, form === 'json' ? readJsonEvent(body) : rawEvent(body, query));
  checkEvent(event, eventBytes);
  return [event];
}

/** Publishes events as they arrive: those of one read are out before the next. */
async function publishStream(
  hub: HubCore,
  request: IncomingMessage,
  { channel, publisher }: Pick<OneTarget, 'channel' | 'publisher'>,
): Promise<PublishAnswer> {
  const { eventBytes } = hub.settings.limits;
  const arrived: ParsedEvent[] = [];
  let count = 0;
  let last: Published | undefined;
  const parser = createEventParser({ maxEventBytes: eventBytes, onEvent: (event) => arrived.push(event) });
  try {
    for await (const chunk of readChunks(request)) {
      const fault = attempt(() => parser.push(chunk));
      const events = arrived.splice(0).map(fieldsOf);
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
  return { data, ...(id === null ? {} : { id }), ...(event === null ? {} : { event }) };
}

function refuseFieldsInQuery(query: URLSearchParams): void {
  const misplaced = ['id', 'event'].find((name) => query.has(name));
  if (misplaced === undefined) return;
  throw new HubError('invalid-query', `Cannot take ${quote(misplaced)} from the query: this body has a field for it`);
}

function withIdempotencyKey(request: IncomingMessage, event: PublishEvent): PublishEvent {
  const key = request.headers['idempotency-key'];
  if (key === undefined || event.idempotencyKey !== undefined) return event;
  return { ...event, idempotencyKey: readUtf8(String(key)) };
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
    throw new HubError('unsupported-media-type', `Cannot publish a body of type ${quote(contentType)}`);
  }
  if (readFlag(query, 'raw')) return 'raw';
  if (mediaType === 'application/json') return 'json';
  if (mediaType === 'application/x-ndjson') return 'ndjson';
  return mediaType === 'text/event-stream' ? 'stream' : 'raw';
}
