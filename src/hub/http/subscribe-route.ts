import type { IncomingMessage, ServerResponse } from 'node:http';

import { quote } from '../../protocol/index.js';
import { HubError } from '../errors.js';
import { encodeGaps, encodeOpen } from '../frame.js';
import type { HubCore, Opening } from '../hub.js';
import type { ResumeRequest } from '../resume.js';
import { createOutlet } from './outlet.js';
import type { Exchange } from './exchange.js';
import { asRefusal, sendProblem } from './problem.js';
import { isNativeEventSource, refuseEventSource } from './refusal.js';
import { checkChannels, readChannel } from './target.js';
import type { Target } from './target.js';

const STREAM_HEADERS = {
  'Content-Type': 'text/event-stream',
  // Proxies must neither keep nor compress it, and nginx must not collect it.
  'Cache-Control': 'no-cache, no-transform',
  'X-Accel-Buffering': 'no',
};

/** `GET /subscribe/{channel}` and `GET /subscribe?channel=…&channel=…` (PROTOCOL.md, 4). */
export function handleSubscribe({ hub, request, response, target }: Exchange): void {
  try {
    const opening = hub.open({
      channels: channelsOf(target, hub.settings.limits.channelsPerConnection),
      isEnvelope: isEnvelopeAsked(target.query),
      resume: resumeOf(request, target.query),
    });
    if (opening.isOver) {
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
  response.writeHead(200, STREAM_HEADERS);
  // Head, first block and backfill leave in one write.
  const { socket } = response;
  socket?.cork();
  response.flushHeaders();
  const subscriber = hub.admit(opening, createOutlet(response));
  response.once('close', () => hub.release(subscriber));
  const open = { channels: feed.channels.map(({ name }) => name), heartbeatMs: hub.settings.heartbeatMs };
  subscriber.write(encodeOpen(start.openCursor, open, hub.settings.retryMs));
  if (start.gaps.length > 0) subscriber.write(encodeGaps(start.gaps, hub.store.formatCursor(start.offset)));
  subscriber.pull();
  socket?.uncork();
}

function channelsOf({ segments, query }: Target, countMax: number): readonly string[] {
  const [, segment] = segments;
  if (segment !== undefined && segment !== '') return [readChannel(segment)];
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
    // EventSource sends UTF-8, Node reads Latin-1. The header is newer than what is left in the URL.
    lastEventId:
      typeof header === 'string' ? Buffer.from(header, 'latin1').toString() : (query.get('lastEventId') ?? undefined),
    since: query.get('since') ?? undefined,
    last: query.get('last') ?? undefined,
  };
}
