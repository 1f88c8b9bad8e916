import type { IncomingHttpHeaders } from 'node:http';

import { requireChannels, requireUser } from '../auth/access.js';
import type { Access } from '../auth/access.js';
import { userChannel } from '../auth/user-channel.js';
import { HubError } from '../errors.js';
import { checkChannel } from '../event.js';
import type { Feed } from '../feed.js';
import { encodeEnded, encodeGaps, encodeOpen, encodeStart } from '../frame.js';
import type { HubCore, Opening } from '../hub.js';
import { refuseMisnamed } from '../query-names.js';
import type { ResumeRequest, Start } from '../resume.js';
import type { Subscriber } from '../subscriber.js';
import { isGzipAccepted } from './accept-encoding.js';
import { createGzipOutlet } from './gzip-outlet.js';
import { asRefusal } from './problem.js';
import { checkRefusals, refusalAnswer } from './refusal.js';
import type { Reply } from './reply.js';
import { requireRoute } from './require-route.js';
import type { PathParameters, Route } from './routes.js';
import { readStreamForm } from './stream-form.js';
import { checkChannels, readUtf8 } from './target.js';
import type { Target } from './target.js';

/** A request for a stream, whatever it came by. */
export interface StreamExchange {
  readonly hub: HubCore;
  readonly route: Route;
  readonly parameters: PathParameters;
  readonly target: Target;
  readonly headers: IncomingHttpHeaders;
  /** Where the connection comes from. */
  readonly address: string;
  readonly reply: Reply;
  /** Whether only the head is asked for (`HEAD`). */
  readonly isHeadOnly?: boolean;
}

const STREAM_HEADERS = {
  'Content-Type': 'text/event-stream; charset=utf-8',
  // Proxies must neither keep nor compress it, and nginx must not collect it.
  'Cache-Control': 'no-cache, no-transform',
  'X-Accel-Buffering': 'no',
};

const STREAM_HEAD = { status: 200, headers: STREAM_HEADERS };

/** `GET /subscribe/{channel}`, `GET /subscribe?channel=…&channel=…` (PROTOCOL.md, 4), and `GET /sse` (11.7). */
export async function handleSubscribe(exchange: StreamExchange): Promise<void> {
  const { hub, route, parameters, headers, target, address, reply } = exchange;
  try {
    await reply.itsTurn();
    // Gone already: nothing would ever tell the hub to let go of it.
    if (reply.isGone) return;
    const access = await hub.authenticate({ method: 'GET', headers, query: target.query });
    requireRoute(route, access, parameters);
    checkRefusals(target.query);
    const opening = await hub.open({
      ...readStreamForm(target.query),
      access,
      address,
      userAgent: headers['user-agent'],
      channels: channelsFor(access, exchange),
      resume: resumeOf(headers, target.query),
      isPinged: route.access === 'own-stream' && target.query.get('ping') !== 'false',
    });
    if (reply.isGone) return hub.abandon(opening);
    if (opening.isOver || exchange.isHeadOnly === true) {
      hub.abandon(opening);
      // 204 is the one answer that keeps a native EventSource from coming back.
      reply.send(opening.isOver ? { status: 204, headers: { 'Cache-Control': 'no-store' } } : STREAM_HEAD);
      return;
    }
    requireStillValid(hub, opening);
    stream(exchange, opening);
  } catch (error) {
    const refusal = asRefusal(error);
    hub.countRefusal(refusal, error);
    if (reply.isGone) return;
    reply.send(refusalAnswer(refusal, { headers, query: target.query }, hub));
  }
}

/**
 * A revocation ends the streams that exist; one that came while this stream was being opened found none. So it is
 * looked for in the turn in which the stream begins.
 * @throws HubError `token-revoked`, `token-expired`; then nothing is left of `opening`.
 */
function requireStillValid(hub: HubCore, opening: Opening): void {
  try {
    hub.requireStillValid(opening.access);
  } catch (error) {
    hub.abandon(opening);
    throw error;
  }
}

function stream({ hub, headers, reply }: StreamExchange, opening: Opening): void {
  const { connection, feed, start } = opening;
  const isGzip = negotiateGzip(hub, headers, reply);
  reply.setHeader('X-Connection-Id', connection.id);
  reply.stream(STREAM_HEADERS, (outlet) => {
    const subscriber = hub.admit(opening, isGzip ? createGzipOutlet(outlet, hub.packer) : outlet);
    reply.onClosed(releaseOf(hub, subscriber));
    subscriber.write(openingOf(hub, feed, start));
    if (start.gaps.length > 0) subscriber.write(encodeGaps(start.gaps, hub.store.formatCursor(start.offset)));
    const ended = feed.channels.filter((channel) => channel.hasEndedBefore(start.offset));
    if (ended.length > 0 && feed.hasControlEvents) subscriber.write(encodeEnded(ended.map(({ name }) => name)));
    subscriber.pull();
  });
}

/** The first block of a stream. */
function openingOf(hub: HubCore, { channels, hasControlEvents }: Feed, { offset, openCursor }: Start): Uint8Array {
  const { heartbeatMs, retryMs } = hub.settings;
  if (!hasControlEvents) return encodeStart(openCursor ?? hub.store.formatCursor(offset), retryMs);
  return encodeOpen(openCursor, { channels: channels.map(({ name }) => name), heartbeatMs }, retryMs);
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

/** @throws HubError if `access` may not have them. */
function channelsFor(access: Access, { hub, route, parameters, target }: StreamExchange): readonly string[] {
  const { limits, anonymousChannel } = hub.settings;
  if (route.access === 'own-stream') {
    if (access.kind === 'anonymous') return [anonymousChannel];
    const { application, user } = requireUser(access);
    return [userChannel(application, user)];
  }
  refuseMisnamed(target.query, 'subscribe');
  if (parameters['channel'] === undefined) {
    const channels = checkChannels(target.query.getAll('channel'), limits.channelsPerConnection);
    requireChannels(access, 'subscribe', channels);
    return channels;
  }
  if (!target.query.has('channel')) return [checkChannel(parameters['channel'])];
  throw new HubError('invalid-query', 'Cannot subscribe: channels are named in the path and in the query');
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
