import {
  CONTROL,
  createEventParser,
  isControlType,
  isCursorLike,
  parseCursor,
  ProtocolError,
} from '../protocol/index.js';
import type { EndData, ErrorData, GapData, OpenData, ParsedEvent } from '../protocol/index.js';
import type { Delivery, EventDelivery } from './delivery.js';
import { ClientError } from './errors.js';

/** The largest event that is read (bytes on the wire); a larger one is an error with a code. */
const EVENT_BYTES_MAX = 16 * 1024 * 1024;

/** What outlives a connection: where to resume, what was seen, what has ended. */
export interface Subscription {
  readonly channels: readonly string[];
  /** What goes out as Last-Event-ID; empty before the first id. */
  resumeId: string;
  /** The last cursor seen for each channel, by which repeats are dropped. */
  readonly seen: Map<string, string>;
  readonly ended: Set<string>;
}

export interface StreamReader {
  /** Reads the next bytes; returns what they complete, and why nothing more can be read, if so. */
  read(bytes: Uint8Array): ReadResult;
  /** The `retry:` last asked for (milliseconds). */
  readonly retryMs: number | undefined;
  /** The heartbeat that the hub promised (milliseconds). */
  readonly heartbeatMs: number | undefined;
}

export interface ReadResult {
  readonly deliveries: readonly Delivery[];
  /** Comes after the deliveries: what was complete before it is not lost. */
  readonly refusal?: ClientError;
}

/** Turns one connection's bytes into deliveries and moves `subscription` along. */
export function createStreamReader(subscription: Subscription): StreamReader {
  let completed: Delivery[] = [];
  let retryMs: number | undefined;
  let heartbeatMs: number | undefined;
  let isHub = false;
  const onEvent = (event: ParsedEvent): void => {
    if (event.type === CONTROL.open) {
      isHub = true;
      heartbeatMs = (JSON.parse(event.data) as OpenData).heartbeatMs;
    }
    // A hub follows a publisher's own id, which may repeat, with a cursor: only that is a safe place
    // to resume from. Any other server's ids are taken as they are.
    if (isHub && isCursorLike(event.lastEventId)) subscription.resumeId = event.lastEventId;
    const delivery = isControlType(event.type)
      ? readControl(event, subscription)
      : readEvent(event, subscription, isHub);
    if (delivery !== undefined) completed.push(delivery);
  };
  const parser = createEventParser({
    onEvent,
    onRetry: (ms) => (retryMs = ms),
    maxEventBytes: EVENT_BYTES_MAX,
    lastEventId: subscription.resumeId,
  });
  return {
    read(bytes) {
      completed = [];
      try {
        parser.push(bytes);
      } catch (error) {
        return { deliveries: completed, refusal: toRefusal(error) };
      } finally {
        if (!isHub) subscription.resumeId = parser.lastEventId;
      }
      return { deliveries: completed };
    },
    get retryMs() {
      return retryMs;
    },
    get heartbeatMs() {
      return heartbeatMs;
    },
  };
}

/** What cannot be read now will not be readable on the next connection either. */
function toRefusal(error: unknown): ClientError {
  if (error instanceof ClientError) return error;
  const message = error instanceof Error ? error.message : String(error);
  const code = error instanceof ProtocolError ? error.code : 'unreadable';
  return new ClientError({ code, message: `Cannot read the stream: ${message}`, retryable: false, cause: error });
}

function readControl({ type, data, lastEventId }: ParsedEvent, subscription: Subscription): Delivery | undefined {
  switch (type) {
    case CONTROL.open:
      return { kind: 'open', channels: (JSON.parse(data) as OpenData).channels, cursor: lastEventId };
    case CONTROL.cursor:
      return { kind: 'cursor', cursor: lastEventId };
    case CONTROL.gap: {
      const gap = JSON.parse(data) as GapData;
      return { kind: 'gap', ...gap };
    }
    case CONTROL.live:
      return { kind: 'live' };
    case CONTROL.end: {
      const { channel } = JSON.parse(data) as EndData;
      subscription.ended.add(channel);
      return { kind: 'end', channel };
    }
    case CONTROL.error: {
      const { code, message, retryable } = JSON.parse(data) as ErrorData;
      throw new ClientError({ code, message, retryable });
    }
    default:
      // A control event of a newer hub is not data either.
      return undefined;
  }
}

function readEvent(event: ParsedEvent, subscription: Subscription, isHub: boolean): EventDelivery | undefined {
  const delivery = toDelivery(event, subscription, isHub);
  return isRepeat(delivery, subscription) ? undefined : delivery;
}

function toDelivery(event: ParsedEvent, { channels }: Subscription, isHub: boolean): EventDelivery {
  const { type, data, lastEventId } = event;
  const [channel] = channels;
  if (channels.length === 1 || !isHub)
    return { kind: 'event', ...(isHub && channel !== undefined ? { channel } : {}), id: lastEventId, type, data };
  const envelope = JSON.parse(data) as { channel: string; id?: string; event?: string; data: string };
  return {
    kind: 'event',
    channel: envelope.channel,
    id: envelope.id ?? '',
    type: envelope.event ?? type,
    data: envelope.data,
  };
}

/** A cut within a flush of several channels makes the hub send the flush again (PROTOCOL.md, 3.5). */
function isRepeat({ channel, id }: EventDelivery, { seen }: Subscription): boolean {
  const cursor = channel === undefined ? undefined : parseCursor(id);
  if (channel === undefined || cursor === undefined) return false;
  const before = parseCursor(seen.get(channel) ?? '');
  if (before !== undefined && before.epoch === cursor.epoch && cursor.offset <= before.offset) return true;
  seen.set(channel, id);
  return false;
}
