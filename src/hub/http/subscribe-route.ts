import type { IncomingMessage, ServerResponse } from 'node:http';

import { quote } from '../../protocol/index.js';
import { HubError } from '../errors.js';
import { encodeGaps, encodeOpen } from '../frame.js';
import type { HubCore, Opening } from '../hub.js';
import type { ResumeRequest } from '../resume.js';
import { isGzipAccepted } from './accept-encoding.js';
import { createOutlet, http2StreamOf, isGone } from './outlet.js';
import type { Exchange } from './exchange.js';
import { createGzipOutlet } from './gzip-outlet.js';
import { asRefusal, sendProblem } from './problem.js';
import { remoteAddress } from './remote-address.js';
import { isNativeEventSource, refuseEventSource } from './refusal.js';
import { channelSegment, checkChannels, readChannel, readUtf8 } from './target.js';
import type { Target } from './target.js';

const STREAM_HEADERS = {
  'Content-Type': 'text/event-stream',
  // Proxies must neither keep nor compress it, and nginx must not collect it.
  'Cache-Control': 'no-cache, no-transform',
  'X-Accel-Buffering': 'no',
};

/** `GET /subscribe/{channel}` and `GET /subscribe?channel=…&channel=…` (PROTOCOL.md, 4). */
export async function handleSubscribe({ hub, request, response, target }: Exchange): Promise<void> {
  try {
    await itsTurn(response);
    // Gone already: nothing would ever tell the hub to let go of it.
    if (isGone(response) || !response.socket) return;
    const opening = await hub.open({
      address: remoteAddress(request),
      channels: channelsOf(target, hub.settings.limits.channelsPerConnection),
      isEnvelope: isEnvelopeAsked(target.query),
      resume: resumeOf(request, target.query),
    });
    if (isGone(response) || !response.socket) return hub.abandon(opening);
    if (opening.isOver) {
      hub.abandon(opening);
      // The one answer that keeps a native EventSource from coming back.
      response.writeHead(204, { 'Cache-Control': 'no-store' }).end();
      return;
    }
    stream(hub, response, opening);
  } catch (error) {
    const refusal = asRefusal(error);
    hub.countRefusal(refusal, error);
    if (isNativeEventSource(request)) refuseEventSource(response, refusal, hub.jitteredRetryMs());
    else sendProblem(response, refusal);
  }
}

function stream(hub: HubCore, response: ServerResponse, opening: Opening): void {
  const { feed, start } = opening;
  // Without either header the body ends with the connection: see createOutlet.
  response.removeHeader('Transfer-Encoding');
  const isGzip = negotiateGzip(hub, response);
  response.setHeader('X-Connection-Id', opening.connection.id);
  response.writeHead(200, STREAM_HEADERS);
  // Head, first block and backfill leave in one write.
  const way = http2StreamOf(response) ?? response.socket;
  way?.cork();
  response.flushHeaders();
  const outlet = createOutlet(response);
  const subscriber = hub.admit(opening, isGzip ? createGzipOutlet(outlet, hub.packer) : outlet);
  response.once('close', () => hub.release(subscriber));
  const open = { channels: feed.channels.map(({ name }) => name), heartbeatMs: hub.settings.heartbeatMs };
  subscriber.write(encodeOpen(start.openCursor, open, hub.settings.retryMs));
  if (start.gaps.length > 0) subscriber.write(encodeGaps(start.gaps, hub.store.formatCursor(start.offset)));
  subscriber.pull();
  way?.uncork();
}

/** Sets the headers that say whether what follows is compressed. */
function negotiateGzip(hub: HubCore, response: ServerResponse): boolean {
  if (hub.settings.compression === 'none') return false;
  const vary = response.getHeader('Vary');
  response.setHeader('Vary', vary === undefined ? 'Accept-Encoding' : `${String(vary)}, Accept-Encoding`);
  if (!isGzipAccepted(response.req.headers['accept-encoding']?.toString())) return false;
  response.setHeader('Content-Encoding', 'gzip');
  return true;
}

/**
 * A request that did not wait for the answer before it has no socket yet. If that answer never ends, nor would a
 * subscriber that nobody can write to; so there is none until the socket is there, and none if it never is.
 */
async function itsTurn(response: ServerResponse): Promise<void> {
  if (response.socket !== null || response.req.httpVersionMajor !== 1) return;
  await new Promise<unknown>((resolve) => response.once('socket', resolve));
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

function resumeOf(request: IncomingMessage, query: URLSearchParams): ResumeRequest {
  const header = request.headers['last-event-id'];
  return {
    // The header is newer than what is left in the URL.
    lastEventId:
      typeof header === 'string' && header !== '' ? readUtf8(header) : (query.get('lastEventId') ?? undefined),
    since: query.get('since') ?? undefined,
    last: query.get('last') ?? undefined,
  };
}
