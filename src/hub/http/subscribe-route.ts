import type { IncomingHttpHeaders } from 'node:http';

import { quote } from '../../protocol/index.js';
import { requireChannels, requireUser } from '../auth/access.js';
import type { Access } from '../auth/access.js';
import { userChannel } from '../auth/user-channel.js';
import { HubError } from '../errors.js';
import { encodeGaps, encodeOpen } from '../frame.js';
import type { HubCore, Opening } from '../hub.js';
import type { HubSettings } from '../settings.js';
import type { ResumeRequest } from '../resume.js';
import type { Subscriber } from '../subscriber.js';
import { isGzipAccepted } from './accept-encoding.js';
import { createGzipOutlet } from './gzip-outlet.js';
import { asRefusal, problemAnswer } from './problem.js';
import { eventSourceAnswer, isNativeEventSource } from './refusal.js';
import type { Reply } from './reply.js';
import { channelSegment, checkChannels, readChannel, readUtf8 } from './target.js';
import type { Target } from './target.js';

/** A request for a stream, whatever it came by. */
export interface StreamExchange {
  readonly hub: HubCore;
  readonly target: Target;
  readonly headers: IncomingHttpHeaders;
  /** Where the connection comes from. */
  readonly address: string;
  readonly reply: Reply;
}

const STREAM_HEADERS = {
  'Content-Type': 'text/event-stream; charset=utf-8',
  // Proxies must neither keep nor compress it, and nginx must not collect it.
  'Cache-Control': 'no-cache, no-transform',
  'X-Accel-Buffering': 'no',
};

/** `GET /subscribe/{channel}`, `GET /subscribe?channel=…&channel=…` (PROTOCOL.md, 4), and `GET /sse` (11.7). */
export async function handleSubscribe(exchange: StreamExchange): Promise<void> {
  const { hub, headers, target, address, reply } = exchange;
  try {
    await reply.itsTurn();
    // Gone already: nothing would ever tell the hub to let go of it.
    if (reply.isGone) return;
    const access = await hub.authenticate({ method: 'GET', headers, query: target.query });
    const opening = await hub.open({
      access,
      address,
      userAgent: headers['user-agent'],
      channels: channelsFor(access, target, hub.settings),
      isEnvelope: isEnvelopeAsked(target.query),
      resume: resumeOf(headers, target.query),
      isPinged: target.segments[0] === 'sse' && target.query.get('ping') !== 'false',
    });
    if (reply.isGone) return hub.abandon(opening);
    if (opening.isOver) {
      hub.abandon(opening);
      // The one answer that keeps a native EventSource from coming back.
      reply.send({ status: 204, headers: { 'Cache-Control': 'no-store' } });
      return;
    }
    stream(exchange, opening);
  } catch (error) {
    const refusal = asRefusal(error);
    hub.countRefusal(refusal, error);
    if (reply.isGone) return;
    const isHeard = isNativeEventSource(headers);
    reply.send(isHeard ? eventSourceAnswer(refusal, hub.jitteredRetryMs()) : problemAnswer(refusal));
  }
}

function stream({ hub, headers, reply }: StreamExchange, opening: Opening): void {
  const { connection, feed, start } = opening;
  const isGzip = negotiateGzip(hub, headers, reply);
  reply.setHeader('X-Connection-Id', connection.id);
  reply.stream(STREAM_HEADERS, (outlet) => {
    const subscriber = hub.admit(opening, isGzip ? createGzipOutlet(outlet, hub.packer) : outlet);
    reply.onClosed(releaseOf(hub, subscriber));
    const open = { channels: feed.channels.map(({ name }) => name), heartbeatMs: hub.settings.heartbeatMs };
    subscriber.write(encodeOpen(start.openCursor, open, hub.settings.retryMs));
    if (start.gaps.length > 0) subscriber.write(encodeGaps(start.gaps, hub.store.formatCursor(start.offset)));
    subscriber.pull();
  });
}

/** A function of its own: what else a closure inside `stream` sees would be kept for as long as the stream. */
function releaseOf(hub: HubCore, subscriber: Subscriber): () => void {
  return () => hub.release(subscriber);
}

/** Sets the headers that say whether what follows is compressed. */
function negotiateGzip(hub: HubCore, headers: IncomingHttpHeaders, reply: Reply): boolean {
  if (hub.settings.compression === 'none') return false;
  reply.addVary('Accept-Encoding');
  if (!isGzipAccepted(headers['accept-encoding']?.toString())) return false;
  reply.setHeader('Content-Encoding', 'gzip');
  return true;
}

/** @throws HubError where `access` may not have them. */
function channelsFor(access: Access, target: Target, { limits, anonymousChannel }: HubSettings): readonly string[] {
  const [room, ...more] = target.segments;
  if (room === 'sse') {
    if (more.length > 0) throw new HubError('not-found', 'Cannot find anything below the own stream');
    if (access.kind === 'anonymous') return [anonymousChannel];
    const { application, user } = requireUser(access);
    return [userChannel(application, user)];
  }
  const channels = channelsOf(target, limits.channelsPerConnection);
  requireChannels(access, 'subscribe', channels);
  return channels;
}

function channelsOf({ segments, query }: Target, countMax: number): readonly string[] {
  const segment = channelSegment(segments);
  if (segment !== undefined) {
    if (!query.has('channel')) return [readChannel(segment)];
    throw new HubError('invalid-query', 'Cannot subscribe: channels are named in the path and in the query');
  }
  return checkChannels(query.getAll('channel'), countMax);
}

function isEnvelopeAsked(query: URLSearchParams): boolean {
  const envelope = query.get('envelope');
  if (envelope === null || envelope === 'none') return false;
  if (envelope === 'json') return true;
  throw new HubError('invalid-query', `Cannot wrap events in envelope ${quote(envelope)}: only "json" is known`);
}

function resumeOf(headers: IncomingHttpHeaders, query: URLSearchParams): ResumeRequest {
  const header = headers['last-event-id'];
  return {
    // The header is newer than what is left in the URL.
    lastEventId:
      typeof header === 'string' && header !== '' ? readUtf8(header) : (query.get('lastEventId') ?? undefined),
    since: query.get('since') ?? undefined,
    last: query.get('last') ?? undefined,
  };
}
