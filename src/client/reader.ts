import {
  CONTROL,
  createEventParser,
  isControlType,
  isCursorLike,
  parseCursor,
  ProtocolError,
} from '../protocol/index.js';
import type { ConflatedData, EndData, ErrorData, GapData, OpenData, ParsedEvent } from '../protocol/index.js';
import type { Delivery, EventDelivery } from './delivery.js';
import { ClientError } from './errors.js';

/** What outlives a connection: where to resume, what was seen, what has ended. */
export interface Subscription {
  /** Of a user's own stream (`isOwn`) empty until the hub has named it. */
  channels: readonly string[];
  readonly isOwn: boolean;
  /** What goes out as Last-Event-ID: the place after the last delivery that was yielded; empty before the first id. */
  resumeId: string;
  /** The last cursor seen for each channel, by which repeats are dropped. */
  readonly seen: Map<string, string>;
  readonly ended: Set<string>;
}

export interface StreamReader {
  /** Reads the next bytes; returns what they complete, and why nothing more can be read, if so. */
  read(bytes: Uint8Array): ReadResult;
  /** The `retry:` last asked for (milliseconds). */
  retryMs: number | undefined;
  /** The heartbeat that the hub promised (milliseconds); 0 where it promised none. */
  heartbeatMs: number;
}

/** A delivery, and what to resume from once it was yielded. */
export interface Step {
  readonly delivery: Delivery;
  readonly resumeId: string;
}

export interface ReadResult {
  readonly steps: readonly Step[];
  /** What to resume from after all of them. */
  readonly resumeId: string;
  /** Comes after the deliveries: what was complete before it is not lost. */
  readonly refusal: ClientError | undefined;
}

/** Turns one connection's bytes into deliveries; the connection resumes from `startId`. */
export function createStreamReader(startId: string): StreamReader {
  let steps: Step[] = [];
  let resumeId = startId;
  // Only a hub names them.
  let channels: readonly string[] | undefined;
  const onEvent = (event: ParsedEvent): void => {
    if (event.type === CONTROL.open) {
      const open = JSON.parse(event.data) as OpenData;
      reader.heartbeatMs = open.heartbeatMs;
      channels = open.channels;
    }
    // A hub follows a publisher's own id, which may repeat, with a cursor: only that is a safe place
    // to resume from. Any other server's ids are taken as they are.
    if (channels === undefined || isCursorLike(event.lastEventId)) resumeId = event.lastEventId;
    const delivery = isControlType(event.type) ? readControl(event) : readEvent(event, channels);
    if (delivery !== undefined) steps.push({ delivery, resumeId });
  };
  // An event of more than 16 MiB, the parser's default, is an error with a code.
  const parser = createEventParser({
    onEvent,
    onRetry: (ms) => (reader.retryMs = ms),
    lastEventId: resumeId,
  });
  const reader: StreamReader = {
    retryMs: undefined,
    heartbeatMs: 0,
    read(bytes) {
      let refusal;
      steps = [];
      try {
        parser.push(bytes);
      } catch (error) {
        refusal = toRefusal(error);
      }
      // An id in a block without data counts as well; a hub sends none.
      if (channels === undefined) resumeId = parser.lastEventId;
      return { steps, resumeId, refusal };
    },
  };
  return reader;
}

/** What cannot be read now will not be readable on the next connection either. */
function toRefusal(error: unknown): ClientError {
  if (error instanceof ClientError) return error;
  const message = error instanceof Error ? error.message : String(error);
  const code = error instanceof ProtocolError ? error.code : 'unreadable';
  return new ClientError({ code, message: `Cannot read the stream: ${message}`, retryable: false, cause: error });
}

function readControl({ type, data, lastEventId }: ParsedEvent): Delivery | undefined {
  switch (type) {
    case CONTROL.open:
      return { kind: 'open', channels: (JSON.parse(data) as OpenData).channels, cursor: lastEventId };
    case CONTROL.cursor:
      return { kind: 'cursor', cursor: lastEventId };
    case CONTROL.gap:
      return { kind: 'gap', ...(JSON.parse(data) as GapData) };
    case CONTROL.conflated:
      return { kind: 'conflated', ...(JSON.parse(data) as ConflatedData) };
    case CONTROL.live:
      return { kind: 'live' };
    case CONTROL.end:
      return { kind: 'end', channel: (JSON.parse(data) as EndData).channel };
    case CONTROL.error: {
      const { code, message, retryable } = JSON.parse(data) as ErrorData;
      throw new ClientError({ code, message, retryable });
    }
    default:
      // A control event of a newer hub is not data either.
      return undefined;
  }
}

/** @param channels those of the stream; undefined where the server is no hub. */
function readEvent({ type, data, lastEventId }: ParsedEvent, channels: readonly string[] | undefined): EventDelivery {
  const event: EventDelivery = { kind: 'event', id: lastEventId, type, data };
  if (channels === undefined) return event;
  const [channel] = channels;
  if (channels.length === 1 && channel !== undefined) return { ...event, channel };
  const envelope = JSON.parse(data) as { channel: string; id?: string; event?: string; data: string };
  return {
    ...event,
    channel: envelope.channel,
    id: envelope.id ?? '',
    type: envelope.event ?? type,
    data: envelope.data,
  };
}

/** Moves `subscription` past a delivery; false where it had that already. */
export function advance(subscription: Subscription, { delivery, resumeId }: Step): boolean {
  subscription.resumeId = resumeId;
  if (delivery.kind === 'open' && subscription.isOwn) subscription.channels = delivery.channels;
  if (delivery.kind === 'end') subscription.ended.add(delivery.channel);
  return delivery.kind !== 'event' || !isRepeat(delivery, subscription);
}

/** A cut within a flush of several channels makes the hub send the flush again (PROTOCOL.md, 3.5). */
function isRepeat({ channel, id }: EventDelivery, { seen }: Subscription): boolean {
  const cursor = parseCursor(id);
  if (channel === undefined || cursor === undefined) return false;
  const before = parseCursor(seen.get(channel) ?? '');
  const isOld = before?.epoch === cursor.epoch && cursor.offset <= before.offset;
  if (!isOld) seen.set(channel, id);
  return isOld;
}
